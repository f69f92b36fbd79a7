#include "flows/first_fragment.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using test_support::echo_request;
using test_support::tcp;
using test_support::udp;
using Bytes = test_support::Packet;

constexpr auto kA4 = "10.0.0.1:40000", kB4 = "192.0.2.1:53";
constexpr auto kA6 = "[fd00::1]:40000", kB6 = "[2001:db8::1]:53";

base::Result<Packet, Drop> read(const Bytes& fragment) {
  const auto packet = parse(fragment, {});
  EXPECT_TRUE(packet) << name(packet.error());
  return parse_first_fragment(fragment, *packet);
}

// The first `bytes` of what is behind the IP headers.
Bytes shortened(Bytes fragment, std::size_t transport_offset, std::size_t bytes) {
  fragment.resize(transport_offset + bytes);
  const bool v4 = test_support::get8(fragment, 0) >> 4U == 4;
  test_support::set16(fragment, v4 ? 2 : 4, fragment.size() - (v4 ? 0 : 40));
  test_support::fix_ip_checksum(fragment);
  return fragment;
}

TEST(FirstFragment, SaysWhichFlowThePacketIsOf) {
  for (const auto& [from, to] : {std::pair{kA4, kB4}, std::pair{kA6, kB6}}) {
    const auto of_udp = read(udp(from, to).payload(std::size_t{1000}).fragment(0, true, 9).build());
    ASSERT_TRUE(of_udp);
    EXPECT_EQ(of_udp->source.to_string(), from);
    EXPECT_EQ(of_udp->destination.to_string(), to);
    EXPECT_TRUE(of_udp->is_fragment);
    const auto of_tcp =
        read(tcp(from, to).syn().mss(1000).payload("abcd").fragment(0, true, 9).build());
    ASSERT_TRUE(of_tcp);
    EXPECT_EQ(of_tcp->source.to_string(), from);
    EXPECT_TRUE(of_tcp->tcp_flags.opens());
    const auto of_data = read(
        tcp(from, to).seq(0x12345678).ack(0xfeedbeef).payload("abcd").fragment(0, true, 9).build());
    ASSERT_TRUE(of_data);
    EXPECT_EQ(of_data->sequence, 0x12345678U);
    EXPECT_EQ(of_data->acknowledgement, 0xfeedbeefU) << "an RST in answer needs both";
  }
  const auto of_ping = read(
      echo_request("10.0.0.1", "192.0.2.1", 77).payload("12345678").fragment(0, true, 9).build());
  ASSERT_TRUE(of_ping);
  EXPECT_TRUE(of_ping->is_echo);
  EXPECT_EQ(number(of_ping->source.port), 77);
}

TEST(FirstFragment, FollowsTheExtensionsBehindTheFragmentHeader) {
  // Destination options behind the fragment header: built as the fragment's payload.
  Bytes options(8);
  options[0] = std::byte{17};
  Bytes fragment = test_support::ip(60, "fd00::1", "2001:db8::1")
                       .payload(options)
                       .payload(std::size_t{8})
                       .fragment(0, true, 9)
                       .build();
  const auto head = read(fragment);
  ASSERT_TRUE(head) << name(head.error());
  EXPECT_EQ(head->protocol, Protocol::kUdp);
}

// RFC 1858 3, RFC 7112 5.
TEST(FirstFragment, WithoutTheWholeTransportHeaderIsTiny) {
  const Bytes syn = tcp(kA4, kB4).syn().mss(1000).fragment(0, true, 9).build();
  const Bytes syn6 = tcp(kA6, kB6).syn().mss(1000).fragment(0, true, 9).build();
  for (const std::size_t bytes : {8U, 16U, 20U}) {
    EXPECT_EQ(read(shortened(syn, 20, bytes)).error(), Drop::kTinyFragment) << bytes;
    EXPECT_EQ(read(shortened(syn6, 48, bytes)).error(), Drop::kTinyFragment) << bytes;
  }
  EXPECT_TRUE(read(shortened(syn, 20, 24)));
  EXPECT_EQ(read(shortened(udp(kA4, kB4).fragment(0, true, 9).build(), 20, 7)).error(),
            Drop::kTinyFragment);
  EXPECT_EQ(
      read(shortened(echo_request("10.0.0.1", "192.0.2.1", 7).fragment(0, true, 9).build(), 20, 7))
          .error(),
      Drop::kTinyFragment);
}

TEST(FirstFragment, ChainThatGoesOnInTheNextFragmentIsTiny) {
  Bytes options(8);
  options[0] = std::byte{17};
  options[1] = std::byte{1};  // sixteen bytes long, of which eight are here
  EXPECT_EQ(read(test_support::ip(60, "fd00::1", "2001:db8::1")
                     .payload(options)
                     .fragment(0, true, 9)
                     .build())
                .error(),
            Drop::kTinyFragment);
}

TEST(FirstFragment, FragmentOfAFragmentIsNone) {
  Bytes header(16);
  header[0] = std::byte{17};
  EXPECT_EQ(read(test_support::ip(44, "fd00::1", "2001:db8::1")
                     .payload(header)
                     .fragment(0, true, 9)
                     .build())
                .error(),
            Drop::kBadFragment);
}

}  // namespace
}  // namespace flows
