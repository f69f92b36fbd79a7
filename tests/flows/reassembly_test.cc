#include "flows/reassembly.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "flows/fragmenter.h"
#include "flows/segmenter.h"
#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using std::chrono_literals::operator""s;
using test_support::udp;
using Bytes = test_support::Packet;

constexpr auto kA4 = "10.0.0.1:40000", kB4 = "192.0.2.1:53";
constexpr auto kA6 = "[fd00::1]:40000", kB6 = "[2001:db8::1]:53";

std::size_t bytes_of(const std::vector<Bytes>& packets) {
  return std::accumulate(packets.begin(), packets.end(), std::size_t{0},
                         [](std::size_t sum, const Bytes& packet) { return sum + packet.size(); });
}

std::vector<Bytes> cut(const Bytes& packet, std::size_t mtu_bytes, std::uint32_t id = 7) {
  std::vector<Bytes> fragments;
  Fragmenter fragmenter(packet, mtu_bytes, id);
  Bytes out(mtu_bytes);
  while (const auto size = fragmenter.next(out)) {
    fragments.emplace_back(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
  }
  return fragments;
}

class ReassemblyTest : public testing::TestWithParam<bool>, public Reassembly::Owner {
 protected:
  struct Given {
    FragmentKey key;
    WireCount wire;
    Drop reason;
    Bytes first;
  };
  using Added = base::Result<std::optional<Bytes>, Drop>;

  void given_up(const Reassembly::GivenUp& packet) override {
    given_up_.push_back(
        {packet.key, packet.wire, packet.reason, Bytes(packet.first.begin(), packet.first.end())});
  }

  Added add(const Bytes& fragment, std::uint32_t tenant = 1) {
    const auto parsed = parse(fragment, {});
    EXPECT_TRUE(parsed) << name(parsed.error());
    const auto added =
        reassembly_.add(Reassembly::key_of(tenant, 1, *parsed), fragment, *parsed, now_);
    if (!added) {
      return base::Unexpected{added.error()};
    }
    if (!*added) {
      return std::optional<Bytes>{};
    }
    wire_ = (*added)->wire;
    return std::optional(Bytes((*added)->bytes.begin(), (*added)->bytes.end()));
  }
  // Adds them all; what the last one gives.
  std::optional<Bytes> add_all(const std::vector<Bytes>& fragments) {
    std::optional<Bytes> last;
    for (const Bytes& fragment : fragments) {
      EXPECT_FALSE(last) << "whole before the last fragment";
      const auto added = add(fragment);
      EXPECT_TRUE(added) << name(added.error());
      last = added ? *added : std::nullopt;
    }
    return last;
  }

  [[nodiscard]] test_support::PacketBuilder datagram() const {
    return GetParam() ? udp(kA4, kB4) : udp(kA6, kB6);
  }
  // `size` bytes at `offset` of packet `id`.
  [[nodiscard]] Bytes piece(unsigned offset, std::size_t size, bool more, std::uint32_t id = 7) {
    CHECK(size >= 8);
    return datagram().payload(size - 8).fragment(offset, more, id).build();
  }

  base::Instant now_{};
  WireCount wire_;
  std::vector<Given> given_up_;
  Reassembly reassembly_{{.pages = 64, .pages_per_tenant = 40}, {1, 2}, *this};
};
INSTANTIATE_TEST_SUITE_P(Families, ReassemblyTest, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "IPv4" : "IPv6"; });

TEST_P(ReassemblyTest, FragmentsInAnyOrderBecomeThePacket) {
  for (const std::size_t payload : {1500U, 4096U, 9001U, 65000U}) {
    const Bytes packet = datagram().payload(payload).id(7).build();
    auto fragments = cut(packet, 1400);
    EXPECT_EQ(add_all(fragments), packet);
    std::ranges::reverse(fragments);
    EXPECT_EQ(add_all(fragments), packet);
    EXPECT_EQ(wire_.packets, fragments.size());
    EXPECT_EQ(wire_.bytes, bytes_of(fragments));
  }
  EXPECT_EQ(reassembly_.pages(), 0U);
  EXPECT_TRUE(given_up_.empty());
}

