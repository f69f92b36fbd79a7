// The hooks of addresses: where the upstream of a connection or of datagrams is.
//
// The gateway is told addresses, not names: its clients have looked them up before. What it knows
// of names, it has seen name servers tell the tenant (gateway/flow/host_names.h). So an upstream
// has a name where its client was told one for the address that it asks for, and no rule takes it
// elsewhere; or where egress_decide has answered with a name.
//
// These hooks answer at once, on the shard's thread, like any other of a shard. An app that has to
// ask somebody for an address asks on a thread of its own, beforehand, and answers from what it
// remembers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/endpoint.h"
#include "base/fd.h"
#include "gateway/hooks/flow_hooks.h"
#include "gateway/hooks/hook_id.h"

namespace gateway::hooks {

/// Addresses of one upstream; more are left out. Chosen: as many as a name server tells at once.
inline constexpr std::size_t kMostAddresses = 16;

struct NameLookup {
  FlowView flow;
  std::string_view name;  // as egress_decide has written it, else FlowView::name
  /// What the tenant was told for it, the one that the client asks for first. The others only where
  /// the rules would have let the same connection go there.
  std::span<const base::IpAddress> known;
};

/// What a name means.
struct Resolution {
  enum class Kind : std::uint8_t { kAsKnown, kAddresses, kNone };
  Kind kind = Kind::kAsKnown;
  std::vector<base::IpAddress> addresses{};  // kAddresses: not empty; of either family

  static Resolution as_known() { return {}; }
  static Resolution of(std::vector<base::IpAddress> addresses) {
    return {.kind = Kind::kAddresses, .addresses = std::move(addresses)};
  }
  /// There is no such name: the client is told that the host is unreachable.
  static Resolution none() { return {.kind = Kind::kNone, .addresses = {}}; }
};
std::string_view name(Resolution::Kind kind);  // "as_known"

/// Asked what the name of a connection's upstream means. The rules have ruled on what the client
/// asked for; the app's addresses are its own word, as those of egress_decide are.
class EgressResolve {
 public:
  static constexpr HookId kId = HookId::kEgressResolve;
  virtual Resolution egress_resolve(const NameLookup& lookup) = 0;

 protected:
  ~EgressResolve() = default;
};

struct Candidates {
  FlowView flow;
  std::string_view name;
  std::span<const base::IpAddress> addresses;  // two at least
  std::uint32_t usual = 1;                     // so many of them are dialled without the hook
};

/// Of the candidates, those to be dialled, in this order: when one fails, the next is. None: the
/// client gets an RST.
using AddressOrder = std::vector<base::IpAddress>;

/// Asked where an upstream has several addresses: those that egress_resolve has answered, else
/// NameLookup::known. Without it they are dialled one after the other where the app has had a hand
/// in the name or its addresses; else the first is, so that the client is told the truth about the
/// address that it asked for.
class EgressChoose {
 public:
  static constexpr HookId kId = HookId::kEgressChoose;
  virtual AddressOrder egress_choose(const Candidates& candidates) = 0;

 protected:
  ~EgressChoose() = default;
};

struct DatagramStart {
  FlowView flow;
  base::Endpoint upstream;  // where its datagrams would go
};

/// How the datagrams of a flow leave. Moved, because it may own a socket.
struct DatagramRuling {
  enum class Kind : std::uint8_t { kSend, kSendTo, kUse, kRefuse };
  Kind kind = Kind::kSend;
  base::Endpoint to{};  // kSendTo
  base::Fd socket{};    // kUse

  /// From the socket that all flows of the client's source share: its port outside does not depend
  /// on whom it speaks to (RFC 4787).
  static DatagramRuling send() { return {}; }
  /// From the same socket, to another endpoint of the same family, whose answers come from the one
  /// that the client has asked for.
  static DatagramRuling send_to(const base::Endpoint& to) {
    return {.kind = Kind::kSendTo, .to = to, .socket = {}};
  }
  /// By a datagram socket of the app's own, connected, for this flow alone. Each datagram that
  /// comes out of it is an answer of the endpoint that the client has asked for. The gateway makes
  /// it non-blocking, sets TTL and DF where it has them, and closes it with the flow.
  static DatagramRuling use(base::Fd socket) {
    return {.kind = Kind::kUse, .to = {}, .socket = std::move(socket)};
  }
  /// The client gets "administratively prohibited".
  static DatagramRuling refuse() { return {.kind = Kind::kRefuse, .to = {}, .socket = {}}; }
};
std::string_view name(DatagramRuling::Kind kind);  // "send"

/// Asked once of each UDP flow that is upgraded, before its first datagram leaves. Not of one that
/// a peer has begun, which has the socket of the flow beside it.
class EgressDatagrams {
 public:
  static constexpr HookId kId = HookId::kEgressDatagrams;
  virtual DatagramRuling egress_datagrams(const DatagramStart& start) = 0;

 protected:
  ~EgressDatagrams() = default;
};

}  // namespace gateway::hooks
