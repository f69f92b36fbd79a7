#include "flows/packet.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using base::Port;
using test_support::address;
using test_support::echo_reply;
using test_support::echo_request;
using test_support::endpoint;
using test_support::fix_ip_checksum;
using test_support::icmp;
using test_support::ip;
using test_support::PacketBuilder;
using test_support::set16;
using test_support::tcp;
using test_support::udp;

using Bytes = test_support::Packet;

constexpr auto kA4 = "10.0.0.1:40000", kB4 = "192.0.2.1:443";
constexpr auto kA6 = "[fd00::1]:40000", kB6 = "[2001:db8::1]:443";

Packet parsed(const PacketBuilder& builder) {
  auto packet = parse(builder.build(), builder.vnet());
  EXPECT_TRUE(packet) << name(packet.error());
  return packet ? *packet : Packet{};
}

// "parsed", or the name of the reason why not.
std::string outcome(const Bytes& bytes, const VnetHeader& vnet = {}) {
  const auto packet = parse(bytes, vnet);
  return std::string(packet ? "parsed" : name(packet.error()));
}
std::string outcome(const PacketBuilder& builder) {
  return outcome(builder.build(), builder.vnet());
}

Bytes with_byte(Bytes bytes, std::size_t offset, unsigned value) {
  bytes.at(offset) = static_cast<std::byte>(value);
  return bytes;
}

Bytes repeated(std::size_t size, unsigned value) {
  return Bytes(size, static_cast<std::byte>(value));
}

// ---- What is read ----

TEST(Packet, TcpOverIpv4SaysWhatItsHeadersSay) {
  const Packet packet = parsed(tcp(kA4, kB4)
                                   .syn()
                                   .ack(0xfeedbeef)
                                   .seq(0x12345678)
                                   .window(0x4321)
                                   .mss(1460)
                                   .ttl(17)
                                   .traffic_class(0xb9)
                                   .payload("hello"));

  EXPECT_EQ(packet.source, endpoint(kA4));
  EXPECT_EQ(packet.destination, endpoint(kB4));
  EXPECT_EQ(packet.protocol, Protocol::kTcp);
  EXPECT_EQ(packet.ttl, 17);
  EXPECT_EQ(packet.traffic_class, 0xb9);
  EXPECT_FALSE(packet.is_fragment);
  EXPECT_EQ(packet.total_bytes, 49u);
  EXPECT_EQ(packet.protocol_offset, 9u);
  EXPECT_EQ(packet.transport_offset, 20u);
  EXPECT_EQ(packet.payload_offset, 44u);
  EXPECT_EQ(packet.payload_bytes(), 5u);
  EXPECT_EQ(packet.tcp_flags.bits, TcpFlags::kSyn | TcpFlags::kAck);
  EXPECT_FALSE(packet.tcp_flags.opens());
  EXPECT_EQ(packet.sequence, 0x12345678u);
  EXPECT_EQ(packet.acknowledgement, 0xfeedbeefu);
  EXPECT_EQ(packet.window, 0x4321);
}

TEST(Packet, TcpOverIpv6SaysWhatItsHeadersSay) {
  const Packet packet =
      parsed(tcp(kA6, kB6).syn().ttl(3).traffic_class(0xb9).payload(std::size_t{7}));

  EXPECT_EQ(packet.source, endpoint(kA6));
  EXPECT_EQ(packet.destination, endpoint(kB6));
  EXPECT_EQ(packet.protocol, Protocol::kTcp);
  EXPECT_EQ(packet.ttl, 3);
  EXPECT_EQ(packet.traffic_class, 0xb9);
  EXPECT_TRUE(packet.dont_fragment);
  EXPECT_EQ(packet.protocol_offset, 6u);
  EXPECT_EQ(packet.transport_offset, 40u);
  EXPECT_EQ(packet.payload_offset, 60u);
  EXPECT_EQ(packet.payload_bytes(), 7u);
  EXPECT_TRUE(packet.tcp_flags.opens());
}

