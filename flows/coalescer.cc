#include "flows/coalescer.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"
#include "flows/offload_headers.h"

namespace flows {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kMaxTotalBytes = 65535;         // of the IPv4 length field
constexpr std::uint8_t kPlainFlags = TcpFlags::kAck;  // and PSH, or not

bool same_bytes(Bytes a, Bytes b, std::size_t offset, std::size_t size) {
  return std::memcmp(a.data() + offset, b.data() + offset, size) == 0;
}

// Whether the packet says which TCP flow it is of.
bool has_tcp_header(const Packet& packet) {
  return packet.protocol == Protocol::kTcp && !packet.is_fragment;
}

// Whether the TCP segment may be part of a super-segment at all.
bool is_candidate(Bytes bytes, const Packet& packet, const VnetHeader& vnet) {
  const std::size_t plain_ip_header_bytes = is_v4(bytes) ? 20 : 40;
  const bool is_verified = vnet.flags == 0;  // parse() takes no super-segment without flags either
  const auto reserved_flags = bytes[packet.transport_offset + kTcpDataOffset] & std::byte{0x0f};
  return is_verified && packet.transport_offset == plain_ip_header_bytes &&
         packet.payload_bytes() > 0 && packet.total_bytes <= kMaxTotalBytes &&
         reserved_flags == std::byte{0} && (packet.tcp_flags.bits & ~TcpFlags::kPsh) == kPlainFlags;
}

bool same_addresses(Bytes a, Bytes b) {
  const Bytes of_a = addresses_of(a);
  const Bytes of_b = addresses_of(b);
  return of_a.size() == of_b.size() && same_bytes(of_a, of_b, 0, of_a.size());
}

// The IP header fields that cutting repeats in every segment.
bool same_ip_fields(Bytes a, Bytes b) {
  if (is_v4(a)) {
    return same_bytes(a, b, 0, 2)      // IHL, TOS
           && same_bytes(a, b, 6, 3);  // reserved bit, DF, TTL
  }
  return same_bytes(a, b, 0, 4)      // traffic class, flow label
         && same_bytes(a, b, 7, 1);  // hop limit
}

// The same of the TCP headers, which begin at `at` and end at `end` in both.
bool same_tcp_fields(Bytes a, Bytes b, std::size_t at, std::size_t end) {
  return same_bytes(a, b, at + 8, 4)                     // acknowledgement
         && same_bytes(a, b, at + 14, 2)                 // window
         && same_bytes(a, b, at + 18, end - (at + 18));  // urgent pointer, options
}

// Not keyed: a batch bounds how long a chain can get.
std::uint8_t bucket_of(Bytes bytes, std::size_t transport_offset) {
  const Bytes addresses = addresses_of(bytes);
  std::uint32_t ports;
  std::memcpy(&ports, bytes.data() + transport_offset, sizeof(ports));
  std::uint64_t mixed = ports;
  for (std::size_t i = 0; i < addresses.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, addresses.data() + i, sizeof(word));
    mixed = (mixed ^ word) * 0x9e3779b97f4a7c15U;
  }
  return static_cast<std::uint8_t>(mixed >> 56U);
}

iovec piece(const void* data, std::size_t size) {
  // writev(2) reads only; iovec has no const form.
  return {.iov_base = const_cast<void*>(data), .iov_len = size};
}

}  // namespace

void Coalescer::add(Bytes bytes, const Packet& packet, const VnetHeader& vnet) {
  CHECK(!full());
  CHECK(bytes.size() == packet.total_bytes);
  if (!has_tcp_header(packet)) {
    start(bytes, packet, vnet);
    if (packet.is_fragment) {
      buckets_.fill(kNone);
    }
    return;
  }
  Index& bucket = buckets_[bucket_of(bytes, packet.transport_offset)];
  const Index newest = newest_of_flow(bucket, bytes, packet.transport_offset);
  const bool candidate = is_candidate(bytes, packet, vnet);
  if (candidate && newest != kNone && takes(groups_[newest], bytes, packet)) {
    append(groups_[newest], bytes, packet);
    return;
  }
  Group& group = start(bytes, packet, vnet);
  group.is_open = candidate && !group.pushes;
  group.next_in_bucket = bucket;
  bucket = static_cast<Index>(group_count_ - 1);
}

