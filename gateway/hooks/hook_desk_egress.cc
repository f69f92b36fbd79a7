// HookDesk, as far as it asks where the upstreams of flows are, and how they are reached.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "gateway/hooks/hook_desk.h"
#include "gateway/hooks/lent_context.h"
#include "gateway/log.h"

namespace gateway {

using base::IpAddress;
using flows::FlowIndex;
using hooks::AddressOrder;
using hooks::DatagramRuling;
using hooks::EgressRuling;
using hooks::HookId;
using hooks::Resolution;

namespace {

bool is_connected_datagram_socket(const base::Fd& socket) {
  int type = 0;
  socklen_t size = sizeof(type);
  base::SocketAddress peer;
  return socket.is_open() && ::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
         type == SOCK_DGRAM && ::getpeername(socket.get(), peer.data(), &peer.size()) == 0;
}

void take_over(const base::Fd& socket) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK);
  ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
}

bool holds(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::ranges::find(addresses, address) != addresses.end();
}

void put_first(const IpAddress& address, std::vector<IpAddress>& addresses) {
  std::erase(addresses, address);
  addresses.insert(addresses.begin(), address);
}

void keep_first(std::vector<IpAddress>& addresses, std::size_t count) {
  if (addresses.size() > count) {
    addresses.resize(count);
  }
}

}  // namespace

// ---- Connections ----

HookDesk::Egress HookDesk::egress(FlowIndex index) {
  EgressRuling ruling = decide_egress(index);
  switch (ruling.kind) {
    case EgressRuling::Kind::kRefuse:
      return {.kind = Egress::Kind::kRefuse};
    case EgressRuling::Kind::kUse:
      return {.kind = Egress::Kind::kUse, .socket = std::move(ruling.socket)};
    case EgressRuling::Kind::kConnectTo:
      return {.upstreams = {ruling.to}};
    case EgressRuling::Kind::kConnectToName:
      return find_upstreams(index, ruling.name, ruling.to.port);
    case EgressRuling::Kind::kConnect:
      break;
  }
  const flows::Flow& flow = flows_[index];
  const bool is_elsewhere = flows::is_downgraded(flow) || flow.upstream != flow.key.destination;
  return is_elsewhere ? Egress{} : find_upstreams(index, {}, flow.upstream.port);
}

EgressRuling HookDesk::decide_egress(FlowIndex index) {
  if (!runner_.has<hooks::EgressDecide>()) {
    return EgressRuling::connect();
  }
  using Kind = EgressRuling::Kind;
  Lent lent(*this, index);
  const flows::Flow& flow = flows_[index];
  const bool through_tunnel = flows::is_downgraded(flow);
  EgressRuling ruling = runner_.ask<&hooks::EgressDecide::egress_decide>(
      flow.id, EgressRuling::connect(),
      hooks::EgressStart{
          .flow = lent.view(), .upstream = flow.upstream, .through_tunnel = through_tunnel});
  const bool changes_way = ruling.kind == Kind::kConnectTo || ruling.kind == Kind::kConnectToName ||
                           ruling.kind == Kind::kUse;
  const bool lacks_something = (ruling.kind == Kind::kUse && !ruling.socket.is_open()) ||
                               (ruling.kind == Kind::kConnectToName && ruling.name.empty());
  if ((changes_way && through_tunnel) || lacks_something) {
    cannot_be(HookId::kEgressDecide, flow.id, hooks::answer_text(ruling));
    return EgressRuling::connect();
  }
  if (ruling.kind == Kind::kUse) {
    take_over(ruling.socket);
  }
  return ruling;
}

// The addresses of `given`, a name that egress_decide has answered, or of the flow's own.
HookDesk::Egress HookDesk::find_upstreams(FlowIndex index, std::string_view given,
                                          base::Port port) {
  const bool is_given = !given.empty();
  const std::string_view name = is_given ? given : flows_.host(flows_[index]);
  const bool asks = runner_.has<hooks::EgressResolve>() || runner_.has<hooks::EgressChoose>();
  if (name.empty() || (!asks && !is_given)) {
    return {};
  }
  std::vector<IpAddress> known = told_addresses(index, name, port);
  if (!is_given) {
    put_first(flows_[index].key.destination.address, known);
  }
  const Resolution resolution = resolve(index, name, known);
  const bool is_apps = resolution.kind == Resolution::Kind::kAddresses;
  std::vector<IpAddress> candidates = is_apps ? resolution.addresses : known;
  if (resolution.kind == Resolution::Kind::kNone || candidates.empty()) {
    return {.kind = Egress::Kind::kNoSuchName};
  }
  keep_first(candidates, hooks::kMostAddresses);
  const std::size_t usual = is_apps || is_given ? candidates.size() : 1;
  const AddressOrder order = choose(index, name, candidates, usual);
  if (order.empty()) {
    return {.kind = Egress::Kind::kRefuse};
  }
  Egress egress;
  for (const IpAddress& address : order) {
    egress.upstreams.push_back({address, port});
  }
  return egress;
}