TEST(Packet, UdpSaysItsPortsAndPayload) {
  for (const auto& builder : {udp(kA4, kB4).payload("xyz"), udp(kA6, kB6).payload("xyz")}) {
    const Packet packet = parsed(builder);
    EXPECT_EQ(packet.protocol, Protocol::kUdp);
    EXPECT_EQ(packet.source.port, Port{40000});
    EXPECT_EQ(packet.destination.port, Port{443});
    EXPECT_EQ(packet.payload_bytes(), 3u);
  }
}

TEST(Packet, EmptyDatagramIsOne) {
  EXPECT_EQ(parsed(udp(kA4, kB4)).payload_bytes(), 0u);
  EXPECT_EQ(parsed(udp(kA6, kB6)).payload_bytes(), 0u);
}

TEST(Packet, IdentifierOfAnEchoIsBothPorts) {
  for (const auto& builder :
       {echo_request("10.0.0.1", "10.0.0.2", 77), echo_reply("10.0.0.1", "10.0.0.2", 77),
        echo_request("fd00::1", "fd00::2", 77), echo_reply("fd00::1", "fd00::2", 77)}) {
    const Packet packet = parsed(PacketBuilder(builder).payload("abc"));
    EXPECT_TRUE(packet.is_echo);
    EXPECT_EQ(packet.source.port, Port{77});
    EXPECT_EQ(packet.destination.port, Port{77});
    EXPECT_EQ(packet.payload_bytes(), 3u);
  }
}

TEST(Packet, IcmpErrorHasNoPorts) {
  const Packet v4 = parsed(icmp("10.0.0.1", "10.0.0.2").icmp(3, 4, 0x12345678));
  EXPECT_EQ(v4.protocol, Protocol::kIcmp);
  EXPECT_EQ(v4.icmp_type, 3);
  EXPECT_EQ(v4.icmp_code, 4);
  EXPECT_FALSE(v4.is_echo);
  EXPECT_EQ(v4.source.port, Port{0});

  const Packet v6 = parsed(icmp("fd00::1", "fd00::2").icmp(1, 3, 0x12345678));
  EXPECT_EQ(v6.protocol, Protocol::kIcmpv6);
  EXPECT_EQ(v6.icmp_type, 1);
  EXPECT_EQ(v6.icmp_code, 3);
  EXPECT_FALSE(v6.is_echo);
  EXPECT_EQ(v6.destination.port, Port{0});
}

// ICMP's echo types are other messages in ICMPv6, and the other way round.
TEST(Packet, EchoTypesAreThoseOfTheFamily) {
  EXPECT_FALSE(parsed(icmp("fd00::1", "fd00::2").icmp(8, 0)).is_echo);
  EXPECT_FALSE(parsed(icmp("10.0.0.1", "10.0.0.2").icmp(128, 0)).is_echo);
}

TEST(Packet, AnyOtherProtocolHasPortsZeroAndAllItCarriesAsPayload) {
  const Packet v4 = parsed(ip(47, "10.0.0.1", "10.0.0.2").payload("gre"));
  EXPECT_EQ(v4.protocol, Protocol{47});
  EXPECT_EQ(v4.source.port, Port{0});
  EXPECT_EQ(v4.payload_offset, v4.transport_offset);
  EXPECT_EQ(v4.payload_bytes(), 3u);

  EXPECT_EQ(parsed(ip(59, "fd00::1", "fd00::2")).payload_bytes(), 0u);  // "no next header"
}

TEST(Packet, Ipv4OptionsMoveTheTransportHeader) {
  const Packet packet = parsed(tcp(kA4, kB4).syn().ip_options(repeated(40, 1)).payload("x"));

  EXPECT_EQ(packet.transport_offset, 60u);
  EXPECT_EQ(packet.payload_bytes(), 1u);
}

TEST(Packet, TcpOptionsUpToTheLongestHeaderAreNotPayload) {
  const Packet packet = parsed(tcp(kA4, kB4).ack(1).tcp_options(repeated(40, 1)).payload("x"));

  EXPECT_EQ(packet.payload_offset, 80u);
  EXPECT_EQ(packet.payload_bytes(), 1u);
}

TEST(Packet, DontFragmentIsThatOfTheIpv4Header) {
  EXPECT_TRUE(parsed(udp(kA4, kB4).dont_fragment()).dont_fragment);
  EXPECT_FALSE(parsed(udp(kA4, kB4)).dont_fragment);
  EXPECT_FALSE(parsed(udp(kA4, kB4).dont_fragment()).is_fragment);
}

