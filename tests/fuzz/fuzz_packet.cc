// Any bytes and any offload header: parse() refuses them, or every offset lies inside, the checksum
// is right by the naive sum, and the replies that refuse such a packet parse themselves.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "flows/packet.h"
#include "flows/reply.h"
#include "tests/fuzz/packet_input.h"

namespace {

using flows::Packet;
using flows::Protocol;
using flows::Unreachable;
using flows::VnetHeader;
using fuzz::Bytes;
using test_support::get8;

void check_facts(const Bytes& bytes, const VnetHeader& vnet, const Packet& packet) {
  CHECK(packet.total_bytes == bytes.size());
  CHECK(packet.protocol_offset < packet.transport_offset);
  CHECK(packet.transport_offset <= packet.payload_offset);
  CHECK(packet.payload_offset <= packet.total_bytes);
  CHECK(packet.payload_bytes() <= packet.total_bytes);
  CHECK(get8(bytes, packet.protocol_offset) == static_cast<unsigned>(packet.protocol));
  CHECK(packet.is_v4() == (get8(bytes, 0) >> 4U == 4));
  CHECK(packet.is_v4() == packet.destination.address.is_v4());
  CHECK(packet.is_fragment == (packet.more_fragments || packet.fragment_offset != 0) ||
        !packet.is_v4());
  const bool has_ports =
      packet.protocol == Protocol::kTcp || packet.protocol == Protocol::kUdp || packet.is_echo;
  CHECK((has_ports && !packet.is_fragment) ||
        (number(packet.source.port) == 0 && number(packet.destination.port) == 0));
  if (packet.is_v4()) {
    CHECK(test_support::naive_sum(std::span(bytes).first((get8(bytes, 0) & 0xfU) * 4UL)) == 0xffff);
  }
  if (fuzz::has_full_checksum(packet, vnet) && (vnet.flags & VnetHeader::kDataValid) == 0) {
    CHECK(fuzz::checksum_is_right(bytes, packet));
  }
}

void check_reset(const Packet& packet) {
  std::array<std::byte, flows::kMaxReplyBytes> out;
  const auto size = flows::build_reset(packet, out);
  if (!size) {
    return;
  }
  const auto reset = flows::parse(std::span(out).first(*size), {});
  CHECK(reset.has_value());
  CHECK(reset->protocol == Protocol::kTcp && reset->tcp_flags.rst());
  CHECK(reset->source == packet.destination && reset->destination == packet.source);
  CHECK(!flows::build_reset(*reset, out));
}

void check_unreachable(const Bytes& bytes, const Packet& packet, Unreachable why) {
  const auto from = test_support::address(packet.is_v4() ? "192.0.2.1" : "2001:db8::1");
  std::array<std::byte, flows::kMaxReplyBytes> out;
  const auto size = flows::build_unreachable(bytes, packet, why, from, out);
  if (!size) {
    return;
  }
  const auto reply = std::span(out).first(*size);
  const auto error = flows::parse(reply, {});
  CHECK(error.has_value());
  CHECK(error->source.address == from && error->destination.address == packet.source.address);
  CHECK(!error->is_echo);
  const auto quote = reply.subspan(error->payload_offset);
  CHECK(std::equal(quote.begin(), quote.end(), bytes.begin()));
  std::array<std::byte, flows::kMaxReplyBytes> again;
  CHECK(!flows::build_unreachable(reply, *error, why, packet.source.address, again));
}

void check(const Bytes& bytes, const VnetHeader& vnet) {
  const auto packet = flows::parse(bytes, vnet);
  if (!packet) {
    CHECK(!flows::name(packet.error()).empty());
    return;
  }
  check_facts(bytes, vnet, *packet);
  check_reset(*packet);
  for (const Unreachable why : {Unreachable::kNet, Unreachable::kHost, Unreachable::kProtocol,
                                Unreachable::kPort, Unreachable::kAdminProhibited}) {
    check_unreachable(bytes, *packet, why);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = fuzz::packet_input(std::as_bytes(std::span(data, size)));
  check(input.packet, input.vnet);
  check(fuzz::repaired(input.packet, input.vnet), input.vnet);
  return 0;
}
