// flows/reassembly.h against a model that keeps every fragment in a list and looks at all of them.
//
// Input: steps of six bytes: which packet (of four, two of each family) and whether it is the last
// one; offset; length; what to fill it with; ECN and the step's kind. The limits are never met
// here, so that the model needs no eviction: tests/flows/reassembly_test.cc has that.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/check.h"
#include "flows/reassembly.h"
#include "tests/support/packet_builder.h"

namespace {

using Bytes = test_support::Packet;
using flows::Drop;

struct Piece {
  std::size_t offset;
  Bytes bytes;
  bool more;
  unsigned ecn;
  bool operator==(const Piece&) const = default;
  [[nodiscard]] std::size_t end() const { return offset + bytes.size(); }
};

// What is to be done with a piece, said as plainly as possible.
class Model {
 public:
  struct Answer {
    std::optional<Drop> refused;
    std::optional<Bytes> whole;
  };

  Answer add(unsigned packet, const Piece& piece, std::size_t beside) {
    if (piece.bytes.empty() || (piece.more && piece.bytes.size() % 8 != 0) ||
        piece.end() + beside > 65535) {
      return {.refused = Drop::kBadFragment, .whole = {}};
    }
    std::vector<Piece>& pieces = packets_[packet];
    for (const Piece& other : pieces) {
      if (other.offset == piece.offset && other.bytes == piece.bytes && other.more == piece.more) {
        return {.refused = Drop::kFragmentRepeated, .whole = {}};
      }
    }
    if (std::ranges::any_of(pieces, [&](const Piece& other) { return contradict(piece, other); })) {
      packets_.erase(packet);
      return {.refused = Drop::kFragmentOverlap, .whole = {}};
    }
    pieces.push_back(piece);
    auto whole = joined(pieces);
    if (whole) {
      packets_.erase(packet);
    }
    return {.refused = {}, .whole = whole};
  }
  [[nodiscard]] std::size_t size() const { return packets_.size(); }
  void clear() { packets_.clear(); }

 private:
  static bool contradict(const Piece& one, const Piece& other) {
    const bool overlap = one.offset < other.end() && other.offset < one.end();
    const bool behind =
        (!one.more && other.end() >= one.end()) || (!other.more && one.end() >= other.end());
    const bool mixed = (one.ecn == 0) != (other.ecn == 0);
    return overlap || behind || mixed;
  }

  static std::optional<Bytes> joined(std::vector<Piece> pieces) {
    std::ranges::sort(pieces, {}, &Piece::offset);
    Bytes all;
    for (const Piece& piece : pieces) {
      if (piece.offset != all.size()) {
        return std::nullopt;
      }
      test_support::put(all, piece.bytes);
    }
    return pieces.back().more ? std::nullopt : std::optional(all);
  }

  std::map<unsigned, std::vector<Piece>> packets_;
};

struct Counter final : flows::Reassembly::Owner {
  void given_up(const flows::Reassembly::GivenUp& packet) override {
    CHECK(packet.reason == Drop::kFragmentOverlap || packet.reason == Drop::kFragmentTimeout);
    CHECK(packet.first.empty() || flows::parse(packet.first, {})->fragment_offset == 0);
    ++count;
  }
  std::size_t count = 0;
};

Bytes fragment_of(unsigned packet, const Piece& piece) {
  constexpr unsigned kOther = 253;  // for experiments (RFC 3692): no header of its own
  const bool v4 = packet < 2;
  auto builder = v4 ? test_support::ip(kOther, "10.0.0.1", "10.0.0.2")
                    : test_support::ip(kOther, "fd00::1", "fd00::2");
  if (packet == 3) {
    builder.extension(0);
  }
  return builder.traffic_class(piece.ecn)
      .payload(piece.bytes)
      .fragment(static_cast<unsigned>(piece.offset), piece.more, packet)
      .build();
}

void check_whole(std::span<const std::byte> whole, const Bytes& expected) {
  const auto parsed = flows::parse(whole, {});
  CHECK(parsed.has_value() && !parsed->is_fragment);
  CHECK(std::ranges::equal(whole.subspan(parsed->transport_offset), expected));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kStep = 6;
  Counter counter;
  flows::Reassembly reassembly({.pages = 128, .pages_per_tenant = 128}, {1, 2}, counter);
  Model model;
  for (; size >= kStep; data += kStep, size -= kStep) {
    if (data[5] >= 0xf0) {
      const std::size_t before = reassembly.packets();
      counter.count = 0;
      reassembly.expire(base::Instant{});
      CHECK(counter.count == before && reassembly.packets() == 0 && reassembly.pages() == 0);
      model.clear();
      continue;
    }
    const unsigned packet = data[0] & 3U;
    const Piece piece{.offset = (unsigned{data[1]} << 8U | data[2]) & 0xfff8U,
                      .bytes = Bytes(data[3] * std::size_t{data[5] < 0x80 ? 1U : 8U},
                                     static_cast<std::byte>(data[4])),
                      .more = (data[0] & 4U) != 0,
                      .ecn = data[5] & 3U};
    const Bytes fragment = fragment_of(packet, piece);
    const auto parsed = flows::parse(fragment, {});
    CHECK(parsed.has_value());
    if (!parsed->is_fragment) {
      continue;  // IPv4 knows no fragment that is the whole
    }
    const auto answer = model.add(packet, piece, packet < 2 ? 20 : packet == 3 ? 8 : 0);
    const auto added = reassembly.add(flows::Reassembly::key_of(1, 1, *parsed), fragment, *parsed,
                                      base::Instant{});
    CHECK(added.has_value() == !answer.refused.has_value());
    if (added) {
      CHECK(added->has_value() == answer.whole.has_value());
      if (answer.whole) {
        check_whole((*added)->bytes, *answer.whole);
      }
    } else {
      CHECK(added.error() == *answer.refused);
    }
    CHECK(reassembly.packets() == model.size());
    CHECK(reassembly.packets() <= reassembly.pages() && reassembly.pages() <= 64);
  }
  return 0;
}