TEST(Packet, LongestPacketOfEachFamilyParses) {
  EXPECT_EQ(parsed(udp(kA4, kB4).payload(std::size_t{65507})).total_bytes, 65535u);
  EXPECT_EQ(parsed(udp(kA6, kB6).payload(std::size_t{65527})).total_bytes, 65575u);
}

// ---- IPv6 extension headers ----

TEST(PacketExtensions, KnownHeadersAreFollowedToTheTransport) {
  Bytes authentication = repeated(16, 0);
  authentication[1] = std::byte{2};  // (2 + 2) * 4 bytes
  const Packet packet = parsed(udp(kA6, kB6)
                                   .extension(0, 2)
                                   .extension(60)
                                   .extension(43, 3)
                                   .extension(51, authentication)
                                   .payload("x"));

  EXPECT_EQ(packet.protocol, Protocol::kUdp);
  EXPECT_EQ(packet.transport_offset, 40u + 16 + 8 + 24 + 16);
  EXPECT_EQ(packet.protocol_offset, 40u + 16 + 8 + 24);
  EXPECT_EQ(packet.destination.port, Port{443});
  EXPECT_EQ(packet.payload_bytes(), 1u);
}

TEST(PacketExtensions, ChainIsBounded) {
  PacketBuilder builder = udp(kA6, kB6);
  for (int i = 0; i < kMaxExtensions; ++i) {
    builder.extension(60);
  }
  EXPECT_EQ(outcome(builder), "parsed");
  EXPECT_EQ(outcome(builder.extension(60)), "too_many_extensions");
}

TEST(PacketExtensions, LongestChainParses) {
  PacketBuilder builder = udp(kA6, kB6);
  for (int i = 0; i < kMaxExtensions; ++i) {
    builder.extension(60, 256);
  }
  EXPECT_EQ(parsed(builder).transport_offset, 40u + 8 * 2048);
}

TEST(PacketExtensions, HopByHopBehindAnotherHeaderIsAProtocolThatWeDoNotKnow) {
  const Packet packet = parsed(udp(kA6, kB6).extension(60).extension(0));

  EXPECT_EQ(packet.protocol, Protocol{0});
  EXPECT_EQ(packet.protocol_offset, 40u);
  EXPECT_EQ(packet.source.port, Port{0});
}

TEST(PacketExtensions, LengthPastTheEndIsTruncated) {
  Bytes bytes = udp(kA6, kB6).extension(60).build();
  EXPECT_EQ(outcome(with_byte(bytes, 41, 1)), "truncated");
  EXPECT_EQ(outcome(with_byte(bytes, 41, 255)), "truncated");
}

TEST(PacketExtensions, AuthenticationHeaderShorterThanItsFixedPartIsRefused) {
  EXPECT_EQ(outcome(udp(kA6, kB6).extension(51, repeated(8, 0))), "bad_header_length");
}

// ---- Fragments ----

TEST(PacketFragments, Ipv4FragmentsHaveNoPortsAndNeedNoTransportHeader) {
  const Packet first = parsed(udp(kA4, kB4).fragment(0, true, 0x4242).bad_transport_checksum());
  EXPECT_TRUE(first.is_fragment);
  EXPECT_TRUE(first.more_fragments);
  EXPECT_EQ(first.fragment_offset, 0);
  EXPECT_EQ(first.fragment_id, 0x4242u);
  EXPECT_EQ(first.source, (base::Endpoint{address("10.0.0.1"), Port{0}}));
  EXPECT_EQ(first.protocol, Protocol::kUdp);

  Bytes last = ip(47, "10.0.0.1", "10.0.0.2").fragment(65528, false, 1).payload("abc").build();
  last = with_byte(last, 9, 6);
  fix_ip_checksum(last);
  const auto packet = parse(last, {});
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->is_fragment);
  EXPECT_FALSE(packet->more_fragments);
  EXPECT_EQ(packet->fragment_offset, 65528);
  EXPECT_EQ(packet->protocol, Protocol::kTcp);
  EXPECT_EQ(packet->payload_bytes(), 3u);
}

