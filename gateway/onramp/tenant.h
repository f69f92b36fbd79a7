// Tenant: what one shard knows of a tenant while it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>

#include "flows/token_bucket.h"
#include "gateway/config/settings.h"
#include "gateway/flow/flow_budget.h"
#include "gateway/flow/waiting_flows.h"
#include "gateway/loop/fair_turns.h"
#include "gateway/offramp/tunnel_routes.h"
#include "gateway/opening/arrivals.h"

namespace gateway {

class Bandwidth;

/// Belongs to the shard's thread.
struct Tenant {
  explicit Tenant(TenantSettings of) : settings(std::move(of)) {}

  TenantSettings settings;
  bool is_alone = true;                                  // the gateway has no other
  TunnelRoutes routes;                                   // which open tunnel claims an address
  std::unordered_map<std::string, std::uint32_t> named;  // open tunnels that have said a name
  FairTurns::Line turns;                                 // of its tunnels
  Arrivals::Lines arrivals{*this};                       // the same
  std::uint32_t tunnels = 0;
  // Tunnels that take a descriptor, those on their way in included. Any thread.
  std::atomic<std::uint32_t> sockets = 0;
  std::uint32_t flows = 0;
  std::uint32_t dials = 0;        // connects under way
  std::uint32_t connections = 0;  // TCP flows that have sockets, or are about to
  std::uint64_t flows_total = 0;
  std::uint64_t gave_way_total = 0;
  WaitingLines waiting;  // of its flows
  FlowBudget new_flows;
  FlowBudget new_flows_beside;     // which upstreams begin, beside flows of the tenant's
  Bandwidth* bandwidth = nullptr;  // of all its flows; null: there is no bound (Bandwidths)
  // ICMP errors of our own making (RFC 4443 2.4 f). Chosen: the rate that Linux allows itself
  // (net.ipv4.icmp_msgs_per_sec), and a burst that several traceroutes at once do not reach.
  flows::TokenBucket icmp_errors{1000, 250};

  [[nodiscard]] std::uint32_t half_open() const {
    return waiting_in(waiting, Wait::kDial) + waiting_in(waiting, Wait::kHandshake);
  }
};

}  // namespace gateway
