#include "flows/reply.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using base::IpAddress;
using test_support::address;
using test_support::echo_reply;
using test_support::echo_request;
using test_support::endpoint;
using test_support::get32;
using test_support::icmp;
using test_support::ip;
using test_support::PacketBuilder;
using test_support::tcp;
using test_support::udp;

using Bytes = test_support::Packet;

constexpr auto kA4 = "10.0.0.1:40000", kB4 = "192.0.2.1:443";
constexpr auto kA6 = "[fd00::1]:40000", kB6 = "[2001:db8::1]:443";
constexpr auto kRouter4 = "100.64.0.1", kRouter6 = "fd00::ffff";

Packet parsed(const Bytes& bytes, const VnetHeader& vnet = {}) {
  const auto packet = parse(bytes, vnet);
  EXPECT_TRUE(packet) << name(packet.error());
  return packet ? *packet : Packet{};
}

std::optional<Bytes> reset_for(const PacketBuilder& builder) {
  Bytes out(kMaxReplyBytes);
  const auto size = build_reset(parsed(builder.build(), builder.vnet()), out);
  if (!size) {
    return std::nullopt;
  }
  out.resize(*size);
  return out;
}

std::optional<Bytes> unreachable_for(const PacketBuilder& builder,
                                     Unreachable why = Unreachable::kPort) {
  const Bytes original = builder.build();
  const Packet packet = parsed(original, builder.vnet());
  const IpAddress from = address(packet.is_v4() ? kRouter4 : kRouter6);
  Bytes out(kMaxReplyBytes);
  const auto size = build_unreachable(original, packet, why, from, out);
  if (!size) {
    return std::nullopt;
  }
  out.resize(*size);
  return out;
}

// ---- RST ----

TEST(BuildReset, AnswersAnAcknowledgementWithItsNumberAndNoAck) {
  for (const auto& [source, destination] : {std::pair{kA4, kB4}, {kA6, kB6}}) {
    const auto bytes = reset_for(tcp(source, destination).ack(0xcafef00d).seq(7).payload("abc"));
    ASSERT_TRUE(bytes);
    const Packet reset = parsed(*bytes);
    EXPECT_EQ(reset.source, endpoint(destination));
    EXPECT_EQ(reset.destination, endpoint(source));
    EXPECT_EQ(reset.tcp_flags.bits, TcpFlags::kRst);
    EXPECT_EQ(reset.sequence, 0xcafef00d);
    EXPECT_EQ(reset.acknowledgement, 0u);
    EXPECT_EQ(reset.window, 0);
    EXPECT_EQ(reset.payload_bytes(), 0u);
    EXPECT_EQ(reset.ttl, 64);
    EXPECT_TRUE(reset.dont_fragment);
  }
}

TEST(BuildReset, AcknowledgesWhatCameWithoutAnAcknowledgement) {
  struct Case {
    PacketBuilder segment;
    std::uint32_t acknowledges;
  };
  const std::vector<Case> cases = {
      {tcp(kA4, kB4).syn().seq(1000), 1001},
      {tcp(kA6, kB6).syn().seq(1000).mss(1440), 1001},
      {tcp(kA4, kB4).syn().seq(1000).payload("fast open"), 1010},
      {tcp(kA4, kB4).fin().seq(1000).payload("abc"), 1004},
      {tcp(kA4, kB4).flags(TcpFlags::kPsh).seq(1000).payload("abc"), 1003},
      {tcp(kA4, kB4).syn().seq(0xffffffff), 0},
  };
  for (const auto& [segment, acknowledges] : cases) {
    const auto bytes = reset_for(segment);
    ASSERT_TRUE(bytes);
    const Packet reset = parsed(*bytes);
    EXPECT_EQ(reset.tcp_flags.bits, TcpFlags::kRst | TcpFlags::kAck);
    EXPECT_EQ(reset.sequence, 0u);
    EXPECT_EQ(reset.acknowledgement, acknowledges);
  }
}

TEST(BuildReset, NeverAnswersAResetOrWhatIsNoTcpSegment) {
  EXPECT_FALSE(reset_for(tcp(kA4, kB4).rst()));
  EXPECT_FALSE(reset_for(tcp(kA6, kB6).rst().ack(1)));
  EXPECT_FALSE(reset_for(udp(kA4, kB4)));
  EXPECT_FALSE(reset_for(tcp(kA4, kB4).syn().fragment(0, true, 1)));
}

TEST(BuildReset, ResetOfAResetIsNone) {
  Bytes out(kMaxReplyBytes);
  EXPECT_FALSE(build_reset(parsed(reset_for(tcp(kA4, kB4).syn()).value()), out));
}

// ---- ICMP errors ----

