#include "nat/payload_change.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace nat {
namespace {

using flows::VnetHeader;
using test_support::PacketBuilder;

// `built` with the first byte of its payload changed.
test_support::Packet changed(const PacketBuilder& built, const VnetHeader& vnet = {}) {
  auto bytes = built.build();
  const auto packet = flows::parse(bytes, vnet);
  EXPECT_TRUE(packet);
  bytes[packet->payload_offset] ^= std::byte{0x5a};
  renew_checksum(bytes, *packet, vnet);
  return bytes;
}

TEST(PayloadChange, LeavesTheChecksumRightOfEveryProtocolThatHasOne) {
  for (const std::string& payload : {std::string("even"), std::string("odd")}) {
    for (const auto& [from, to] :
         {std::pair{"10.0.0.1:1", "192.0.2.1:2"}, std::pair{"[fd00::1]:1", "[2001:db8::1]:2"}}) {
      EXPECT_TRUE(flows::parse(changed(test_support::tcp(from, to).ack(1).payload(payload)), {}));
      EXPECT_TRUE(flows::parse(changed(test_support::udp(from, to).payload(payload)), {}));
    }
    for (const auto& [from, to] :
         {std::pair{"10.0.0.1", "192.0.2.1"}, std::pair{"fd00::1", "2001:db8::1"}}) {
      EXPECT_TRUE(
          flows::parse(changed(test_support::echo_request(from, to, 7).payload(payload)), {}));
    }
  }
}

TEST(PayloadChange, WithoutItTheChecksumWouldBeWrong) {
  auto bytes = test_support::udp("10.0.0.1:1", "192.0.2.1:2").payload("text").build();
  bytes.back() ^= std::byte{1};
  EXPECT_EQ(flows::parse(bytes, {}).error(), flows::Drop::kBadTransportChecksum);
}

TEST(PayloadChange, UdpChecksumOfZeroStaysNone) {
  auto bytes = test_support::udp("10.0.0.1:1", "192.0.2.1:2").payload("text").build();
  bytes[26] = bytes[27] = std::byte{0};
  const auto packet = flows::parse(bytes, {});
  ASSERT_TRUE(packet);
  renew_checksum(bytes, *packet, {});
  EXPECT_EQ(bytes[26], std::byte{0});
  EXPECT_EQ(bytes[27], std::byte{0});
}

// Which 0 would say (RFC 768).
TEST(PayloadChange, UdpChecksumThatComputesToZeroIsNotNone) {
  const PacketBuilder udp =
      test_support::udp("10.0.0.1:1", "192.0.2.1:2").payload(std::string(2, '\0'));
  auto bytes = udp.build();
  const auto packet = flows::parse(bytes, {});
  ASSERT_TRUE(packet);
  const std::size_t field = packet->transport_offset + 6;
  test_support::set16(bytes, packet->payload_offset, test_support::get16(bytes, field));
  renew_checksum(bytes, *packet, {});
  EXPECT_EQ(test_support::get16(bytes, field), 0xffffU);
  EXPECT_TRUE(flows::parse(bytes, {}));
}

// The device adds the payload to it.
TEST(PayloadChange, PartialChecksumStaysAsItIs) {
  const PacketBuilder tcp =
      test_support::tcp("10.0.0.1:1", "192.0.2.1:2").ack(1).payload("text").partial_checksum();
  const auto before = tcp.build();
  const std::size_t field = tcp.transport_offset() + 16;
  EXPECT_EQ(test_support::get16(changed(tcp, tcp.vnet()), field),
            test_support::get16(before, field));
}

TEST(PayloadChange, ProtocolWithoutAChecksumIsLeftAlone) {
  const PacketBuilder gre = test_support::ip(47, "10.0.0.1", "192.0.2.1").payload("text");
  auto expected = gre.build();
  expected[20] ^= std::byte{0x5a};
  EXPECT_EQ(changed(gre), expected);
}

}  // namespace
}  // namespace nat
