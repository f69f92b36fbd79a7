// Coalescer: the MTU-sized TCP segments of one batch become super-segments (GRO), so that the
// sandbox's kernel is called once per many of them.
//
// Theory of operation
//
//     add(p1) add(p2) ... add(pn)          one received batch, in order
//        |
//        v       by flow: the newest group takes the segment, or a new group begins
//     groups, in the order of their first packets
//        |
//        v
//     flush(write)                         one write per group, then empty again
//
// A segment joins the newest group of its flow when cutting the super-segment again would give it
// back byte for byte, IP id and checksums aside (those are computed): the same addresses, ports,
// acknowledgement, window, TTL, TOS, DF, flow label and TCP options, the next sequence number, no
// flag but ACK and PSH, a payload no longer than the first one's. A shorter payload or a PSH ends
// the group. Header options and extensions, fragments, and packets that come with offload of their
// own are never merged. The IP id is not compared: nothing reads it when DF is set (RFC 6864 4.1),
// and what goes into the sandbox is not forwarded as fragments.
//
// Order within a flow is kept without an early flush: whatever does not merge becomes the newest
// group of its flow, so that nothing behind it can join the groups before it. A fragment does not
// say which flow it is of, so it ends all groups.
//
// Packets are borrowed and never written to; the header of a super-segment is a copy. So a kernel
// that refuses a super-segment can be given its packets one by one.
// tests/flows/coalescer_test.cc states each rule.
#pragma once

#include <sys/uio.h>  // struct iovec; nothing here makes a syscall

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "flows/packet.h"
#include "flows/vnet_header.h"

namespace flows {

/// State for one batch, about 10 KiB, nothing allocated. Belongs to one thread.
class Coalescer {
 public:
  static constexpr std::size_t kMaxPackets = 128;

  class Outgoing;

  Coalescer() = default;
  // Outgoing and the iovecs point into it.
  Coalescer(const Coalescer&) = delete;
  Coalescer& operator=(const Coalescer&) = delete;

  /// Takes the next packet of the batch, which must not be full. `bytes` stay as they are until
  /// flush() has returned; `packet` is their parse, from before or after nat::rewrite, and `vnet`
  /// their offload header. The flow is read from the bytes: packets of two tenants whose addresses
  /// overlap meet here only after NAT has told them apart.
  void add(std::span<const std::byte> bytes, const Packet& packet, const VnetHeader& vnet);

  [[nodiscard]] bool empty() const { return packet_count_ == 0; }
  [[nodiscard]] bool full() const { return packet_count_ == kMaxPackets; }

  /// Calls write(const Outgoing&) for each write that the batch has become, in order, and is empty
  /// then.
  template <class Write>
  void flush(Write write);

 private:
  using Index = std::uint8_t;
  static constexpr Index kNone = 0xff;
  static constexpr std::size_t kBuckets = 256;
  static constexpr std::size_t kMaxHeaderBytes = 40 + 60;  // IPv6 and the longest TCP header

  struct Member {
    std::span<const std::byte> bytes;
    Index next = kNone;  // of its group
  };

  // One write: a packet, or segments that have become one.
  struct Group {
    VnetHeader vnet;
    Index first = kNone;
    Index last = kNone;
    Index next_in_bucket = kNone;
    bool is_open = false;  // for another segment of the flow
    bool pushes = false;   // its last segment has PSH
    std::uint16_t transport_offset = 0;
    std::uint16_t header_bytes = 0;
    std::uint16_t gso_bytes = 0;  // payload of the first segment
    std::uint16_t packets = 0;
    std::uint32_t next_sequence = 0;
    std::uint32_t total_bytes = 0;
  };

  [[nodiscard]] Index newest_of_flow(Index bucket, std::span<const std::byte> bytes,
                                     std::size_t transport_offset) const;
  [[nodiscard]] bool takes(const Group& group, std::span<const std::byte> bytes,
                           const Packet& packet) const;
  void append(Group& group, std::span<const std::byte> bytes, const Packet& packet);
  Group& start(std::span<const std::byte> bytes, const Packet& packet, const VnetHeader& vnet);
  void prepare(Group& group);
  void write_merged_header(Group& group);
  void clear();

  std::array<Member, kMaxPackets> members_;
  std::array<Group, kMaxPackets> groups_;
  std::array<Index, kBuckets> buckets_ = filled_with_none();  // newest group of the bucket's flows
  std::size_t packet_count_ = 0;
  std::size_t group_count_ = 0;
  // The write being made.
  std::array<std::byte, kMaxHeaderBytes> header_{};
  std::array<iovec, kMaxPackets + 2> pieces_{};  // offload header, header, payloads
  std::size_t piece_count_ = 0;

  static constexpr std::array<Index, kBuckets> filled_with_none() {
    std::array<Index, kBuckets> none{};
    none.fill(kNone);
    return none;
  }
};

/// One write to the sandbox's TUN; good until the callback returns.
class Coalescer::Outgoing {
 public:
  /// For writev(2): the VnetHeader, then the bytes of the packet.
  [[nodiscard]] std::span<const iovec> pieces() const {
    return std::span(owner_.pieces_).first(owner_.piece_count_);
  }
  [[nodiscard]] const VnetHeader& vnet() const { return group_.vnet; }
  /// How many of the added packets it carries.
  [[nodiscard]] std::size_t packets() const { return group_.packets; }

  /// Calls write(std::span<const std::byte>) for each of the packets as it was added: what to send
  /// instead when the kernel refuses the super-segment.
  template <class Write>
  void each_packet(Write write) const {
    for (Index i = group_.first; i != kNone; i = owner_.members_[i].next) {
      write(owner_.members_[i].bytes);
    }
  }

 private:
  friend class Coalescer;
  Outgoing(const Coalescer& owner, const Group& group) : owner_(owner), group_(group) {}

  const Coalescer& owner_;
  const Group& group_;
};

template <class Write>
void Coalescer::flush(Write write) {
  for (Group& group : std::span(groups_).first(group_count_)) {
    prepare(group);
    write(static_cast<const Outgoing&>(Outgoing(*this, group)));
  }
  clear();
}

}  // namespace flows
