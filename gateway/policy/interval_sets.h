// IntervalSets: for each key the set of those whose intervals hold it, in one binary search.
//
// One dimension of Lakshman and Stiliadis' bit vectors (High-Speed Policy-based Packet Forwarding
// Using Efficient Multi-dimensional Range Matching, SIGCOMM 1998, 3.1): the ends of all intervals
// cut the keys into stretches, and a set is kept for each stretch.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gateway {

/// Sets of the numbers below one limit, all in one piece.
class BitSets {
 public:
  using Word = std::uint64_t;
  static constexpr std::size_t kWordBits = 64;

  explicit BitSets(std::size_t members) : stride_((members + kWordBits - 1) / kWordBits) {}

  /// A set that is empty, or has what set `like` has. Returns its number.
  std::size_t add() {
    words_.resize(words_.size() + stride_);
    return count_++;
  }
  std::size_t add_copy(std::size_t like);

  void insert(std::size_t set, std::size_t member) {
    words_[set * stride_ + member / kWordBits] |= bit(member);
  }
  void erase(std::size_t set, std::size_t member) {
    words_[set * stride_ + member / kWordBits] &= ~bit(member);
  }

  /// words() of them; until the next add().
  [[nodiscard]] const Word* row(std::size_t set) const { return words_.data() + set * stride_; }
  [[nodiscard]] std::size_t words() const { return stride_; }

 private:
  static Word bit(std::size_t member) { return Word{1} << member % kWordBits; }

  std::size_t stride_;
  std::size_t count_ = 0;
  std::vector<Word> words_;
};

class IntervalSets {
 public:
  /// 128 bits: an address, or a smaller number in `low`.
  struct Key {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  explicit IntervalSets(std::size_t members) : open_(members), sets_(members) {}

  /// `member` gets the keys from `first` to `last`, besides those that it has.
  void add(const Key& first, const Key& last, std::size_t member);
  /// It gets all keys.
  void add_all(std::size_t member) { ++open_[member]; }
  /// Once, after which nothing is added.
  void finish();

  /// After finish(): as BitSets::row().
  [[nodiscard]] const BitSets::Word* find(const Key& key) const;

 private:
  struct Edge {
    Key key;
    std::size_t member;
    bool begins;
  };

  std::vector<Edge> edges_;          // until finish()
  std::vector<std::uint32_t> open_;  // until finish(): a member's intervals that hold the key
  std::vector<Key> starts_;          // of stretches; the first is 0
  BitSets sets_;
};

}  // namespace gateway