// What the tenant was told for `name`, as far as the rules would let the flow go there. What means
// another address outside is not among it: a name server has no say in where the gateway is.
std::vector<IpAddress> HookDesk::told_addresses(FlowIndex index, std::string_view name,
                                                base::Port port) {
  const flows::Flow& flow = flows_[index];
  const Tunnel* tunnel = flows_.tunnel(flow.tunnel);
  const base::Instant now = base::Clock::now();
  std::vector<IpAddress> told =
      flows_.addresses_of(flow.key.tenant, name, hooks::kMostAddresses, now);
  std::erase_if(told, [&](const IpAddress& address) {
    flows::FlowKey key = flow.key;
    key.destination = {address, port};
    if (!addresses_.is_itself(key.destination)) {
      return true;
    }
    const Decision ruled =
        rulings_.peek(facts_of(key, flows_.tenant_of(index), tunnel, flows_, now));
    return ruled.action != flows::Action::kUpgrade || ruled.then_downgrade || ruled.redirect ||
           ruled.is_over_limit;
  });
  return told;
}

Resolution HookDesk::resolve(FlowIndex index, std::string_view name,
                             const std::vector<IpAddress>& known) {
  if (!runner_.has<hooks::EgressResolve>()) {
    return Resolution::as_known();
  }
  Lent lent(*this, index);
  const std::uint64_t flow = flows_[index].id;
  Resolution resolution = runner_.ask<&hooks::EgressResolve::egress_resolve>(
      flow, Resolution::as_known(),
      hooks::NameLookup{.flow = lent.view(), .name = name, .known = known});
  if (resolution.kind == Resolution::Kind::kAddresses && resolution.addresses.empty()) {
    cannot_be(HookId::kEgressResolve, flow, "no addresses");
    return Resolution::as_known();
  }
  return resolution;
}

AddressOrder HookDesk::choose(FlowIndex index, std::string_view name,
                              const std::vector<IpAddress>& candidates, std::size_t usual) {
  AddressOrder otherwise = candidates;
  keep_first(otherwise, usual);
  if (!runner_.has<hooks::EgressChoose>() || candidates.size() < 2) {
    return otherwise;
  }
  Lent lent(*this, index);
  const std::uint64_t flow = flows_[index].id;
  AddressOrder order = runner_.ask<&hooks::EgressChoose::egress_choose>(
      flow, otherwise,
      hooks::Candidates{.flow = lent.view(),
                        .name = name,
                        .addresses = candidates,
                        .usual = static_cast<std::uint32_t>(usual)});
  const bool are_candidates = std::ranges::all_of(
      order, [&](const IpAddress& address) { return holds(candidates, address); });
  if (!are_candidates || order.size() > candidates.size()) {
    cannot_be(HookId::kEgressChoose, flow, hooks::answer_text(order));
    return otherwise;
  }
  return order;
}

// ---- Datagrams ----

DatagramRuling HookDesk::egress_datagrams(FlowIndex index) {
  using Kind = DatagramRuling::Kind;
  if (!runner_.has<hooks::EgressDatagrams>()) {
    return DatagramRuling::send();
  }
  Lent lent(*this, index);
  const flows::Flow& flow = flows_[index];
  DatagramRuling ruling = runner_.ask<&hooks::EgressDatagrams::egress_datagrams>(
      flow.id, DatagramRuling::send(),
      hooks::DatagramStart{.flow = lent.view(), .upstream = flow.upstream});
  const bool other_family =
      ruling.kind == Kind::kSendTo && ruling.to.address.is_v4() != flow.key.source.address.is_v4();
  const bool no_socket = ruling.kind == Kind::kUse && !is_connected_datagram_socket(ruling.socket);
  if (other_family || no_socket) {
    cannot_be(HookId::kEgressDatagrams, flow.id, hooks::answer_text(ruling));
    return DatagramRuling::send();
  }
  if (ruling.kind == Kind::kUse) {
    take_over(ruling.socket);
  }
  return ruling;
}

}  // namespace gateway