TEST(PacketFragments, Ipv6FragmentHeaderMakesOneEvenWhenItHoldsTheWholeDatagram) {
  for (const bool more : {false, true}) {
    for (const unsigned offset : {0U, 8U, 65528U}) {
      const Packet packet =
          parsed(udp(kA6, kB6).extension(60).fragment(offset, more, 0xdeadbeef).payload("x"));
      EXPECT_TRUE(packet.is_fragment);
      EXPECT_EQ(packet.more_fragments, more);
      EXPECT_EQ(packet.fragment_offset, offset);
      EXPECT_EQ(packet.fragment_id, 0xdeadbeef);
      EXPECT_EQ(packet.source.port, Port{0});
      EXPECT_EQ(packet.protocol, Protocol::kUdp);
      EXPECT_EQ(packet.protocol_offset, 48u);
      EXPECT_EQ(packet.transport_offset, 56u);
      EXPECT_EQ(packet.payload_offset, 56u);
    }
  }
}

// Others have their length there (RFC 8200 4.5).
TEST(PacketFragments, ReservedByteOfAnIpv6FragmentHeaderIsNoLength) {
  Bytes bytes = udp(kA6, kB6).fragment(8, true, 1).payload(repeated(4096, 0)).build();
  bytes[41] = std::byte{2};
  const auto packet = parse(bytes, {});
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->transport_offset, 48u);
}

TEST(PacketFragments, NothingBehindAnIpv6FragmentHeaderIsFollowed) {
  Bytes bytes = ip(60, "fd00::1", "fd00::2").fragment(8, true, 1).payload("abc").build();

  const auto packet = parse(bytes, {});

  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->protocol, Protocol{60});
  EXPECT_EQ(packet->payload_bytes(), 3u);
}

TEST(PacketFragments, OffloadOfAFragmentIsRefused) {
  EXPECT_EQ(outcome(udp(kA4, kB4).fragment(0, true, 1).partial_checksum()), "bad_vnet_header");
  EXPECT_EQ(outcome(udp(kA6, kB6).fragment(0, true, 1).partial_checksum()), "bad_vnet_header");
}

// ---- Lengths ----

// One packet of each kind of header, with nothing behind the header.
std::vector<std::pair<std::string, PacketBuilder>> headers() {
  return {
      {"tcp4", tcp(kA4, kB4).syn().mss(1460).ip_options(repeated(4, 1))},
      {"tcp6", tcp(kA6, kB6).syn().mss(1460)},
      {"udp4", udp(kA4, kB4)},
      {"udp6", udp(kA6, kB6).extension(0).extension(60, 2)},
      {"icmp4", echo_request("10.0.0.1", "10.0.0.2", 1)},
      {"icmp6", echo_request("fd00::1", "fd00::2", 1)},
      {"fragment6", ip(47, "fd00::1", "fd00::2").fragment(0, true, 1)},
      {"authentication6",
       ip(47, "fd00::1", "fd00::2").extension(51, with_byte(repeated(16, 0), 1, 2))},
  };
}

TEST(PacketLengths, EveryTruncationOfEveryHeaderIsTruncated) {
  for (const auto& [kind, builder] : headers()) {
    const Bytes whole = builder.build();
    ASSERT_EQ(outcome(whole), "parsed") << kind;
    for (std::size_t size = 1; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      ASSERT_EQ(outcome(cut), "truncated") << kind << " cut to " << size;
    }
    EXPECT_EQ(outcome(Bytes{}), "empty");
  }
}

// The IP header tells the truth about the cut, so that the transport header is what is too short.
TEST(PacketLengths, EveryTruncationBehindAnHonestIpHeaderIsTruncated) {
  for (const auto& [kind, builder] : headers()) {
    const Bytes whole = builder.build();
    const bool v6 = test_support::get8(whole, 0) >> 4U == 6;
    const std::size_t ip_bytes = v6 ? 40 : builder.transport_offset();
    for (std::size_t size = ip_bytes; size < whole.size(); ++size) {
      Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      set16(cut, v6 ? 4 : 2, v6 ? size - 40 : size);
      fix_ip_checksum(cut);
      ASSERT_EQ(outcome(cut), "truncated") << kind << " cut to " << size;
    }
  }
}

