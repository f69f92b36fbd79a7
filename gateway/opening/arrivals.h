// Arrivals: first packets of flows, which wait until there is time to open them.
//
// Theory of operation
//
//     tenant A:  tunnel a1: p p p   a2: p
//     tenant B:  tunnel b1: p p p p p p
//
// They are taken in turns, a tenant at a time, and of that a tunnel: A/a1, B/b1, A/a2, B/b1, A/a1.
//
// There is room for a fixed number of packets, which all share: a tenant may add another as long as
// it has fewer than there is room left (Choudhury and Hahne, 1998), and one of its tunnels as long
// as that has fewer than its tenant may add then. So a tenant that floods gets half of the room,
// the next a quarter, and of that a tunnel that floods a third; some is kept for tenants, and for
// tunnels of a tenant, that have none there.
//
// Memory is reserved once and touched as it is used. tests/gateway/opening/arrivals_test.cc states
// this.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <memory>

#include "base/endpoint.h"
#include "gateway/onramp/raw_packet.h"

namespace gateway {

class Tunnel;
struct Tenant;

/// Belongs to the shard's thread.
class Arrivals {
 public:
  // Chosen: of all tunnels, 12 MB if all are used. A tunnel that begins 2,000 flows of datagrams at
  // once, which nobody repeats, loses none (UdpScale); the last of them waits for less than a
  // second.
  static constexpr std::uint32_t kMostPackets = 8192;
  static constexpr std::uint32_t kKept = 128;  // of those, for whoever has none yet
  // Chosen: what the Internet carries. A longer packet is not worth waiting for.
  static constexpr std::size_t kMostBytes = 1500;

  /// The packets of one tunnel, which has it.
  class Line {
   public:
    explicit Line(Tunnel& tunnel) : node_{&tunnel}, place_(node_.begin()) {}
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    [[nodiscard]] std::uint32_t size() const { return size_; }

   private:
    friend class Arrivals;
    std::uint32_t first_ = kNone, last_ = kNone;
    std::uint32_t size_ = 0;
    std::list<Tunnel*> node_;  // empty while packets wait: then it is in its tenant's list
    std::list<Tunnel*>::iterator place_;
  };
  /// The tunnels of one tenant, which has it, that have packets.
  class Lines {
   public:
    explicit Lines(Tenant& tenant) : node_{&tenant}, place_(node_.begin()) {}
    Lines(const Lines&) = delete;
    Lines& operator=(const Lines&) = delete;

   private:
    friend class Arrivals;
    std::uint32_t size_ = 0;
    std::list<Tunnel*> tunnels_;
    std::list<Tenant*> node_;  // empty while there are any
    std::list<Tenant*>::iterator place_;
  };

  Arrivals();

  [[nodiscard]] bool empty() const { return tenants_.empty(); }

  /// A copy of `packet`, behind others of its tunnel. False: it is too long, or the tunnel has its
  /// part.
  bool add(Tunnel& tunnel, const RawPacket& packet);

  struct Arrival {
    Tunnel& tunnel;
    RawPacket packet;       // may be written to, until the next take()
    base::Port outer_port;  // Tunnel::outer_port when it came
  };
  /// The next in turn. Not when it is empty.
  Arrival take();

  /// `tunnel` goes. The number of packets that are gone with it.
  std::uint32_t forget(Tunnel& tunnel);

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  // Nothing here is initialized, so that memory which was never used is never touched.
  struct Slot {
    std::uint32_t next;  // in its line, or in the list of the free
    std::uint16_t length;
    std::uint16_t outer_port;
    std::array<std::byte, RawPacket::kHeadroomBytes> vnet;  // in front of the packet
    std::array<std::byte, kMostBytes> bytes;
  };

  // Whether the tunnel may add another.
  [[nodiscard]] bool has_room(const Line& line, const Lines& lines) const;
  void release(std::uint32_t slot);
  // Its last packet has gone: out of the lists.
  void leave(Tunnel& tunnel);

  std::unique_ptr<Slot[]> slots_;
  std::uint32_t free_ = kNone;
  std::uint32_t never_used_ = 0;  // slots from here on
  std::uint32_t room_ = kMostPackets;
  std::uint32_t taken_ = kNone;  // what take() has handed out last
  std::list<Tenant*> tenants_;
};

}  // namespace gateway
