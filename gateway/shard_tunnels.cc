// Shard, as far as tunnels come and go: how they are let in, come back under their name, and end.
#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/onramp/seqpacket_tunnel.h"
#include "gateway/onramp/tun_tunnel.h"
#include "gateway/shard.h"

namespace gateway {

using base::Fd;
using flows::EndReason;
using flows::FlowIndex;

void Shard::add_tunnel(Kind kind, Fd fd, TunnelInfo info, const std::string& tenant,
                       const std::string& reply) {
  // std::function copies, so what it captures must be copyable.
  ++open_tunnels_;
  ++tenants_.at(tenant)->sockets;
  auto shared_fd = std::make_shared<Fd>(std::move(fd));
  loop_.post([this, kind, shared_fd, info = std::move(info), tenant, reply]() mutable {
    Tenant& owner = *tenants_.at(tenant);
    for (const TenantRoute& route : owner.settings.routes) {
      if (route.tunnel == info.name) {
        info.routed.push_back(route.prefix);
      }
    }
    if (kind == Kind::kTun) {
      open_tunnel(std::make_unique<TunTunnel>(std::move(info), owner, std::move(*shared_fd), loop_,
                                              arena_, *this));
    } else {
      open_tunnel(std::make_unique<SeqpacketTunnel>(std::move(info), owner, std::move(*shared_fd),
                                                    loop_, turns_, arena_, *this, reply));
    }
  });
}

void Shard::publish(HostPort port, const std::string& tenant, const base::Endpoint& to) {
  auto shared_port = std::make_shared<HostPort>(std::move(port));
  loop_.post([this, shared_port, tenant, to] {
    publish_now(std::move(*shared_port), *tenants_.at(tenant), to);
  });
}

void Shard::publish_now(HostPort port, Tenant& tenant, const base::Endpoint& to) {
  const base::Endpoint local = port.local;
  const bool tcp = port.protocol == flows::Protocol::kTcp;
  if (tcp) {
    sandbox_.pool().keep_filled();
  }
  const auto published = tcp ? tcp_publisher_.publish(std::move(port.socket), tenant, to)
                             : udp_publisher_.publish(std::move(port.socket), tenant, to);
  if (!published) {
    log_error("port not published listen={} error={}", local.to_string(),
              LogValue{published.error().message()});
  }
}

template <class T>
void Shard::open_tunnel(std::unique_ptr<T> tunnel) {
  if (auto started = tunnel->start(); !started) {
    log_error("tunnel not opened tunnel={} error={}", tunnel->id(),
              LogValue{started.error().message()});
    --tunnel->tenant().sockets;
    --open_tunnels_;
    return;
  }
  const TunnelInfo& info = tunnel->info();
  for (const auto* prefixes : {&info.addresses, &info.routed}) {
    for (const base::IpPrefix& prefix : *prefixes) {
      tunnel->tenant().routes.add(prefix, info.id);
    }
  }
  admit(std::move(tunnel), LogLevel::kInfo);
}

void Shard::admit(std::unique_ptr<Tunnel> tunnel, LogLevel level) {
  const TunnelInfo& info = tunnel->info();
  ++tunnel->tenant().tunnels;
  ++tunnels_opened_;
  flows_.add_tunnel(*tunnel);
  log_at(level, "tunnel opened tunnel={} name={} tenant={} onramp={} mtu={}", info.id,
         LogValue{info.name}, tunnel->tenant().settings.name, info.onramp, info.mtu_bytes);
  tell_of(*tunnel, TunnelEvent::Kind::kOpen);
  Tunnel& opened = *tunnel;
  tunnels_.emplace(info.id, std::move(tunnel));
  if (info.has_own_name) {
    come_back(opened);
  }
}

// A tunnel with the name of one that is open, or was a moment ago, is that one again: a peer that
// lost its connection may know so long before we do.
void Shard::come_back(Tunnel& tunnel) {
  Tenant& tenant = tunnel.tenant();
  const std::string& name = tunnel.info().name;
  if (const auto open = tenant.named.find(name); open != tenant.named.end()) {
    Tunnel& superseded = *tunnels_.at(open->second);
    hand_over(superseded, tunnel);
    remove_tunnel(superseded);
  } else if (const auto away = away_.take(tenant, name)) {
    hand_over(*away, tunnel);
    flows_.remove_tunnel(*away);
  }
  tenant.named[name] = tunnel.id();
}

void Shard::hand_over(Tunnel& from, Tunnel& to) {
  if (from.flows.size + from.peer_flows.size == 0) {
    return;
  }
  while (const auto index = FlowKeeper::any_of(from)) {
    const flows::Flow& flow = flows_[*index];
    const bool initiates = flows::tunnel_of(flow, flows::Side::kInitiator) == from.id();
    const bool responds = flows::tunnel_of(flow, flows::Side::kResponder) == from.id();
    if ((initiates && !to.may_send_from(flow.key.source.address)) ||
        (responds && !to.may_send_from(flow.key.destination.address))) {
      flows_.end(*index, EndReason::kTunnelClosed);
    } else {
      flows_.hand_over(*index, from, to);
    }
  }
  udp_.tunnel_changed(from.id(), to.id());
  ping_.tunnel_changed(from.id(), to.id());
  log_info("tunnel came back tunnel={} was={} flows={}", to.id(), from.id(), to.flows.size);
}

void Shard::add_gue_door(GueSocket socket, const Onramp& onramp, RegisterTunnel register_tunnel,
                         std::shared_ptr<GueExchange> others) {
  auto shared = std::make_shared<GueSocket>(std::move(socket));
  loop_.post([this, shared, &onramp, register_tunnel = std::move(register_tunnel),
              others = std::move(others)] {
    register_ = register_tunnel;
    open_gue_door(std::move(*shared), onramp, others);
  });
}

void Shard::open_gue_door(GueSocket socket, const Onramp& onramp,
                          const std::shared_ptr<GueExchange>& others) {
  gue_doors_.push_back(std::make_unique<GueDoor>(std::move(socket), *onramp.gue, hash_key_,
                                                 GueDoor::Surroundings{.loop = loop_,
                                                                       .arena = arena_,
                                                                       .flows = flows_,
                                                                       .tenants = settings_.tenants,
                                                                       .owner = *this},
                                                 GueDoor::Others{number_, others}));
  GueDoor& door = *gue_doors_.back();
  for (const auto& [name, tenant] : tenants_) {
    if (others && !others->is_home(number_, tenant->settings.id)) {
      continue;
    }
    for (const TenantRoute& route : tenant->settings.routes) {
      const auto at =
          route.gue ? gue_onramp_for(settings_.onramps, name, route.gue->address) : std::nullopt;
      if (at && &settings_.onramps[*at] == &onramp) {
        door.add_route(*tenant, route);
      }
    }
  }
  if (auto started = door.start(); !started) {
    log_error("gue on-ramp not opened error={}", LogValue{started.error().message()});
  }
}

Tenant* Shard::tenant(std::uint32_t id) {
  for (const auto& [name, tenant] : tenants_) {
    if (tenant->settings.id == id) {
      return tenant.get();
    }
  }
  return nullptr;
}

// Whoever is heard is a peer, so it is no life event of the daemon.
void Shard::peer_heard(std::unique_ptr<Tunnel> tunnel) {
  ++open_tunnels_;
  admit(std::move(tunnel), LogLevel::kDebug);
}

void Shard::tunnel_closed(Tunnel& tunnel) {
  Tenant& tenant = tunnel.tenant();
  const std::string name = tunnel.info().name;
  const bool waits =
      tunnel.info().has_own_name && away_.add(tunnel, tenant, *this, loop_.now() + tunnel_away_);
  if (!waits) {
    end_flows_of(tunnel);
  }
  remove_tunnel(tunnel);
  if (waits) {
    flows_.add_tunnel(away_.of(tenant, name));
  }
}

void Shard::end_away(std::unique_ptr<AwayTunnel> tunnel) {
  end_flows_of(*tunnel);
  flows_.remove_tunnel(*tunnel);
}

void Shard::remove_tunnel(Tunnel& tunnel) {
  const std::uint32_t id = tunnel.id();
  Tenant& tenant = tunnel.tenant();
  if (const auto named = tenant.named.find(tunnel.info().name);
      named != tenant.named.end() && named->second == id) {
    tenant.named.erase(named);
  }
  for (const auto* prefixes : {&tunnel.info().addresses, &tunnel.info().routed}) {
    for (const base::IpPrefix& prefix : *prefixes) {
      tenant.routes.remove(prefix, id);
    }
  }
  --tunnel.tenant().tunnels;
  flows_.remove_tunnel(tunnel);
  path_.forget(tunnel);
  const bool is_peer = tunnel.info().onramp == "gue";  // peer_heard
  if (!is_peer) {
    --tenant.sockets;
  }
  log_at(is_peer ? LogLevel::kDebug : LogLevel::kInfo,
         "tunnel closed tunnel={} name={} tenant={} up_bytes={} down_bytes={}", id,
         LogValue{tunnel.info().name}, tunnel.tenant().settings.name, tunnel.up.bytes,
         tunnel.down.bytes);
  tell_of(tunnel, TunnelEvent::Kind::kClose);
  tunnels_.erase(id);
  --open_tunnels_;
}

void Shard::tell_of(Tunnel& tunnel, TunnelEvent::Kind kind) {
  const TunnelInfo& info = tunnel.info();
  audit_.tell({.kind = kind,
               .time = std::chrono::system_clock::now(),
               .id = info.id,
               .tenant_id = tunnel.tenant().settings.id,
               .name = info.name,
               .onramp = info.onramp,
               .mtu_bytes = info.mtu_bytes,
               .up = tunnel.up,
               .down = tunnel.down,
               .dropped_packets = tunnel.dropped_packets});
}

// A flow that was upgraded and then downgraded has another tunnel at its other end, which must see
// the RST that our socket there sends as it is closed; the flow knows the way.
void Shard::end_flows_of(const Tunnel& tunnel) {
  bool any_retired = false;
  flows_.for_each_of(tunnel, [&](FlowIndex index) {
    if (flows::is_upgraded_then_downgraded(flows_[index])) {
      flows_.retire(index, EndReason::kTunnelClosed, loop_.now());
      any_retired = true;
    }
  });
  if (any_retired) {
    sandbox_.drain();
  }
  while (const auto index = FlowKeeper::any_of(tunnel)) {
    flows_.end(*index, EndReason::kTunnelClosed);
  }
}

}  // namespace gateway
