// Tunnel: one on-ramp peer: what it may send, and the way back to it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/ip_prefix.h"
#include "flows/drop.h"
#include "flows/flow.h"
#include "flows/packet.h"
#include "gateway/flow/flow_lists.h"
#include "gateway/onramp/raw_packet.h"
#include "gateway/onramp/tenant.h"
#include "gateway/opening/arrivals.h"
#include "gateway/policy/carried_rate.h"
#include "gateway/policy/flow_rate.h"

namespace gateway {

struct TunnelInfo {
  std::uint32_t id = 0;
  std::string name;                       // never empty
  bool has_own_name = false;              // its context has said it; else it is made of the id
  std::string onramp;                     // "seqpacket", "tun", "gue"
  std::vector<base::IpPrefix> addresses;  // empty: the tenant's sources
  std::vector<base::IpPrefix> routed;     // by the configuration: it may send from there, too
  std::uint32_t mtu_bytes = 1500;
  bool offload = false;
  std::map<std::string, std::string> labels;
  std::int64_t opened_ns = 0;
};

/// Belongs to the shard's thread.
class Tunnel {
 public:
  class Sink {
   public:
    /// A batch that `from` has received. The packets may be rewritten in place and are gone after
    /// the call.
    virtual void packets_from(Tunnel& from, std::span<RawPacket> packets) = 0;
    /// The peer has gone; the tunnel may be destroyed here.
    virtual void tunnel_closed(Tunnel& tunnel) = 0;
    virtual void dropped(Tunnel& tunnel, flows::Drop reason) = 0;

   protected:
    ~Sink() = default;
  };

  Tunnel(TunnelInfo info, Tenant& tenant) : info_(std::move(info)), tenant_(tenant) {}
  virtual ~Tunnel() = default;
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  /// Sends one packet, whose parse is `parsed`, to the peer: cut to its MTU and its checksum
  /// completed where it takes no offload. Never blocks. Returns what the wire will carry of it;
  /// what it will not (a full queue, a failed write) has been counted as dropped.
  virtual flows::WireCount send(const RawPacket& packet, const flows::Packet& parsed) = 0;

  /// Whether it may take over a flow of `owner`, a tunnel of the same tenant, because a packet of
  /// that flow came from it: a peer that has moved.
  [[nodiscard]] virtual bool may_take_over(const Tunnel& /*owner*/) const { return false; }

  /// Whether its peer is this kernel itself, whatever a round trip may take at a busy moment.
  [[nodiscard]] virtual bool is_on_this_host() const { return false; }

  /// Whether the peer may send from `address` (RFC 2827): one of its own, else of its tenant's.
  [[nodiscard]] bool may_send_from(const base::IpAddress& address) const {
    const auto& allowed = info_.addresses.empty() ? tenant_.settings.sources : info_.addresses;
    const auto holds_it = [&](const base::IpPrefix& prefix) { return prefix.contains(address); };
    return allowed.empty() || std::ranges::any_of(allowed, holds_it) ||
           std::ranges::any_of(info_.routed, holds_it);
  }

  [[nodiscard]] const TunnelInfo& info() const { return info_; }
  [[nodiscard]] std::uint32_t id() const { return info_.id; }
  [[nodiscard]] Tenant& tenant() { return tenant_; }

  /// Both ways, so far.
  [[nodiscard]] std::uint64_t carried_bytes() const { return up.bytes + down.bytes; }

  // Counted by the packet path.
  flows::WireCount up;
  flows::WireCount down;
  std::uint64_t dropped_packets = 0;
  FlowList flows;                  // whose initiator is here
  FlowList peer_flows;             // forwarded to here
  std::uint32_t waiting = 0;       // of `flows`, those that nobody has answered yet
  FlowRate new_flows;              // that it begins
  CarriedRate carried_rate;        // of up and down, where a rule asks for it
  FlowBudget budget;               // of them
  Arrivals::Line arrivals{*this};  // first packets of flows that are not open yet

  /// Of the packets at hand: the peer's outer port, where answers must go to it; else 0.
  base::Port outer_port{};

 private:
  TunnelInfo info_;
  Tenant& tenant_;
};

}  // namespace gateway