TEST(BuildUnreachable, SaysWhyInTheTermsOfTheFamily) {
  using TypeAndCode = std::pair<int, int>;
  struct Case {
    Unreachable why;
    TypeAndCode v4;
    TypeAndCode v6;
  };
  for (const auto& [why, v4, v6] : {Case{Unreachable::kNet, {3, 0}, {1, 0}},
                                    {Unreachable::kHost, {3, 1}, {1, 3}},
                                    {Unreachable::kProtocol, {3, 2}, {4, 1}},
                                    {Unreachable::kPort, {3, 3}, {1, 4}},
                                    {Unreachable::kAdminProhibited, {3, 13}, {1, 1}}}) {
    const Packet four = parsed(unreachable_for(udp(kA4, kB4), why).value());
    EXPECT_EQ(four.protocol, Protocol::kIcmp);
    EXPECT_EQ(TypeAndCode(four.icmp_type, four.icmp_code), v4);
    const Packet six = parsed(unreachable_for(udp(kA6, kB6), why).value());
    EXPECT_EQ(six.protocol, Protocol::kIcmpv6);
    EXPECT_EQ(TypeAndCode(six.icmp_type, six.icmp_code), v6);
  }
}

TEST(BuildIcmpError, CarriesTypeCodeAndTheRestOfItsHeader) {
  struct Case {
    PacketBuilder original;
    IcmpError error;
    std::vector<unsigned> type_and_code;
    std::uint32_t rest;
  };
  for (const auto& [original, error, type_and_code, rest] :
       {Case{udp(kA4, kB4), time_exceeded(true), {11, 0}, 0},
        Case{udp(kA6, kB6), time_exceeded(false), {3, 0}, 0},
        Case{udp(kA4, kB4), reassembly_time_exceeded(true), {11, 1}, 0},
        Case{udp(kA6, kB6), reassembly_time_exceeded(false), {3, 1}, 0},
        Case{udp(kA4, kB4), too_big(true, 1300), {3, 4}, 1300},
        Case{udp(kA4, kB4), too_big(true, 70000), {3, 4}, 65535},
        Case{udp(kA6, kB6), too_big(false, 70000), {2, 0}, 70000}}) {
    const Bytes bytes = original.build();
    const Packet packet = parsed(bytes);
    Bytes out(kMaxReplyBytes);
    const auto size =
        build_icmp_error(bytes, packet, error, address(packet.is_v4() ? kRouter4 : kRouter6), out);
    ASSERT_TRUE(size);
    out.resize(*size);
    const Packet reply = parsed(out);
    EXPECT_EQ((std::vector<unsigned>{reply.icmp_type, reply.icmp_code}), type_and_code);
    EXPECT_EQ(get32(out, reply.transport_offset + 4), rest);
    EXPECT_TRUE(is_icmp_error(reply));
    EXPECT_FALSE(is_icmp_error(packet));
  }
}

TEST(BuildUnreachable, GoesFromTheGivenAddressToTheSource) {
  const Packet four = parsed(unreachable_for(tcp(kA4, kB4).syn()).value());
  EXPECT_EQ(four.source.address, address(kRouter4));
  EXPECT_EQ(four.destination.address, address("10.0.0.1"));
  EXPECT_EQ(four.ttl, 64);
  EXPECT_TRUE(four.dont_fragment);
  EXPECT_FALSE(four.is_echo);

  const Packet six = parsed(unreachable_for(tcp(kA6, kB6).syn()).value());
  EXPECT_EQ(six.source.address, address(kRouter6));
  EXPECT_EQ(six.destination.address, address("fd00::1"));
  EXPECT_EQ(six.ttl, 64);
}

TEST(BuildUnreachable, QuotesAShortPacketWhole) {
  for (const auto& original : {udp(kA4, kB4).payload("abc"), udp(kA6, kB6).payload("abc")}) {
    const Bytes reply = unreachable_for(original).value();
    const auto quote = std::span(reply).subspan(parsed(reply).payload_offset);
    EXPECT_TRUE(std::ranges::equal(quote, original.build()));
  }
}

TEST(BuildUnreachable, CutsTheQuoteAtTheFamilysLimit) {
  struct Case {
    PacketBuilder original;
    std::size_t reply_bytes;
  };
  for (const auto& [original, reply_bytes] :
       {Case{udp(kA4, kB4).payload(std::size_t{520}), 576},  // just fits: 20 + 8 + (28 + 520)
        Case{udp(kA4, kB4).payload(std::size_t{521}), 576},
        Case{udp(kA6, kB6).payload(std::size_t{1184}), 1280},  // 40 + 8 + (48 + 1184)
        Case{udp(kA6, kB6).payload(std::size_t{1185}), 1280},
        Case{tcp(kA4, kB4).ack(1).payload(std::size_t{60000}).gso(1, 1400), 576}}) {
    const Bytes whole = original.build();
    const Bytes reply = unreachable_for(original).value();
    ASSERT_EQ(reply.size(), reply_bytes);
    const auto quote = std::span(reply).subspan(parsed(reply).payload_offset);
    EXPECT_TRUE(std::ranges::equal(quote, std::span(whole).first(quote.size())));
  }
}

