// FlowFacts: what a rule can ask about a new flow. Whoever asks a policy, for a packet or to
// explain it, fills in the same.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "flows/flow_key.h"
#include "gateway/flow/host_names.h"
#include "gateway/onramp/tunnel.h"
#include "gateway/policy/carried_rate.h"
#include "gateway/policy/flow_rate.h"

namespace gateway {

struct FlowFacts {
  flows::FlowKey key;      // of the flow's first packet
  bool to_tunnel = false;  // an open tunnel of the same tenant claims the destination
  std::optional<std::uint8_t> icmp_type{};  // of ICMP and ICMPv6
  std::string_view tunnel{};                // its name; empty where it is not known
  const std::map<std::string, std::string>* labels = nullptr;  // the tunnel's
  KnownNames names{};                                          // of the destination
  const FlowRate* new_flows = nullptr;                         // the tunnel's, this flow included
  std::uint32_t open_flows = 0;                                // the tunnel's
  const CarriedRate* carried = nullptr;                        // the tunnel's
  std::uint64_t carried_bytes = 0;                             // the tunnel's, in all so far
  base::Instant now{};
  std::chrono::system_clock::time_point wall_time{};

  /// That the tunnel carries now. Divides: only for rules that ask.
  [[nodiscard]] std::uint64_t bits_per_second() const {
    return carried == nullptr ? 0 : carried->bits_per_second(carried_bytes, now);
  }
};

class FlowKeeper;

/// About a flow of `tenant` with this key that `tunnel` begins; null: it is not known which.
FlowFacts facts_of(const flows::FlowKey& key, const Tenant& tenant, const Tunnel* tunnel,
                   const FlowKeeper& flows, base::Instant now);
/// The same of its first packet.
FlowFacts facts_of(const flows::Packet& packet, const Tenant& tenant, const Tunnel* tunnel,
                   const FlowKeeper& flows, base::Instant now);

}  // namespace gateway
