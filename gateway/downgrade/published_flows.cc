#include "gateway/downgrade/published_flows.h"

namespace gateway {

using base::Endpoint;
using base::Unexpected;
using flows::Drop;
using flows::FlowIndex;
using flows::FlowKey;
using flows::FlowState;
using flows::Protocol;

namespace {

// Chosen: clients whose addresses do not pass have mostly different ports all the same.
constexpr int kPortsTried = 64;
constexpr std::uint16_t kFirstPort = 1024;

base::Port next(base::Port port) {
  const bool wraps = number(port) == 0xffff || number(port) < kFirstPort;
  return wraps ? base::Port{kFirstPort} : base::Port{static_cast<std::uint16_t>(number(port) + 1)};
}

}  // namespace

base::Result<FlowIndex, Drop> PublishedFlows::open(Tenant& tenant, const Endpoint& client,
                                                   const Endpoint& to, Protocol protocol) {
  const auto id = tenant.routes.find(to.address);
  Tunnel* tunnel = id ? flows_.tunnel(*id) : nullptr;
  if (tunnel == nullptr) {
    return Unexpected{Drop::kNoRoute};
  }
  const bool tcp = protocol == Protocol::kTcp;
  if (tcp && tenant.dials >= tenant.settings.max_dials) {
    return Unexpected{Drop::kDialLimit};
  }
  if (tcp && tenant.connections >= tenant.settings.max_connections) {
    return Unexpected{Drop::kConnectionLimit};
  }
  if (!tenant.new_flows.take(tenant.settings.max_new_flows, loop_.now())) {
    return Unexpected{Drop::kTenantFlowRate};
  }
  const auto key = free_key(tenant, {client, to, tenant.settings.id, protocol});
  if (!key) {
    return Unexpected{Drop::kNoFreeBinding};
  }
  return flows_.open(*key,
                     {.tunnel = *tunnel,
                      .action = flows::Action::kDowngrade,
                      .upstream = to,
                      .state = tcp ? FlowState::kDialing : FlowState::kEstablished},
                     loop_.now());
}

bool PublishedFlows::is_known_inside(const Tenant& tenant, const base::IpAddress& client,
                                     const base::IpAddress& to) const {
  return client.is_v4() == to.is_v4() && !flows::is_martian_source(client) &&
         client != addresses_.of_family(client) && client != addresses_.map_host &&
         !tenant.routes.find(client);
}

std::optional<FlowKey> PublishedFlows::free_key(const Tenant& tenant, FlowKey key) {
  const base::IpAddress& to = key.destination.address;
  if (is_known_inside(tenant, key.source.address, to) && is_free(key)) {
    return key;
  }
  key.source.address = addresses_.of_family(to);
  for (int tries = 0; tries < kPortsTried; ++tries) {
    if (is_free(key)) {
      return key;
    }
    key.source.port = next(key.source.port);
  }
  return std::nullopt;
}

bool PublishedFlows::is_free(const FlowKey& key) {
  const auto match = flows_.find(key);
  if (match && flows::is_over(flows_[match->index])) {
    flows_.end(match->index, flows::EndReason::kClosed);
    return true;
  }
  return !match;
}

}  // namespace gateway
