#include "gateway/inspect/packet_text.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using flows::Protocol;

base::Endpoint endpoint(const char* text) {
  return *base::Endpoint::parse(text);
}

std::string error_of(std::string_view text) {
  const auto packet = parse_packet_text(text);
  EXPECT_FALSE(packet) << text;
  return packet ? "" : packet.error().to_string();
}

TEST(PacketText, SaysASynWithItsPorts) {
  const auto packet = parse_packet_text("tcp 10.0.0.2:4000 > 192.0.2.1:443");
  ASSERT_TRUE(packet) << packet.error().to_string();
  EXPECT_EQ(packet->protocol, Protocol::kTcp);
  EXPECT_EQ(packet->source, endpoint("10.0.0.2:4000"));
  EXPECT_EQ(packet->destination, endpoint("192.0.2.1:443"));
  EXPECT_TRUE(packet->tcp_flags.opens());
}

TEST(PacketText, TakesIpv6InBracketsAndArrowsWithoutSpaces) {
  const auto packet = parse_packet_text("udp [2001:db8::2]:53>[2001:db8::1]:53");
  ASSERT_TRUE(packet) << packet.error().to_string();
  EXPECT_EQ(packet->source, endpoint("[2001:db8::2]:53"));
  EXPECT_EQ(packet->destination, endpoint("[2001:db8::1]:53"));
  EXPECT_TRUE(parse_packet_text("tcp 10.0.0.2:4000 to 192.0.2.1:443"));
}

TEST(PacketText, IcmpIsAnEchoRequestUnlessItSaysItsType) {
  const auto echo = parse_packet_text("icmp 10.0.0.2 > 192.0.2.1 id 7");
  ASSERT_TRUE(echo) << echo.error().to_string();
  EXPECT_TRUE(echo->is_echo);
  EXPECT_EQ(echo->icmp_type, 8);
  EXPECT_EQ(echo->source.port, base::Port{7});  // as the flow's key has it
  EXPECT_EQ(echo->destination.port, base::Port{7});
  const auto other = parse_packet_text("icmpv6 fd00::2 > [fd00::1] code 3 type 133");
  ASSERT_TRUE(other) << other.error().to_string();
  EXPECT_FALSE(other->is_echo);
  EXPECT_EQ(other->icmp_type, 133);
  EXPECT_EQ(other->icmp_code, 3);
}

TEST(PacketText, OtherProtocolsAreNumbers) {
  const auto gre = parse_packet_text("47 10.0.0.2 > 192.0.2.1");
  ASSERT_TRUE(gre) << gre.error().to_string();
  EXPECT_EQ(gre->protocol, Protocol{47});
}

TEST(PacketText, SaysWhereItStoppedUnderstanding) {
  EXPECT_EQ(error_of(""),
            "packet, column 1: expected tcp, udp, icmp, icmpv6 or an IP protocol number from 0 to "
            "255, got nothing");
  EXPECT_EQ(error_of("tcp 10.0.0.2 > 192.0.2.1:443"),
            "packet, column 5: expected the source with its port, such as 192.0.2.1:443 or "
            "[2001:db8::1]:443, got '10.0.0.2'");
  EXPECT_EQ(error_of("tcp 10.0.0.2:4000 192.0.2.1:443"),
            "packet, column 19: expected '>' and the destination (in quotes, or the shell takes "
            "it), got '192.0.2.1:443'");
  EXPECT_EQ(error_of("tcp 10.0.0.2:4000 > 192.0.2.1:443 now"),
            "packet, column 35: expected nothing more, got 'now'");
  EXPECT_EQ(error_of("tcp 10.0.0.2:4000 > [2001:db8::1]:443"),
            "packet, column 21: the source is IPv4, and this is IPv6");
  EXPECT_EQ(error_of("icmp 10.0.0.2 > 192.0.2.1:5"),
            "packet, column 17: expected the address of the destination, without a port: icmp has "
            "none, got '192.0.2.1:5'");
  EXPECT_EQ(error_of("icmp fd00::2 > fd00::1"),
            "packet, column 16: icmp is of IPv4, and this is IPv6; icmpv6 is what IPv6 has");
  EXPECT_EQ(error_of("icmp 10.0.0.2 > 192.0.2.1 type 256"),
            "packet, column 32: expected an ICMP type from 0 to 255, got '256'");
  EXPECT_EQ(error_of("icmp 10.0.0.2 > 192.0.2.1 type 3 id 7"),
            "packet, column 34: expected no id: only echo requests and replies have one, got 'id'");
}

TEST(PacketText, IsWrittenAsItIsRead) {
  for (const char* text :
       {"tcp 10.0.0.2:4000 > 192.0.2.1:443", "udp [2001:db8::2]:53 > [2001:db8::1]:53",
        "icmp 10.0.0.2 > 192.0.2.1 type 8 code 0 id 7", "47 fd00::2 > fd00::1",
        "icmpv6 fd00::2 > fd00::1 type 133 code 0"}) {
    const auto packet = parse_packet_text(text);
    ASSERT_TRUE(packet) << packet.error().to_string();
    EXPECT_EQ(packet_text(*packet), text);
  }
}

}  // namespace
}  // namespace gateway