// Later groups come first in their chain.
Coalescer::Index Coalescer::newest_of_flow(Index bucket, Bytes bytes,
                                           std::size_t transport_offset) const {
  for (Index i = bucket; i != kNone; i = groups_[i].next_in_bucket) {
    const Bytes other = members_[groups_[i].first].bytes;
    if (same_addresses(bytes, other) &&
        std::memcmp(bytes.data() + transport_offset, other.data() + groups_[i].transport_offset,
                    4) == 0) {
      return i;
    }
  }
  return kNone;
}

bool Coalescer::takes(const Group& group, Bytes bytes, const Packet& packet) const {
  const Bytes first = members_[group.first].bytes;
  return group.is_open && packet.sequence == group.next_sequence &&
         packet.payload_bytes() <= group.gso_bytes &&
         group.total_bytes + packet.payload_bytes() <= kMaxTotalBytes &&
         packet.payload_offset == group.header_bytes && same_ip_fields(bytes, first) &&
         same_tcp_fields(bytes, first, packet.transport_offset, packet.payload_offset);
}

void Coalescer::append(Group& group, Bytes bytes, const Packet& packet) {
  const auto index = static_cast<Index>(packet_count_++);
  members_[index] = {.bytes = bytes};
  members_[group.last].next = index;
  group.last = index;
  ++group.packets;
  group.total_bytes += packet.payload_bytes();
  group.next_sequence += packet.payload_bytes();
  group.pushes = (packet.tcp_flags.bits & TcpFlags::kPsh) != 0;
  group.is_open = !group.pushes && packet.payload_bytes() == group.gso_bytes;
}

Coalescer::Group& Coalescer::start(Bytes bytes, const Packet& packet, const VnetHeader& vnet) {
  const auto index = static_cast<Index>(packet_count_++);
  members_[index] = {.bytes = bytes};
  Group& group = groups_[group_count_++];
  group = {.vnet = vnet,
           .first = index,
           .last = index,
           .pushes = (packet.tcp_flags.bits & TcpFlags::kPsh) != 0,
           .transport_offset = packet.transport_offset,
           .header_bytes = static_cast<std::uint16_t>(packet.payload_offset),
           .gso_bytes = static_cast<std::uint16_t>(packet.payload_bytes()),
           .packets = 1,
           .next_sequence = packet.sequence + packet.payload_bytes(),
           .total_bytes = packet.total_bytes};
  return group;
}

void Coalescer::prepare(Group& group) {
  pieces_[0] = piece(&group.vnet, sizeof(group.vnet));
  const Bytes first = members_[group.first].bytes;
  if (group.packets == 1) {
    pieces_[1] = piece(first.data(), first.size());
    piece_count_ = 2;
    return;
  }
  write_merged_header(group);
  pieces_[1] = piece(header_.data(), group.header_bytes);
  piece_count_ = 2;
  for (Index i = group.first; i != kNone; i = members_[i].next) {
    const Bytes payload = members_[i].bytes.subspan(group.header_bytes);
    pieces_[piece_count_++] = piece(payload.data(), payload.size());
  }
}

void Coalescer::write_merged_header(Group& group) {
  const auto header = std::span(header_).first(group.header_bytes);
  std::ranges::copy(members_[group.first].bytes.first(group.header_bytes), header.begin());
  write_ip_length(header, group.total_bytes);
  if (group.pushes) {
    header[group.transport_offset + kTcpFlags] |= std::byte{TcpFlags::kPsh};
  }
  // The kernel adds the rest to the sum of the pseudo-header.
  base::store_be(header, group.transport_offset + kTcpChecksum,
                 fold(pseudo_header_sum(addresses_of(header), Protocol::kTcp,
                                        group.total_bytes - group.transport_offset)));
  group.vnet = {.flags = VnetHeader::kNeedsChecksum,
                .gso_type = is_v4(header) ? VnetHeader::kGsoTcpV4 : VnetHeader::kGsoTcpV6,
                .header_bytes = group.header_bytes,
                .gso_bytes = group.gso_bytes,
                .checksum_start = group.transport_offset,
                .checksum_offset = kTcpChecksum};
}

void Coalescer::clear() {
  buckets_.fill(kNone);
  packet_count_ = 0;
  group_count_ = 0;
}

}  // namespace flows
