#include "nat/icmp_error_rewrite.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "flows/reply.h"
#include "tests/support/packet_builder.h"

namespace nat {
namespace {

using flows::Packet;
using flows::Protocol;
using test_support::address;
using test_support::echo_reply;
using test_support::echo_request;
using test_support::endpoint;
using test_support::PacketBuilder;
using test_support::tcp;
using test_support::udp;
using Bytes = test_support::Packet;

constexpr auto kRemote4 = "192.0.2.1:443", kClient4 = "10.0.0.1:40000";
constexpr auto kSix = "2001:db8::1";
constexpr auto kRemote6 = "[2001:db8::1]:443", kClient6 = "[fd00::1]:40000";

// "Too big", from a router behind the client, about a packet to the client.
Bytes error_about(const Bytes& original) {
  const Packet packet = flows::parse(original, {}).value();
  const bool v4 = packet.is_v4();
  Bytes out(flows::kMaxReplyBytes);
  out.resize(flows::build_icmp_error(original, packet, flows::too_big(v4, 1300),
                                     address(v4 ? "100.64.0.1" : "fd00::ffff"), out)
                 .value());
  return out;
}

Packet parsed(const Bytes& bytes) {
  const auto packet = flows::parse(bytes, {});  // verifies the error's checksums
  EXPECT_TRUE(packet) << name(packet.error());
  return packet.value();
}

struct Case {
  PacketBuilder original;
  base::Endpoint source, destination;  // of the original
  NewEnds outer, quoted;
  PacketBuilder wanted;  // the original, had it had the new ends
};

std::vector<Case> cases() {
  const NewEnds outer4{endpoint("198.18.1.0:0"), endpoint("198.18.0.1:0")};
  const NewEnds quoted4{endpoint("198.18.0.1:1"), endpoint("198.18.1.0:1024")};
  const NewEnds outer6{endpoint("[fd66::100]:0"), endpoint("[fd66::1]:0")};
  const NewEnds quoted6{endpoint("[fd66::1]:1"), endpoint("[fd66::100]:1024")};
  return {
      {tcp(kRemote4, kClient4).ack(7).payload(std::size_t{100}), endpoint(kRemote4),
       endpoint(kClient4), outer4, quoted4,
       tcp("198.18.0.1:1", "198.18.1.0:1024").ack(7).payload(std::size_t{100})},
      {tcp(kRemote6, kClient6).ack(7).payload(std::size_t{100}), endpoint(kRemote6),
       endpoint(kClient6), outer6, quoted6,
       tcp("[fd66::1]:1", "[fd66::100]:1024").ack(7).payload(std::size_t{100})},
      {udp(kRemote4, kClient4).payload("x"), endpoint(kRemote4), endpoint(kClient4), outer4,
       quoted4, udp("198.18.0.1:1", "198.18.1.0:1024").payload("x")},
      {udp(kRemote4, kClient4).no_checksum().payload("x"), endpoint(kRemote4), endpoint(kClient4),
       outer4, quoted4, udp("198.18.0.1:1", "198.18.1.0:1024").no_checksum().payload("x")},
      {echo_reply("192.0.2.1", "10.0.0.1", 77).payload("x"), endpoint("192.0.2.1:77"),
       endpoint("10.0.0.1:77"), outer4, quoted4,
       echo_reply("198.18.0.1", "198.18.1.0", 1).payload("x")},
      {echo_reply("2001:db8::1", "fd00::1", 77).payload("x"), endpoint("[2001:db8::1]:77"),
       endpoint("[fd00::1]:77"), outer6, quoted6,
       echo_reply("fd66::1", "fd66::100", 1).payload("x")},
      {echo_request("192.0.2.1", "10.0.0.1", 77).payload("x"), endpoint("192.0.2.1:77"),
       endpoint("10.0.0.1:77"), outer4, quoted4,
       echo_request("198.18.0.1", "198.18.1.0", 1).payload("x")},
      {echo_request("2001:db8::1", "fd00::1", 77).payload("x"), endpoint("[2001:db8::1]:77"),
       endpoint("[fd00::1]:77"), outer6, quoted6,
       echo_request("fd66::1", "fd66::100", 1).payload("x")}};
}

TEST(ReadQuote, SaysWhichPacketTheErrorIsAbout) {
  for (const Case& tested : cases()) {
    const Bytes error = error_about(tested.original.build());
    const auto quote = read_quote(error, parsed(error));
    ASSERT_TRUE(quote);
    EXPECT_EQ(quote->source, tested.source);
    EXPECT_EQ(quote->destination, tested.destination);
  }
}

TEST(ReadQuote, EightBytesOfTheTransportHeaderAreEnoughAndSevenAreNot) {
  const Bytes original = tcp(kRemote4, kClient4).ack(7).payload(std::size_t{100}).build();
  for (const auto& [quoted_bytes, is_enough] :
       {std::pair{28, true}, {27, false}, {19, false}, {0, false}}) {
    const Bytes error =
        test_support::icmp("100.64.0.1", "192.0.2.1")
            .icmp(3, 4, 1300)
            .payload(std::span(original).first(static_cast<std::size_t>(quoted_bytes)))
            .build();
    EXPECT_EQ(read_quote(error, parsed(error)).has_value(), is_enough) << quoted_bytes;
  }
}

TEST(ReadQuote, WhatIsTooShortForItsHeadersIsNoFlow) {
  const Bytes plain = udp(kRemote6, kClient6).payload("eight bytes").build();
  const Bytes fragment =
      udp(kRemote6, kClient6).payload("eight bytes").fragment(0, true, 7).build();
  for (const auto& [original, enough] : {std::pair{plain, 48U}, {fragment, 56U}}) {
    for (std::size_t size = 0; size < original.size(); ++size) {
      const Bytes error = test_support::icmp("fd00::9", kSix)
                              .icmp(2, 0, 1280)
                              .payload(std::span(original).first(size))
                              .build();
      EXPECT_EQ(read_quote(error, parsed(error)).has_value(), size >= enough) << size;
    }
  }
}

// It would pass for IPv4 from then on.
TEST(ReadQuote, MappedAddressIsRefused) {
  for (const std::size_t field : {8U, 24U}) {
    Bytes original = udp(kRemote6, kClient6).payload("x").build();
    const base::IpAddress mapped = address("192.0.2.1");
    std::ranges::copy(mapped.bytes(), original.begin() + static_cast<std::ptrdiff_t>(field));
    const Bytes error =
        test_support::icmp("fd00::9", kSix).icmp(2, 0, 1280).payload(original).build();
    EXPECT_FALSE(read_quote(error, parsed(error)));
  }
}

TEST(ReadQuote, ProtocolWithoutPortsIsAFlowOfItsAddresses) {
  const Bytes original =
      test_support::ip(47, "192.0.2.1", "10.0.0.1").payload("eight bytes").build();
  const Bytes error =
      test_support::icmp("100.64.0.1", "192.0.2.1").icmp(3, 4, 1300).payload(original).build();
  const auto quote = read_quote(error, parsed(error));
  ASSERT_TRUE(quote);
  EXPECT_FALSE(quote->has_ports);
  EXPECT_EQ(static_cast<unsigned>(quote->protocol), 47U);
  EXPECT_EQ(quote->source, test_support::endpoint("192.0.2.1:0"));
}

TEST(ReadQuote, FirstFragmentOfIpv6IsReadThroughItsHeader) {
  const Bytes error =
      test_support::icmp("fd00::9", "2001:db8::1")
          .icmp(2, 0, 1280)
          .payload(test_support::udp(kRemote6, kClient6).payload("x").fragment(0, true, 7).build())
          .build();
  const auto quote = read_quote(error, parsed(error));
  ASSERT_TRUE(quote);
  EXPECT_EQ(quote->source, test_support::endpoint(kRemote6));
}

TEST(ReadQuote, WhatDoesNotShowItsPortsIsNoFlow) {
  for (const Bytes& original :
       {tcp(kRemote4, kClient4).fragment(1480, false, 7).payload("longer than a port").build(),
        tcp(kRemote6, kClient6).ack(1).build(),  // of the other family
        test_support::icmp("192.0.2.1", "10.0.0.1").icmp(3, 4, 1300).payload("no echo").build(),
        test_support::ip(58, "192.0.2.1", "10.0.0.1").payload("\x80 ICMPv6 in IPv4").build()}) {
    const Bytes error =
        test_support::icmp("100.64.0.1", "192.0.2.1").icmp(3, 4, 1300).payload(original).build();
    EXPECT_FALSE(read_quote(error, parsed(error)));
  }
  for (const Bytes& original :
       {udp(kRemote6, kClient6).fragment(1480, false, 7).payload("longer than a port").build(),
        tcp(kRemote4, kClient4).ack(1).build(),
        test_support::icmp("2001:db8::1", "fd00::1").icmp(1, 0, 0).payload("no echo").build(),
        test_support::ip(1, "2001:db8::1", "fd00::1").payload("\b ICMP in IPv6").build(),
        udp(kRemote6, kClient6).extension(0).payload("x").build(),
        udp(kRemote6, kClient6).extension(43).payload("x").build(),
        test_support::ip(44, kSix, "fd00::1")
            .payload(std::string("\x2c\0\0\0", 4) + "44 in 44, and more")
            .build(),
        test_support::ip(51, kSix, "fd00::1").payload("authentication").build(),
        udp(kRemote6, kClient6).extension(60).payload("x").build()}) {
    const Bytes error =
        test_support::icmp("fd00::9", "2001:db8::1").icmp(2, 0, 1280).payload(original).build();
    EXPECT_FALSE(read_quote(error, parsed(error)));
  }
}

TEST(RewriteIcmpError, QuotesThePacketAsItWouldHaveBeenWithTheNewEnds) {
  for (const Case& tested : cases()) {
    Bytes error = error_about(tested.original.build());
    const Packet before = parsed(error);

    rewrite_icmp_error(error, before, read_quote(error, before).value(), tested.outer,
                       tested.quoted);

    const Packet after = parsed(error);
    EXPECT_EQ(after.source.address, tested.outer.source.address);
    EXPECT_EQ(after.destination.address, tested.outer.destination.address);
    EXPECT_EQ(after.icmp_type, before.icmp_type);
    EXPECT_EQ(Bytes(error.begin() + after.payload_offset, error.end()), tested.wanted.build());
  }
}

// RFC 792 asks for 8 bytes of what was sent, routers quote what they like.
TEST(RewriteIcmpError, QuoteMayEndAnywhereBehindTheIdentifier) {
  for (const Case& tested : cases()) {
    const Bytes original = tested.original.build();
    const Bytes wanted = tested.wanted.build();
    const Packet packet = parsed(original);
    for (std::size_t size = packet.transport_offset + 8U; size < original.size(); ++size) {
      if (packet.protocol == Protocol::kTcp && size == packet.transport_offset + 17U) {
        continue;  // half a checksum stays as it is
      }
      const bool v4 = packet.is_v4();
      Bytes error = test_support::icmp(v4 ? "100.64.0.1" : "fd00::9", v4 ? "192.0.2.1" : kSix)
                        .icmp(v4 ? 11 : 3, 0)
                        .payload(std::span(original).first(size))
                        .build();
      const Packet before = parsed(error);
      rewrite_icmp_error(error, before, read_quote(error, before).value(), tested.outer,
                         tested.quoted);
      const Packet after = parsed(error);
      ASSERT_EQ(Bytes(error.begin() + after.payload_offset, error.end()),
                Bytes(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(size)))
          << size << " bytes";
    }
  }
}

// RFC 768: 0 says that there is none.
TEST(RewriteIcmpError, UdpChecksumThatBecomesZeroIsWrittenAsItsOtherForm) {
  const Bytes original = udp(kRemote4, kClient4).build();
  const unsigned checksum = test_support::get16(original, 26);
  const unsigned sum = 40'000 + checksum;  // the destination port that lacks from the sum
  NewEnds same{endpoint(kRemote4), endpoint(kClient4)};
  same.destination.port = base::Port{static_cast<std::uint16_t>((sum & 0xffffU) + (sum >> 16U))};
  Bytes error = error_about(original);
  const Packet before = parsed(error);
  rewrite_icmp_error(error, before, read_quote(error, before).value(),
                     {endpoint("198.18.1.0:0"), endpoint("198.18.0.1:0")}, same);
  EXPECT_EQ(test_support::get16(error, before.payload_offset + 26U), 0xffffU);
}

}  // namespace
}  // namespace nat