// Nor is there a checksum that would notice.
TEST(PacketLengths, PayloadCutShortIsTruncatedThoughTheDeviceVouchesForIt) {
  VnetHeader vnet;
  vnet.flags = VnetHeader::kDataValid;
  for (const auto& [source, destination] : {std::pair{kA4, kB4}, {kA6, kB6}}) {
    Bytes bytes = tcp(source, destination).ack(1).payload("payload").build();
    ASSERT_EQ(outcome(bytes, vnet), "parsed");
    bytes.pop_back();
    EXPECT_EQ(outcome(bytes, vnet), "truncated");
  }
}

TEST(PacketLengths, BytesBehindThePacketContradictItsLength) {
  for (const auto& [kind, builder] : headers()) {
    Bytes bytes = builder.build();
    bytes.push_back(std::byte{0});
    EXPECT_EQ(outcome(bytes), "bad_total_length") << kind;
  }
}

TEST(PacketLengths, JumbogramIsNotTaken) {
  Bytes bytes = udp(kA6, kB6).payload("x").build();
  set16(bytes, 4, 0);
  EXPECT_EQ(outcome(bytes), "bad_total_length");
}

TEST(PacketLengths, Ipv4LengthBelowItsOwnHeaderIsRefused) {
  Bytes bytes = udp(kA4, kB4).build();
  set16(bytes, 2, 19);
  EXPECT_EQ(outcome(bytes), "bad_total_length");
}

TEST(PacketLengths, Ipv4HeaderLengthsThatCannotBe) {
  const Bytes bytes = udp(kA4, kB4).build();
  for (unsigned words = 0; words < 5; ++words) {
    EXPECT_EQ(outcome(with_byte(bytes, 0, 0x40U | words)), "bad_header_length") << words;
  }
  EXPECT_EQ(outcome(with_byte(bytes, 0, 0x48)), "truncated");
}

TEST(PacketLengths, TcpDataOffsetsThatCannotBe) {
  const Bytes bytes = tcp(kA4, kB4).syn().build();
  for (unsigned words = 0; words < 5; ++words) {
    EXPECT_EQ(outcome(with_byte(bytes, 32, words << 4U)), "bad_header_length") << words;
  }
  EXPECT_EQ(outcome(with_byte(bytes, 32, 0x60)), "truncated");
}

TEST(PacketLengths, UdpLengthMustBeThatOfTheIpPacket) {
  Bytes bytes = udp(kA4, kB4).payload("abcd").build();
  const std::array<std::pair<unsigned, const char*>, 5> cases{{{0, "bad_total_length"},
                                                               {7, "bad_total_length"},
                                                               {11, "bad_total_length"},
                                                               {13, "truncated"},
                                                               {0xffff, "truncated"}}};
  for (const auto& [length, expected] : cases) {
    set16(bytes, 24, length);
    EXPECT_EQ(outcome(bytes), expected) << length;
  }
}

TEST(PacketLengths, VersionMustBeFourOrSix) {
  const Bytes bytes = udp(kA4, kB4).build();
  for (unsigned version = 0; version < 16; ++version) {
    if (version != 4 && version != 6) {
      EXPECT_EQ(outcome(with_byte(bytes, 0, version << 4U | 5)), "bad_version") << version;
    }
  }
}

// ---- Checksums ----

TEST(PacketChecksums, OneBitAnywhereInTheIpv4HeaderIsNoticed) {
  const Bytes bytes = ip(47, "10.0.0.1", "10.0.0.2").ip_options(repeated(4, 1)).build();
  for (std::size_t i = 4; i < bytes.size(); ++i) {  // the first four have checks of their own
    EXPECT_EQ(outcome(with_byte(bytes, i, test_support::get8(bytes, i) ^ 0x10U)), "bad_ip_checksum")
        << i;
  }
}

