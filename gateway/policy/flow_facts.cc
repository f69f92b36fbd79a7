#include "gateway/policy/flow_facts.h"

#include "gateway/flow/flow_keeper.h"

namespace gateway {

FlowFacts facts_of(const flows::FlowKey& key, const Tenant& tenant, const Tunnel* tunnel,
                   const FlowKeeper& flows, base::Instant now) {
  const base::IpAddress& destination = key.destination.address;
  FlowFacts facts{
      .key = key,
      .to_tunnel = tenant.routes.find(destination).has_value(),
      .icmp_type = flows::is_icmp(key.protocol) ? std::optional(key.icmp_type) : std::nullopt,
      .names = flows.names_of(key.tenant, destination, now),
      .now = now,
      .wall_time = std::chrono::system_clock::now()};
  if (tunnel != nullptr) {
    facts.tunnel = tunnel->info().name;
    facts.labels = &tunnel->info().labels;
    facts.new_flows = &tunnel->new_flows;
    facts.open_flows = tunnel->flows.size;
    facts.carried = &tunnel->carried_rate;
    facts.carried_bytes = tunnel->carried_bytes();
  }
  return facts;
}

FlowFacts facts_of(const flows::Packet& packet, const Tenant& tenant, const Tunnel* tunnel,
                   const FlowKeeper& flows, base::Instant now) {
  return facts_of(flows::key_of(tenant.settings.id, packet), tenant, tunnel, flows, now);
}

}  // namespace gateway
