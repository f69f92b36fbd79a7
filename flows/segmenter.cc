#include "flows/segmenter.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"
#include "flows/offload_headers.h"

namespace flows {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint8_t kOnlyOnFirst = TcpFlags::kCwr;
constexpr std::uint8_t kOnlyOnLast = TcpFlags::kFin | TcpFlags::kPsh;

std::size_t segment_payload_bytes(const Packet& packet, const VnetHeader& vnet) {
  return vnet.is_gso() ? vnet.gso_bytes : packet.payload_bytes();
}

std::size_t segment_count(const Packet& packet, const VnetHeader& vnet) {
  const std::size_t each = segment_payload_bytes(packet, vnet);
  const std::size_t payload = packet.payload_bytes();
  // A packet without payload is one packet, too.
  return payload <= each ? 1 : (payload + each - 1) / each;
}

std::uint32_t sum_of_addresses(Bytes bytes, const Packet& packet) {
  return pseudo_header_sum(addresses_of(bytes), packet.protocol, 0);
}

// Writes the complete checksum of a TCP segment or UDP datagram, whatever its field holds.
void write_checksum(std::span<std::byte> bytes, const Packet& packet, std::uint32_t addresses_sum) {
  const bool is_udp = packet.protocol == Protocol::kUdp;
  const std::size_t field = is_udp ? kUdpChecksum : kTcpChecksum;
  const auto segment = bytes.subspan(packet.transport_offset);
  base::store_be(segment, field, std::uint16_t{0});
  std::uint16_t checksum =
      checksum_of(addresses_sum + static_cast<std::uint32_t>(segment.size()) + sum_of(segment));
  if (is_udp && checksum == 0) {
    checksum = 0xffff;  // RFC 768: 0 means that there is none
  }
  base::store_be(segment, field, checksum);
}

}  // namespace

WireCount wire_count(const Packet& packet, const VnetHeader& vnet) {
  const std::size_t packets = segment_count(packet, vnet);
  return {.packets = packets, .bytes = packet.total_bytes + (packets - 1) * packet.payload_offset};
}

std::size_t longest_segment_bytes(const Packet& packet, const VnetHeader& vnet) {
  return std::min<std::size_t>(packet.total_bytes,
                               packet.payload_offset + segment_payload_bytes(packet, vnet));
}

void complete_checksum(std::span<std::byte> bytes, const Packet& packet, const VnetHeader& vnet) {
  if (vnet.has_partial_checksum()) {
    write_checksum(bytes, packet, sum_of_addresses(bytes, packet));
  }
}

Segmenter::Segmenter(Bytes bytes, const Packet& packet, const VnetHeader& vnet)
    : bytes_(bytes),
      packet_(packet),
      vnet_(vnet),
      addresses_sum_(sum_of_addresses(bytes, packet)),
      count_(segment_count(packet, vnet)) {
  CHECK(bytes.size() == packet.total_bytes);
}

std::optional<std::size_t> Segmenter::next(std::span<std::byte> out) {
  if (index_ == count_) {
    return std::nullopt;
  }
  const std::size_t each = segment_payload_bytes(packet_, vnet_);
  const Bytes headers = bytes_.first(packet_.payload_offset);
  const Bytes rest = bytes_.subspan(headers.size() + index_ * each);
  const Bytes payload = rest.first(std::min(each, rest.size()));
  const std::size_t size = headers.size() + payload.size();
  CHECK(size <= out.size());
  std::memcpy(out.data(), headers.data(), headers.size());
  std::memcpy(out.data() + headers.size(), payload.data(), payload.size());
  finish_headers(out.first(size));
  ++index_;
  return size;
}

void Segmenter::finish_headers(std::span<std::byte> segment) const {
  if (vnet_.is_gso()) {
    if (is_v4(segment)) {
      const auto id = base::load_be<std::uint16_t>(segment, kIpv4Id);
      base::store_be(segment, kIpv4Id, static_cast<std::uint16_t>(id + index_));
    }
    write_ip_length(segment, segment.size());
    if (packet_.protocol == Protocol::kTcp) {
      finish_tcp(segment);
    } else {
      base::store_be(segment, packet_.transport_offset + kUdpLength,
                     static_cast<std::uint16_t>(segment.size() - packet_.transport_offset));
    }
  }
  if (vnet_.has_partial_checksum()) {
    write_checksum(segment, packet_, addresses_sum_);
  }
}

void Segmenter::finish_tcp(std::span<std::byte> segment) const {
  const auto tcp = segment.subspan(packet_.transport_offset);
  const auto before = static_cast<std::uint32_t>(index_ * vnet_.gso_bytes);
  base::store_be(tcp, kTcpSequence, packet_.sequence + before);
  std::uint8_t flags = packet_.tcp_flags.bits;
  if (index_ > 0) {
    flags &= static_cast<std::uint8_t>(~kOnlyOnFirst);
  }
  if (index_ + 1 < count_) {
    flags &= static_cast<std::uint8_t>(~kOnlyOnLast);
  }
  base::store_be(tcp, kTcpFlags, flags);
}

}  // namespace flows