TEST(PacketChecksums, OneBitAnywhereBehindTheIpHeaderIsNoticed) {
  for (const auto& builder :
       {tcp(kA4, kB4).ack(1).payload("abc"), tcp(kA6, kB6).ack(1).payload("abc"),
        udp(kA4, kB4).payload("abc"), udp(kA6, kB6).payload("abc"),
        echo_request("10.0.0.1", "10.0.0.2", 7).payload("abc"),
        echo_request("fd00::1", "fd00::2", 7).payload("abc")}) {
    const Bytes bytes = builder.build();
    for (std::size_t i = builder.transport_offset(); i < bytes.size(); ++i) {
      const Bytes damaged = with_byte(bytes, i, test_support::get8(bytes, i) ^ 0x01U);
      const auto packet = parse(damaged, {});
      ASSERT_FALSE(packet) << i;
    }
    EXPECT_EQ(outcome(PacketBuilder(builder).bad_transport_checksum()), "bad_transport_checksum");
  }
}

TEST(PacketChecksums, OneBitInTheAddressesIsNoticedByTheTransport) {
  for (const auto& builder :
       {tcp(kA6, kB6).ack(1), udp(kA6, kB6), echo_request("fd00::1", "fd00::2", 7)}) {
    EXPECT_EQ(outcome(with_byte(builder.build(), 20, 1)), "bad_transport_checksum");
    EXPECT_EQ(outcome(with_byte(builder.build(), 36, 1)), "bad_transport_checksum");
  }
  Bytes v4 = udp(kA4, kB4).build();
  v4 = with_byte(v4, 12, 11);
  fix_ip_checksum(v4);
  EXPECT_EQ(outcome(v4), "bad_transport_checksum");
}

TEST(PacketChecksums, UdpWithoutOneIsForIpv4Only) {
  EXPECT_EQ(outcome(udp(kA4, kB4).no_checksum().payload("abc")), "parsed");
  EXPECT_EQ(outcome(udp(kA6, kB6).no_checksum().payload("abc")), "bad_transport_checksum");
}

// A computed 0 goes out as 0xffff (RFC 768); the payload here makes the sum come out so.
TEST(PacketChecksums, UdpChecksumThatComputesToZeroIsTaken) {
  for (const auto& [source, destination] : {std::pair{kA4, kB4}, {kA6, kB6}}) {
    PacketBuilder zero = udp(source, destination).payload(repeated(2, 0));
    const Bytes bytes = zero.build();
    Bytes payload;
    test_support::put16(payload, test_support::get16(bytes, zero.transport_offset() + 6));
    const PacketBuilder builder = udp(source, destination).payload(payload);
    ASSERT_EQ(test_support::get16(builder.build(), builder.transport_offset() + 6), 0xffffu);
    EXPECT_EQ(outcome(builder), "parsed");
  }
}

TEST(PacketChecksums, TheDeviceMayVouchForThem) {
  VnetHeader vnet;
  vnet.flags = VnetHeader::kDataValid;
  EXPECT_EQ(outcome(tcp(kA4, kB4).ack(1).bad_transport_checksum().build(), vnet), "parsed");
  EXPECT_EQ(outcome(udp(kA6, kB6).bad_transport_checksum().build(), vnet), "parsed");
  EXPECT_EQ(outcome(echo_request("10.0.0.1", "10.0.0.2", 1).bad_transport_checksum().build(), vnet),
            "parsed");
  EXPECT_EQ(outcome(tcp(kA4, kB4).ack(1).bad_ip_checksum().build(), vnet), "bad_ip_checksum");
}

// ---- The offload header ----

TEST(PacketOffload, PartialChecksumsAreNotVerified) {
  EXPECT_EQ(outcome(tcp(kA4, kB4).ack(1).payload("abc").partial_checksum()), "parsed");
  EXPECT_EQ(outcome(tcp(kA6, kB6).ack(1).payload("abc").partial_checksum()), "parsed");
  EXPECT_EQ(outcome(udp(kA4, kB4).payload("abc").partial_checksum()), "parsed");
  EXPECT_EQ(outcome(udp(kA6, kB6).extension(60).payload("abc").partial_checksum()), "parsed");
}

