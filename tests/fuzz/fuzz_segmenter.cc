// Any bytes and offload header that parse() accepts: what the segmenter makes of them are packets
// with complete checksums that together carry the payload, each byte once and in order.
//
// Input: one byte of repairs, the ten bytes of the offload header, the packet. The repairs make the
// lengths, the IPv4 checksum and the offload header fit, which chance hardly ever does.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/check.h"
#include "flows/packet.h"
#include "flows/segmenter.h"
#include "tests/support/packet_builder.h"

namespace {

using flows::VnetHeader;
using Bytes = test_support::Packet;

constexpr unsigned kRepairLengths = 1, kRepairOffload = 2;

struct Input {
  Bytes bytes;
  VnetHeader vnet;
};

// The transport header follows the IP header: options and extensions are the fuzzer's affair.
std::size_t transport_offset(const Bytes& bytes) {
  return test_support::get8(bytes, 0) >> 4U == 6
             ? 40
             : (test_support::get8(bytes, 0) & 0xfU) * std::size_t{4};
}

unsigned protocol(const Bytes& bytes) {
  return test_support::get8(bytes, test_support::get8(bytes, 0) >> 4U == 6 ? 6 : 9);
}

void repair_lengths(Bytes& bytes) {
  const std::size_t transport = transport_offset(bytes);
  if (test_support::get8(bytes, 0) >> 4U == 6) {
    test_support::set16(bytes, 4, static_cast<unsigned>(bytes.size() - 40));
  } else {
    test_support::set16(bytes, 2, static_cast<unsigned>(bytes.size()));
  }
  if (protocol(bytes) == test_support::kUdp) {
    test_support::set16(bytes, transport + 4, static_cast<unsigned>(bytes.size() - transport));
  }
  test_support::fix_ip_checksum(bytes);
}

void repair_offload(const Bytes& bytes, VnetHeader& vnet) {
  const bool v6 = test_support::get8(bytes, 0) >> 4U == 6;
  const bool is_udp = protocol(bytes) == test_support::kUdp;
  vnet.flags = VnetHeader::kNeedsChecksum;
  vnet.checksum_start = static_cast<std::uint16_t>(transport_offset(bytes));
  vnet.checksum_offset = is_udp ? 6 : 16;
  if (vnet.is_gso()) {
    vnet.gso_type = is_udp ? VnetHeader::kGsoUdpL4
                    : v6   ? VnetHeader::kGsoTcpV6
                           : VnetHeader::kGsoTcpV4;
  }
}

Input read(std::span<const std::byte> data) {
  const auto repairs = std::to_integer<unsigned>(data[0]);
  Input input;
  std::memcpy(&input.vnet, data.data() + 1, sizeof(input.vnet));
  const auto rest = data.subspan(1 + sizeof(input.vnet));
  input.bytes.assign(rest.begin(), rest.end());
  // Long enough for every header that the repairs touch.
  if (input.bytes.size() >= 80 && input.bytes.size() <= 65535) {
    if ((repairs & kRepairLengths) != 0) {
      repair_lengths(input.bytes);
    }
    if ((repairs & kRepairOffload) != 0) {
      repair_offload(input.bytes, input.vnet);
    }
  }
  return input;
}

// What every segment of a super-segment is: whole, right, of its flow, and in its place.
flows::Packet check_segment(std::span<const std::byte> segment, const flows::Packet& whole,
                            const VnetHeader& vnet, std::size_t payload_before) {
  const auto parsed = flows::parse(segment, {});
  CHECK(parsed.has_value());
  CHECK(parsed->source == whole.source && parsed->destination == whole.destination);
  CHECK(parsed->protocol == whole.protocol && parsed->payload_offset == whole.payload_offset);
  CHECK(parsed->acknowledgement == whole.acknowledgement && parsed->window == whole.window);
  if (whole.protocol == flows::Protocol::kTcp) {
    CHECK(parsed->sequence == static_cast<std::uint32_t>(whole.sequence + payload_before));
  }
  if (vnet.is_gso()) {
    CHECK(parsed->payload_bytes() <= vnet.gso_bytes);
    const bool is_last = payload_before + parsed->payload_bytes() == whole.payload_bytes();
    CHECK(is_last || parsed->payload_bytes() == vnet.gso_bytes);
    CHECK(is_last || !parsed->tcp_flags.fin());
  }
  return *parsed;
}

void check_cut(const Input& input, const flows::Packet& packet) {
  const std::size_t longest = flows::longest_segment_bytes(packet, input.vnet);
  flows::Segmenter segmenter(input.bytes, packet, input.vnet);
  Bytes out(longest);
  Bytes payload;
  flows::WireCount seen;
  std::size_t longest_seen = 0;
  while (const auto size = segmenter.next(out)) {
    const auto segment = std::span<const std::byte>(out).first(*size);
    ++seen.packets;
    seen.bytes += *size;
    longest_seen = std::max(longest_seen, *size);
    if (input.vnet.has_partial_checksum()) {
      check_segment(segment, packet, input.vnet, payload.size());
    } else {
      CHECK(std::ranges::equal(segment, input.bytes));
    }
    test_support::put(payload, segment.subspan(packet.payload_offset));
  }
  CHECK(std::ranges::equal(payload, std::span(input.bytes).subspan(packet.payload_offset)));
  const flows::WireCount counted = flows::wire_count(packet, input.vnet);
  CHECK(counted.packets == seen.packets && counted.bytes == seen.bytes);
  CHECK(segmenter.count() == seen.packets && longest == longest_seen);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 + sizeof(VnetHeader)) {
    return 0;
  }
  const Input input = read(std::as_bytes(std::span(data, size)));
  if (const auto packet = flows::parse(input.bytes, input.vnet)) {
    check_cut(input, *packet);
  }
  return 0;
}