TEST_P(ReassemblyTest, TinyFragmentsAreStillThePacket) {
  const Bytes packet = datagram().payload(std::size_t{65'000}).id(7).build();
  EXPECT_EQ(add_all(cut(packet, GetParam() ? 28 : 56)), packet);
}

TEST_P(ReassemblyTest, LongestPacketIsTaken) {
  const std::size_t most = 65535 - (GetParam() ? 28 : 8);
  const Bytes packet = datagram().payload(most).id(7).build();
  EXPECT_EQ(add_all(cut(packet, 1280)), packet);
}

TEST_P(ReassemblyTest, BytesBeyond65535AreRefused) {
  EXPECT_EQ(add(piece(65'528, 16, false)).error(), Drop::kBadFragment);
  EXPECT_EQ(reassembly_.pages(), 0U);
}

TEST_P(ReassemblyTest, PacketsOfOtherIdsAndTenantsAreKeptApart) {
  const Bytes one = datagram().payload(std::size_t{2000}).id(7).build();
  const Bytes other = datagram().payload(std::size_t{3000}).id(8).build();
  const auto first = cut(one, 1400, 7);
  const auto second = cut(other, 1400, 8);
  EXPECT_FALSE(*add(first[0]));
  EXPECT_FALSE(*add(second[0]));
  EXPECT_FALSE(*add(first[1], 2));
  EXPECT_EQ(reassembly_.packets(), 3U);
  EXPECT_EQ(*add(first[1]), one);
}

TEST_P(ReassemblyTest, RepeatedFragmentIsIgnored) {
  const Bytes packet = datagram().payload(std::size_t{4000}).id(7).build();
  const auto fragments = cut(packet, 1400);
  EXPECT_FALSE(*add(fragments[0]));
  EXPECT_EQ(add(fragments[0]).error(), Drop::kFragmentRepeated);
  EXPECT_FALSE(*add(fragments.back()));
  EXPECT_EQ(add(fragments.back()).error(), Drop::kFragmentRepeated);
  EXPECT_EQ(add_all({fragments.begin() + 1, fragments.end() - 1}), packet);
}

// Its bytes lie in two pages.
TEST_P(ReassemblyTest, RepeatedLongFragmentIsIgnoredWhereItIsTheSameToTheEnd) {
  const Bytes packet = datagram().payload(std::size_t{12'000}).id(7).build();
  const auto fragments = cut(packet, 6'000);
  EXPECT_FALSE(*add(fragments[0]));
  EXPECT_EQ(add(fragments[0]).error(), Drop::kFragmentRepeated);
  for (const std::size_t changed : {std::size_t{100}, fragments[0].size() - 1}) {
    EXPECT_FALSE(*add(fragments[1]));
    Bytes other = fragments[1];
    other[changed] ^= std::byte{1};
    EXPECT_EQ(add(other).error(), Drop::kFragmentOverlap) << changed;
  }
}

// RFC 1858, RFC 5722: whatever the order, nothing of the packet gets through.
TEST_P(ReassemblyTest, OverlapGivesThePacketUp) {
  struct Case {
    const char* what;
    Bytes one, other;
  };
  Bytes changed = piece(0, 64, true);
  changed.back() ^= std::byte{1};
  for (const auto& [what, one, other] : {
           Case{"behind", piece(0, 64, true), piece(56, 64, true)},
           Case{"within (teardrop)", piece(0, 64, true), piece(8, 16, false)},
           Case{"over it", piece(8, 16, true), piece(0, 64, true)},
           Case{"the same place, other bytes", piece(0, 64, true), changed},
           Case{"the same start, longer", piece(0, 64, true), piece(0, 72, true)},
           Case{"the same start, shorter", piece(0, 64, true), piece(0, 56, true)},
           Case{"the last one again, not as the last", piece(64, 64, false), piece(64, 64, true)},
       }) {
    given_up_.clear();
    EXPECT_FALSE(*add(one)) << what;
    EXPECT_EQ(add(other).error(), Drop::kFragmentOverlap) << what;
    EXPECT_EQ(reassembly_.packets(), 0U) << what;
    ASSERT_EQ(given_up_.size(), 1U) << what;
    EXPECT_EQ(given_up_[0].reason, Drop::kFragmentOverlap) << what;
    EXPECT_EQ(given_up_[0].wire.packets, 2U) << what;
    EXPECT_EQ(given_up_[0].wire.bytes, one.size() + other.size()) << what;
  }
}

TEST_P(ReassemblyTest, TwoFragmentsAgainAsOneAreAnOverlap) {
  // Of a protocol without a header, so that the bytes are the same.
  const auto blank = [&](unsigned offset, std::size_t size) {
    auto builder = GetParam() ? test_support::ip(253, "10.0.0.1", "192.0.2.1")
                              : test_support::ip(253, "fd00::1", "2001:db8::1");
    return builder.payload(Bytes(size)).fragment(offset, true, 7).build();
  };
  EXPECT_FALSE(*add(blank(8, 64)));
  EXPECT_FALSE(*add(blank(72, 64)));
  EXPECT_EQ(add(blank(8, 128)).error(), Drop::kFragmentOverlap);
  EXPECT_FALSE(*add(blank(8, 128)));
  EXPECT_EQ(add(blank(8, 64)).error(), Drop::kFragmentOverlap);
}

// Compared with the whole unit, whose rest is of whichever packet had the page before, it was taken
// for a repetition or not, as that happened to be.
TEST_P(ReassemblyTest, FragmentThatGoesOnBeyondAShorterLastOneIsNoRepetition) {
  const auto zeros = [](std::size_t size, bool more, std::uint32_t id) {
    const auto builder = GetParam() ? test_support::ip(253, "10.0.0.1", "10.0.0.2")
                                    : test_support::ip(253, "fd00::1", "fd00::2");
    return test_support::PacketBuilder(builder)
        .payload(Bytes(size))
        .fragment(1792, more, id)
        .build();
  };
  EXPECT_TRUE(add(zeros(8, true, 6)));
  reassembly_.expire(now_);  // its page is the next one's, zeros and all
  EXPECT_TRUE(add(zeros(5, false, 7)));
  const auto longer = add(zeros(8, true, 7));
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error(), Drop::kFragmentOverlap);
  EXPECT_EQ(reassembly_.packets(), 0U);
}

TEST_P(ReassemblyTest, SecondEndAndBytesBehindTheEndGiveThePacketUp) {
  EXPECT_FALSE(*add(piece(64, 64, false)));
  EXPECT_EQ(add(piece(128, 64, true)).error(), Drop::kFragmentOverlap);
  EXPECT_FALSE(*add(piece(128, 64, true)));
  EXPECT_EQ(add(piece(64, 64, false)).error(), Drop::kFragmentOverlap);
  EXPECT_FALSE(*add(piece(64, 64, false)));
  EXPECT_EQ(add(piece(128, 64, false)).error(), Drop::kFragmentOverlap);
}

TEST_P(ReassemblyTest, EmptyAndOddFragmentsAreRefusedAlone) {
  Bytes empty = piece(8, 8, true);
  empty.resize(empty.size() - 8);
  test_support::set16(empty, GetParam() ? 2 : 4, GetParam() ? empty.size() : empty.size() - 40);
  test_support::fix_ip_checksum(empty);
  EXPECT_FALSE(*add(piece(0, 8, true)));
  EXPECT_EQ(add(empty).error(), Drop::kBadFragment);
  EXPECT_EQ(add(piece(8, 13, true)).error(), Drop::kBadFragment);
  EXPECT_TRUE(*add(piece(8, 13, false)));
}

TEST_P(ReassemblyTest, CongestionMarkOfAnyFragmentMarksThePacket) {
  const auto marked = [&](unsigned offset, bool more, unsigned bits) {
    return datagram()
        .payload(std::size_t{56})
        .traffic_class(bits)
        .fragment(offset, more, 7)
        .build();
  };
  constexpr unsigned kDscp = 0xb8;
  EXPECT_FALSE(*add(marked(0, true, kDscp | 2)));
  EXPECT_FALSE(*add(marked(64, true, kDscp | 3)));
  const auto whole = add(marked(128, false, kDscp | 2));
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ(parse(**whole, VnetHeader{.flags = VnetHeader::kDataValid}).error(),
            Drop::kBadTotalLength)
      << "three datagrams are not one, but the IP header is right";
  const unsigned front = test_support::get16(**whole, 0);
  EXPECT_EQ((GetParam() ? front : front >> 4U) & 0xffU, kDscp | 3);

  EXPECT_FALSE(*add(marked(0, true, 0)));
  EXPECT_EQ(add(marked(64, false, 2)).error(), Drop::kFragmentOverlap);
}

TEST_P(ReassemblyTest, UnfinishedPacketIsGivenUpInTimeWithItsFirstFragment) {
  const Bytes first = piece(0, 1200, true);
  EXPECT_FALSE(*add(piece(2400, 1200, true)));
  EXPECT_FALSE(*add(first));
  now_ += 5s;
  EXPECT_FALSE(*add(piece(1200, 1200, true, 8)));

  reassembly_.expire(now_ - 6s);
  EXPECT_EQ(reassembly_.packets(), 2U);
  reassembly_.expire(now_ - 5s);
  ASSERT_EQ(given_up_.size(), 1U);
  EXPECT_EQ(given_up_[0].reason, Drop::kFragmentTimeout);
  EXPECT_EQ(given_up_[0].wire.packets, 2U);
  EXPECT_EQ(given_up_[0].first, first);
  reassembly_.expire(now_);
  ASSERT_EQ(given_up_.size(), 2U);
  EXPECT_TRUE(given_up_[1].first.empty());
  EXPECT_EQ(reassembly_.pages(), 0U);
}

TEST_P(ReassemblyTest, DiscardedPacketIsGivenUpOnceForThatReason) {
  const Bytes first = piece(0, 64, true);
  const FragmentKey key = Reassembly::key_of(1, 1, *parse(first, {}));
  EXPECT_FALSE(*add(first));
  EXPECT_FALSE(*add(piece(0, 64, true, 8)));
  reassembly_.discard(key, Drop::kBadFragment);
  reassembly_.discard(key, Drop::kBadFragment);
  ASSERT_EQ(given_up_.size(), 1U);
  EXPECT_EQ(given_up_[0].key.id, 7U);
  EXPECT_EQ(given_up_[0].reason, Drop::kBadFragment);
  EXPECT_EQ(given_up_[0].first, first);
  EXPECT_EQ(reassembly_.packets(), 1U);
}

TEST_P(ReassemblyTest, HeldFragmentsAreGivenBackAsTheyCame) {
  const std::vector<Bytes> held = {piece(1200, 4800, true), piece(6000, 1000, true),
                                   piece(8000, 513, false)};
  EXPECT_FALSE(*add(held[2]));
  EXPECT_FALSE(*add(held[0]));
  EXPECT_FALSE(*add(held[1]));
  const auto parsed = parse(held[0], {});
  std::vector<Bytes> back;
  reassembly_.release(Reassembly::key_of(1, 1, *parsed), [&](std::span<std::byte> fragment) {
    back.emplace_back(fragment.begin(), fragment.end());
  });
  EXPECT_EQ(back, held);
  EXPECT_EQ(reassembly_.pages(), 0U);
  EXPECT_TRUE(given_up_.empty());
}

TEST_P(ReassemblyTest, TenantAtItsLimitLosesItsOldestPacket) {
  for (std::uint32_t id = 0; id < 41; ++id) {
    EXPECT_FALSE(*add(piece(0, 64, true, id)));
  }
  ASSERT_EQ(given_up_.size(), 1U);
  EXPECT_EQ(given_up_[0].key.id, 0U);
  EXPECT_EQ(given_up_[0].reason, Drop::kFragmentLimit);
  EXPECT_EQ(reassembly_.pages(), 40U);
}

TEST_P(ReassemblyTest, WhenAllIsTakenTheTenantAboveItsShareGives) {
  for (std::uint32_t id = 0; id < 40; ++id) {
    EXPECT_FALSE(*add(piece(0, 64, true, id), 1));
  }
  for (std::uint32_t id = 0; id < 24; ++id) {
    EXPECT_FALSE(*add(piece(0, 64, true, id), 2));
  }
  EXPECT_EQ(reassembly_.pages(), 64U);
  const Bytes packet = datagram().payload(std::size_t{20'000}).id(7).build();
  for (const Bytes& fragment : cut(packet, 1400)) {
    EXPECT_TRUE(add(fragment, 3));
  }
  EXPECT_EQ(reassembly_.pages(), 59U) << "five pages, given by the first tenant";
  EXPECT_EQ(given_up_.size(), 5U);
  for (std::uint32_t id = 0; id < given_up_.size(); ++id) {
    EXPECT_EQ(given_up_[id].key.tenant, 1U);
    EXPECT_EQ(given_up_[id].key.id, id) << "the oldest first";
  }
}

TEST_P(ReassemblyTest, PacketThatAloneNeedsMoreThanItsTenantMayHaveIsGivenUp) {
  Reassembly small({.pages = 8, .pages_per_tenant = 3}, {1, 2}, *this);
  const auto give = [&](unsigned offset) {
    const Bytes fragment = piece(offset, 64, true);
    const auto parsed = parse(fragment, {});
    return small.add(Reassembly::key_of(1, 1, *parsed), fragment, *parsed, now_);
  };
  for (const unsigned offset : {0U, 16'384U, 32'768U}) {
    EXPECT_TRUE(give(offset));
  }
  EXPECT_EQ(small.pages(), 3U);
  EXPECT_EQ(give(49'152).error(), Drop::kFragmentLimit);
  EXPECT_EQ(small.pages(), 0U);
  ASSERT_EQ(given_up_.size(), 1U);
  EXPECT_EQ(given_up_[0].reason, Drop::kFragmentLimit);
  EXPECT_EQ(given_up_[0].wire.packets, 4U);
}

// A flood of packets that never end costs what the limit says, whatever the offsets.
TEST_P(ReassemblyTest, EndlessPacketsStayWithinTheLimit) {
  for (std::uint32_t id = 0; id < 500; ++id) {
    for (unsigned offset = 0; offset < 65'000; offset += 8192) {
      (void)add(piece(offset, 64, true, id)).has_value();
      ASSERT_LE(reassembly_.pages(), 40U);
    }
  }
}

// RFC 6946.
TEST(AtomicFragment, LosesItsFragmentHeaderAndNothingElse) {
  for (const bool has_extension : {false, true}) {
    auto builder = udp(kA6, kB6).payload("abc");
    auto plain = udp(kA6, kB6).payload("abc");
    if (has_extension) {
      builder.extension(0, 2);
      plain.extension(0, 2);
    }
    Bytes atomic = builder.fragment(0, false, 9).build();
    const auto parsed = parse(atomic, {});
    ASSERT_TRUE(parsed);
    const auto whole = without_fragment_header(atomic, *parsed);
    EXPECT_EQ(Bytes(whole.begin(), whole.end()), plain.build());
  }
}

}  // namespace
}  // namespace flows