TEST(PacketOffload, SuperSegmentsParse) {
  EXPECT_EQ(outcome(tcp(kA4, kB4).ack(1).payload(std::size_t{60000}).gso(1, 1460)), "parsed");
  EXPECT_EQ(outcome(tcp(kA6, kB6).ack(1).payload(std::size_t{60000}).gso(4, 1440)), "parsed");
  EXPECT_EQ(outcome(tcp(kA4, kB4).ack(1).payload(std::size_t{6000}).gso(0x81, 1460)), "parsed");
  EXPECT_EQ(outcome(udp(kA4, kB4).payload(std::size_t{6000}).gso(5, 1400)), "parsed");
  EXPECT_EQ(outcome(udp(kA6, kB6).payload(std::size_t{6000}).gso(5, 1400)), "parsed");
}

TEST(PacketOffload, PartialChecksumMustPointAtTheField) {
  const PacketBuilder builder = tcp(kA4, kB4).ack(1).partial_checksum();
  const Bytes bytes = builder.build();
  const auto damaged = [&](auto change) {
    VnetHeader vnet = builder.vnet();
    change(vnet);
    return outcome(bytes, vnet);
  };
  EXPECT_EQ(damaged([](VnetHeader& vnet) { vnet.checksum_start = 0; }), "bad_vnet_header");
  EXPECT_EQ(damaged([](VnetHeader& vnet) { vnet.checksum_start = 22; }), "bad_vnet_header");
  EXPECT_EQ(damaged([](VnetHeader& vnet) { vnet.checksum_start = 0xffff; }), "bad_vnet_header");
  EXPECT_EQ(damaged([](VnetHeader& vnet) { vnet.checksum_offset = 6; }), "bad_vnet_header");
  EXPECT_EQ(damaged([](VnetHeader& vnet) { vnet.checksum_offset = 0xfffe; }), "bad_vnet_header");
  // Without the flag, the two say nothing; the checksum then counts, and is only partial.
  EXPECT_EQ(damaged([](VnetHeader& vnet) { vnet.flags = 0; }), "bad_transport_checksum");
}

TEST(PacketOffload, TypeMustBeThatOfThePacket) {
  const std::vector<std::pair<PacketBuilder, std::vector<int>>> allowed = {
      {tcp(kA4, kB4).ack(1), {0x01, 0x81}},
      {tcp(kA6, kB6).ack(1), {0x04, 0x84}},
      {udp(kA4, kB4), {0x05}},
      {udp(kA6, kB6), {0x05}},
  };
  for (const auto& [builder, types] : allowed) {
    for (int type = 1; type < 256; ++type) {
      const bool fits = std::find(types.begin(), types.end(), type) != types.end();
      EXPECT_EQ(outcome(PacketBuilder(builder).gso(static_cast<std::uint8_t>(type), 1000)),
                fits ? "parsed" : "bad_vnet_header")
          << type;
    }
  }
}

TEST(PacketOffload, SegmentsNeedASizeAndAPartialChecksum) {
  const PacketBuilder builder = tcp(kA4, kB4).ack(1).payload("abc").gso(1, 2);
  VnetHeader vnet = builder.vnet();
  vnet.gso_bytes = 0;
  EXPECT_EQ(outcome(builder.build(), vnet), "bad_vnet_header");
  vnet = builder.vnet();
  vnet.flags = VnetHeader::kDataValid;
  EXPECT_EQ(outcome(builder.build(), vnet), "bad_vnet_header");
}

TEST(PacketOffload, SuperSegmentsOfControlSegmentsAreRefused) {
  const auto with_flags = [](unsigned flags) {
    return outcome(tcp(kA4, kB4).flags(flags).payload("abc").gso(1, 2));
  };
  EXPECT_EQ(with_flags(TcpFlags::kAck | TcpFlags::kFin | TcpFlags::kPsh), "parsed");
  EXPECT_EQ(with_flags(TcpFlags::kSyn), "bad_vnet_header");
  EXPECT_EQ(with_flags(TcpFlags::kAck | TcpFlags::kSyn), "bad_vnet_header");
  EXPECT_EQ(with_flags(TcpFlags::kAck | TcpFlags::kRst), "bad_vnet_header");
  EXPECT_EQ(with_flags(TcpFlags::kFin), "bad_vnet_header");
}

