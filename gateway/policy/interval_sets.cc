#include "gateway/policy/interval_sets.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace gateway {
namespace {

using Key = IntervalSets::Key;

// The key behind `key`; nothing: it is the last.
std::optional<Key> next(const Key& key) {
  constexpr auto kLast = std::numeric_limits<std::uint64_t>::max();
  if (key.low != kLast) {
    return Key{key.high, key.low + 1};
  }
  return key.high != kLast ? std::optional(Key{key.high + 1, 0}) : std::nullopt;
}

}  // namespace

std::size_t BitSets::add_copy(std::size_t like) {
  const std::size_t set = add();
  std::copy_n(row(like), stride_, words_.begin() + static_cast<std::ptrdiff_t>(set * stride_));
  return set;
}

void IntervalSets::add(const Key& first, const Key& last, std::size_t member) {
  edges_.push_back({first, member, true});
  if (const auto behind = next(last)) {
    edges_.push_back({*behind, member, false});
  }
}

void IntervalSets::finish() {
  std::ranges::sort(edges_, {}, &Edge::key);
  starts_.push_back({});
  std::size_t set = sets_.add();
  for (std::size_t member = 0; member < open_.size(); ++member) {
    if (open_[member] > 0) {
      sets_.insert(set, member);
    }
  }
  for (const Edge& edge : edges_) {
    if (edge.key != starts_.back()) {
      starts_.push_back(edge.key);
      set = sets_.add_copy(set);
    }
    open_[edge.member] += edge.begins ? 1U : ~0U;
    if (open_[edge.member] > 0) {
      sets_.insert(set, edge.member);
    } else {
      sets_.erase(set, edge.member);
    }
  }
  edges_ = {};
  open_ = {};
}

const BitSets::Word* IntervalSets::find(const Key& key) const {
  const auto behind = std::ranges::upper_bound(starts_, key);
  return sets_.row(static_cast<std::size_t>(behind - starts_.begin()) - 1);
}

}  // namespace gateway