TEST(BuildUnreachable, PointsAtTheNextHeaderFieldThatNamesTheProtocol) {
  const auto pointer = [](const PacketBuilder& original) {
    const Bytes reply = unreachable_for(original, Unreachable::kProtocol).value();
    return get32(reply, 44);
  };
  EXPECT_EQ(pointer(ip(47, "fd00::1", "fd00::2")), 6u);
  EXPECT_EQ(pointer(ip(47, "fd00::1", "fd00::2").extension(0, 2).extension(60)), 56u);
}

TEST(BuildUnreachable, RestOfTheHeaderIsZeroElsewhere) {
  EXPECT_EQ(get32(unreachable_for(udp(kA4, kB4)).value(), 24), 0u);
  EXPECT_EQ(get32(unreachable_for(udp(kA6, kB6)).value(), 44), 0u);
}

TEST(BuildUnreachable, NeverAnswersAnIcmpError) {
  for (const unsigned type : {3U, 4U, 5U, 11U, 12U}) {
    EXPECT_FALSE(unreachable_for(icmp("10.0.0.1", "10.0.0.2").icmp(type, 0))) << type;
  }
  for (const unsigned type : {0U, 1U, 2U, 3U, 4U, 127U, 137U}) {
    EXPECT_FALSE(unreachable_for(icmp("fd00::1", "fd00::2").icmp(type, 0))) << type;
  }
}

TEST(BuildUnreachable, AnswersIcmpThatIsNoError) {
  EXPECT_TRUE(unreachable_for(echo_request("10.0.0.1", "10.0.0.2", 1)));
  EXPECT_TRUE(unreachable_for(echo_reply("10.0.0.1", "10.0.0.2", 1)));
  EXPECT_TRUE(unreachable_for(echo_request("fd00::1", "fd00::2", 1)));
  EXPECT_TRUE(unreachable_for(icmp("10.0.0.1", "10.0.0.2").icmp(13, 0)));  // timestamp
}

TEST(BuildUnreachable, OwnErrorsAreNotAnswered) {
  for (const auto& original : {udp(kA4, kB4), udp(kA6, kB6)}) {
    const Bytes reply = unreachable_for(original).value();
    const Packet packet = parsed(reply);
    Bytes out(kMaxReplyBytes);
    EXPECT_FALSE(
        build_unreachable(reply, packet, Unreachable::kPort, packet.destination.address, out));
  }
}

TEST(BuildUnreachable, OfFragmentsOnlyTheFirstOfTcpAndUdpIsAnswered) {
  EXPECT_TRUE(unreachable_for(udp(kA4, kB4).fragment(0, true, 1)));
  EXPECT_TRUE(unreachable_for(tcp(kA6, kB6).syn().fragment(0, true, 1)));
  EXPECT_FALSE(unreachable_for(udp(kA4, kB4).fragment(8, true, 1)));
  EXPECT_FALSE(unreachable_for(udp(kA6, kB6).fragment(1480, false, 1)));
  EXPECT_FALSE(unreachable_for(icmp("10.0.0.1", "10.0.0.2").icmp(3, 1).fragment(0, true, 1)));
  EXPECT_FALSE(unreachable_for(ip(60, "fd00::1", "fd00::2").fragment(0, true, 1)));
}

TEST(BuildUnreachable, NeverAnswersWhatWentToMany) {
  EXPECT_FALSE(unreachable_for(udp(kA4, "224.0.0.251:5353")));
  EXPECT_FALSE(unreachable_for(udp(kA4, "255.255.255.255:67")));
  EXPECT_FALSE(unreachable_for(udp(kA6, "[ff02::fb]:5353")));
  EXPECT_TRUE(unreachable_for(udp(kA4, "223.255.255.255:1")));
}

TEST(BuildUnreachable, NeverAnswersASourceThatIsNoHost) {
  for (const char* source :
       {"0.0.0.0:1", "127.0.0.1:1", "224.0.0.1:1", "240.0.0.1:1", "255.255.255.255:1"}) {
    EXPECT_FALSE(unreachable_for(udp(source, kB4))) << source;
  }
  for (const char* source : {"[::]:1", "[::1]:1", "[ff02::1]:1"}) {
    EXPECT_FALSE(unreachable_for(udp(source, kB6))) << source;
  }
}

TEST(BuildUnreachable, QuotesTheHeadersWhereNobodyHasKeptMore) {
  const Bytes original = tcp(kA4, kB4).syn().payload(1000).build();
  const Packet packet = parsed(original);
  const auto headers = std::span(original).first(packet.payload_offset);
  Bytes reply(kMaxReplyBytes);
  reply.resize(
      build_unreachable(headers, packet, Unreachable::kHost, address(kRouter4), reply).value());
  const auto quote = std::span(reply).subspan(parsed(reply).payload_offset);
  EXPECT_TRUE(std::ranges::equal(quote, headers));
}

TEST(BuildUnreachableDeathTest, AddressOfTheOtherFamilyAborts) {
  const Bytes original = udp(kA4, kB4).build();
  const Packet packet = parsed(original);
  Bytes out(kMaxReplyBytes);
  EXPECT_DEATH(
      (void)build_unreachable(original, packet, Unreachable::kPort, address(kRouter6), out),
      "CHECK failed");
}

}  // namespace
}  // namespace flows
