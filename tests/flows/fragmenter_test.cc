#include "flows/fragmenter.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "flows/packet.h"
#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using test_support::udp;
using Bytes = test_support::Packet;

constexpr auto kA4 = "192.0.2.1:53", kB4 = "10.0.0.1:40000";
constexpr auto kA6 = "[2001:db8::1]:53", kB6 = "[fd00::1]:40000";

std::vector<Bytes> cut(const Bytes& packet, std::size_t mtu_bytes, std::uint32_t id = 7) {
  std::vector<Bytes> fragments;
  Fragmenter fragmenter(packet, mtu_bytes, id);
  Bytes out(mtu_bytes);
  while (const auto size = fragmenter.next(out)) {
    fragments.emplace_back(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
  }
  return fragments;
}

// What a receiver makes of them: the payload of the IP packet.
Bytes joined(const std::vector<Bytes>& fragments) {
  Bytes all;
  for (const Bytes& fragment : fragments) {
    const auto packet = parse(fragment, {});
    EXPECT_TRUE(packet) << name(packet.error());
    EXPECT_TRUE(packet->is_fragment);
    EXPECT_EQ(packet->fragment_offset, all.size());
    EXPECT_EQ(packet->more_fragments, &fragment != &fragments.back());
    all.insert(all.end(), fragment.begin() + packet->transport_offset, fragment.end());
  }
  return all;
}

TEST(Fragmenter, FragmentsJoinToThePacketAndFitTheMtu) {
  for (const std::size_t mtu : {576U, 1280U, 1400U, 1499U, 9000U}) {
    for (const std::size_t payload : {9001U, 20000U, 65000U}) {
      const Bytes four = udp(kA4, kB4).payload(payload).build();
      const Bytes six = udp(kA6, kB6).payload(payload).build();
      const auto fragments4 = cut(four, mtu);
      const auto fragments6 = cut(six, mtu);
      EXPECT_EQ(joined(fragments4), Bytes(four.begin() + 20, four.end()));
      EXPECT_EQ(joined(fragments6), Bytes(six.begin() + 40, six.end()));
      for (const auto* fragments : {&fragments4, &fragments6}) {
        EXPECT_TRUE(std::ranges::all_of(
            *fragments, [&](const Bytes& fragment) { return fragment.size() <= mtu; }));
      }
    }
  }
}

TEST(Fragmenter, NeedsNoMoreFragmentsThanThereMustBe) {
  EXPECT_EQ(cut(udp(kA4, kB4).payload(std::size_t{1480 + 1472}).build(), 1500).size(), 2u);
  EXPECT_EQ(cut(udp(kA4, kB4).payload(std::size_t{1480 + 1473}).build(), 1500).size(), 3u);
  // An IPv6 fragment carries 1448: 1452 are no multiple of eight.
  EXPECT_EQ(cut(udp(kA6, kB6).payload(std::size_t{2 * 1448 - 8}).build(), 1500).size(), 2u);
  EXPECT_EQ(cut(udp(kA6, kB6).payload(std::size_t{2 * 1448 - 7}).build(), 1500).size(), 3u);
}

TEST(Fragmenter, AllFragmentsOfAPacketHaveItsIdAndMayBeFragmentedOn) {
  for (const Bytes& fragment :
       cut(udp(kA4, kB4).payload(std::size_t{4000}).build(), 1500, 0x12345)) {
    const auto packet = parse(fragment, {}).value();
    EXPECT_EQ(packet.fragment_id, 0x2345u);
    EXPECT_FALSE(packet.dont_fragment);
  }
  for (const Bytes& fragment :
       cut(udp(kA6, kB6).payload(std::size_t{4000}).build(), 1500, 0x12345)) {
    EXPECT_EQ(parse(fragment, {}).value().fragment_id, 0x12345u);
  }
}

TEST(FragmenterDeathTest, PacketThatFitsIsNotCut) {
  const Bytes packet = udp(kA4, kB4).payload(std::size_t{1472}).build();
  EXPECT_DEATH(Fragmenter(packet, 1500, 1), "CHECK failed");
}

TEST(Fragmenter, PacketInTransitKeepsItsIdAndItsOptionsWhereTheyBelong) {
  // Loose source route (copied), and a router alert's neighbour that is not: record route.
  const Bytes options = {std::byte{0x83}, std::byte{3}, std::byte{4}, std::byte{1},
                         std::byte{7},    std::byte{3}, std::byte{4}, std::byte{0}};
  const Bytes packet = udp(kA4, kB4).payload(std::size_t{2000}).ip_options(options).id(99).build();
  std::vector<Bytes> fragments;
  Fragmenter fragmenter(packet, 1000);
  Bytes out(1000);
  while (const auto size = fragmenter.next(out)) {
    fragments.emplace_back(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
  }
  ASSERT_EQ(fragments.size(), 3U);
  EXPECT_EQ(joined(fragments), Bytes(packet.begin() + 28, packet.end()));
  for (const Bytes& fragment : fragments) {
    EXPECT_EQ(parse(fragment, {})->fragment_id, 99U);
    EXPECT_EQ(fragment[20], std::byte{0x83});
    EXPECT_EQ(fragment[24], &fragment == &fragments.front() ? std::byte{7} : std::byte{1});
  }
}

TEST(Fragmenter, FragmentBecomesSmallerOnesOfTheSamePacket) {
  const Bytes packet = udp(kA4, kB4).payload(std::size_t{5000}).id(7).build();
  std::vector<Bytes> smaller;
  for (const Bytes& fragment : cut(packet, 1500)) {
    Bytes out(1500);
    Fragmenter fragmenter(fragment, 576);
    while (const auto size = fragment.size() > 576 ? fragmenter.next(out) : std::nullopt) {
      smaller.emplace_back(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
    }
  }
  EXPECT_EQ(joined(smaller), Bytes(packet.begin() + 20, packet.end()));
}

}  // namespace
}  // namespace flows