TEST(PacketOffload, SuperSegmentsOfTooManySegmentsAreRefused) {
  const std::size_t most = std::size_t{kMaxSegments} * 2;
  EXPECT_EQ(outcome(tcp(kA4, kB4).ack(1).payload(most).gso(1, 2)), "parsed");
  EXPECT_EQ(outcome(tcp(kA4, kB4).ack(1).payload(most + 1).gso(1, 2)), "bad_vnet_header");
  EXPECT_EQ(outcome(udp(kA6, kB6).payload(most).gso(5, 2)), "parsed");
  EXPECT_EQ(outcome(udp(kA6, kB6).payload(most + 1).gso(5, 2)), "bad_vnet_header");
}

TEST(PacketOffload, OnlyTcpAndUdpHaveAny) {
  EXPECT_EQ(outcome(echo_request("10.0.0.1", "10.0.0.2", 1).partial_checksum()), "bad_vnet_header");
  EXPECT_EQ(outcome(echo_request("fd00::1", "fd00::2", 1).partial_checksum()), "bad_vnet_header");
  VnetHeader vnet;
  vnet.gso_type = VnetHeader::kGsoTcpV4;
  EXPECT_EQ(outcome(ip(47, "10.0.0.1", "10.0.0.2").build(), vnet), "bad_vnet_header");
}

// ---- TCP flags ----

TEST(PacketTcpFlags, SynGoesWithNeitherFinNorRstAndOneFlagIsNeeded) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    const bool syn = (bits & TcpFlags::kSyn) != 0;
    const bool ends = (bits & (TcpFlags::kFin | TcpFlags::kRst)) != 0;
    const bool only_ecn = (bits & ~unsigned{TcpFlags::kEce | TcpFlags::kCwr}) == 0;
    EXPECT_EQ(outcome(tcp(kA4, kB4).flags(bits)),
              (syn && ends) || only_ecn ? "bad_tcp_flags" : "parsed")
        << bits;
  }
}

// ---- Addresses ----

TEST(PacketAddresses, Ipv6PacketOfMappedAddressesIsMartian) {
  Bytes bytes = udp(kA6, kB6).build();
  const base::IpAddress four = address("10.0.0.1");
  const auto mapped = four.bytes();
  std::copy(mapped.begin(), mapped.end(), bytes.begin() + 24);
  EXPECT_EQ(outcome(bytes), "martian_destination");
  std::copy(mapped.begin(), mapped.end(), bytes.begin() + 8);
  EXPECT_EQ(outcome(bytes), "martian_source");
}

TEST(PacketAddresses, IcmpOfTheOtherFamilyIsUnsupported) {
  Bytes v4 = ip(47, "10.0.0.1", "10.0.0.2").payload(std::size_t{8}).build();
  v4 = with_byte(v4, 9, 58);
  fix_ip_checksum(v4);
  EXPECT_EQ(outcome(v4), "unsupported_protocol");
  const Bytes v6 = ip(47, "fd00::1", "fd00::2").payload(std::size_t{8}).build();
  EXPECT_EQ(outcome(with_byte(v6, 6, 1)), "unsupported_protocol");
}

TEST(PacketAddresses, MartiansAreThoseOfTheSpecialBlocks) {
  for (const char* text : {"0.0.0.0", "0.255.255.255", "127.0.0.1", "127.255.255.255", "224.0.0.1",
                           "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1",
                           "fe80::1", "febf:ffff::1", "ff02::1", "ff00::"}) {
    EXPECT_TRUE(is_martian_source(address(text))) << text;
    EXPECT_TRUE(is_martian_destination(address(text))) << text;
  }
}

TEST(PacketAddresses, NeighboursOfTheSpecialBlocksAreNot) {
  for (const char* text :
       {"1.0.0.0", "10.0.0.1", "100.64.0.1", "126.255.255.255", "128.0.0.0", "169.254.169.254",
        "192.168.0.255", "223.255.255.255", "::2", "0:0:0:1::", "2001:db8::1", "fd00::1",
        "fe7f:ffff::1", "fec0::1", "feff::1"}) {
    EXPECT_FALSE(is_martian_source(address(text))) << text;
    EXPECT_FALSE(is_martian_destination(address(text))) << text;
  }
}

}  // namespace
}  // namespace flows
