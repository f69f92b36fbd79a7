#include "flows/datagram.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "flows/packet.h"
#include "flows/segmenter.h"
#include "tests/support/packet_builder.h"

namespace flows {
namespace {

using base::Endpoint;
using test_support::echo_reply;
using test_support::endpoint;
using Bytes = test_support::Packet;

Bytes udp_around(std::string_view payload, const Endpoint& from, const Endpoint& to) {
  const std::size_t lead = ip_header_bytes(from.address.is_v4()) + kUdpHeaderBytes;
  Bytes packet(lead + payload.size(), std::byte{0xee});  // old bytes, which must not shine through
  std::ranges::copy(test_support::bytes_of(payload),
                    packet.begin() + static_cast<std::ptrdiff_t>(lead));
  const VnetHeader vnet = write_udp_headers(packet, {.from = from, .to = to});
  const auto parsed = parse(packet, vnet);
  EXPECT_TRUE(parsed) << name(parsed.error());
  complete_checksum(packet, *parsed, vnet);
  return packet;
}

TEST(WriteUdpHeaders, MakeADatagramWhoseChecksumIsCompletedRight) {
  for (const auto& [from, to] :
       {std::pair{"192.0.2.1:53", "10.0.0.1:40000"}, {"[2001:db8::1]:53", "[fd00::1]:40000"}}) {
    for (const std::string_view payload : {"", "a", "answer", "an answer"}) {
      const Bytes bytes = udp_around(payload, endpoint(from), endpoint(to));
      const auto packet = parse(bytes, {});  // verifies every checksum
      ASSERT_TRUE(packet) << name(packet.error());
      EXPECT_EQ(packet->source, endpoint(from));
      EXPECT_EQ(packet->destination, endpoint(to));
      EXPECT_EQ(packet->ttl, 64);
      EXPECT_EQ(packet->payload_bytes(), payload.size());
      EXPECT_TRUE(std::ranges::equal(std::span(bytes).subspan(packet->payload_offset),
                                     test_support::bytes_of(payload)));
    }
  }
}

TEST(WriteEchoHeaders, GiveTheMessageTheClientsIdentifier) {
  for (const auto& [from, to] :
       {std::pair{"192.0.2.1:77", "10.0.0.1:77"}, {"[2001:db8::1]:77", "[fd00::1]:77"}}) {
    const Endpoint source = endpoint(from), destination = endpoint(to);
    // As a ping socket gives it: with the socket's identifier, and whatever is in front.
    Bytes bytes = echo_reply(source.address.to_string(), destination.address.to_string(), 4242)
                      .payload("sequence and payload stay")
                      .build();
    const Bytes before = bytes;
    const std::size_t lead = ip_header_bytes(source.address.is_v4());
    std::fill_n(bytes.begin(), lead, std::byte{0xee});

    write_echo_headers(bytes, {.from = source, .to = destination, .ttl = 9});

    const auto packet = parse(bytes, {});
    ASSERT_TRUE(packet) << name(packet.error());
    EXPECT_EQ(packet->source, source);
    EXPECT_EQ(packet->destination, destination);
    EXPECT_EQ(packet->ttl, 9);
    EXPECT_EQ(Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(lead) + 6, bytes.end()),
              Bytes(before.begin() + static_cast<std::ptrdiff_t>(lead) + 6, before.end()));
  }
}

}  // namespace
}  // namespace flows
