// The hooks of connections: TCP flows that are upgraded, client on one side, upstream on the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/endpoint.h"
#include "base/fd.h"
#include "base/time.h"
#include "flows/flow.h"
#include "gateway/hooks/flow_hooks.h"
#include "gateway/hooks/hook_id.h"

namespace gateway::hooks {

struct EgressStart {
  FlowView flow;
  base::Endpoint upstream;      // what will be dialled
  bool through_tunnel = false;  // the connection leaves as packets, to another tunnel
};

/// How the upstream of a connection comes about. Moved, because it may own a socket.
struct EgressRuling {
  enum class Kind : std::uint8_t { kConnect, kConnectTo, kConnectToName, kUse, kRefuse };
  Kind kind = Kind::kConnect;
  base::Endpoint to{};  // kConnectTo; kConnectToName: its port
  base::Fd socket{};    // kUse
  std::string name{};   // kConnectToName

  static EgressRuling connect() { return {}; }
  /// Another address; not for a connection that leaves through a tunnel.
  static EgressRuling connect_to(const base::Endpoint& to) {
    return {.kind = Kind::kConnectTo, .to = to};
  }
  /// A host, in lower case, whose addresses egress_resolve has, or the tenant was told; where
  /// nobody knows any, the client is told that the host is unreachable. Not for a connection that
  /// leaves through a tunnel.
  static EgressRuling connect_to(std::string name, base::Port port) {
    EgressRuling ruling{.kind = Kind::kConnectToName, .to = {{}, port}};
    ruling.name = std::move(name);
    return ruling;
  }
  /// A stream socket of the app's own, connected or connecting; not for a connection that leaves
  /// through a tunnel. The gateway makes it non-blocking, and closes it.
  static EgressRuling use(base::Fd socket) {
    return {.kind = Kind::kUse, .to = {}, .socket = std::move(socket)};
  }
  /// The client gets an RST.
  static EgressRuling refuse() { return {.kind = Kind::kRefuse}; }
};
std::string_view name(EgressRuling::Kind kind);  // "connect"

/// Asked once, before the upstream is dialled.
class EgressDecide {
 public:
  static constexpr HookId kId = HookId::kEgressDecide;
  virtual EgressRuling egress_decide(const EgressStart& start) = 0;

 protected:
  ~EgressDecide() = default;
};

struct EgressUp {
  FlowView flow;
  base::Endpoint upstream;              // that has answered
  std::optional<base::Endpoint> local;  // our own end; nothing where the app's socket has none
};

/// Told when the upstream has answered.
class EgressEstablished {
 public:
  static constexpr HookId kId = HookId::kEgressEstablished;
  virtual void egress_established(const EgressUp& up) = 0;

 protected:
  ~EgressEstablished() = default;
};

struct IngressStart {
  FlowView flow;
  base::Endpoint upstream;  // answered already, unless the handshake is eager
};

enum class IngressRuling : std::uint8_t { kAllow, kBlock };
std::string_view name(IngressRuling ruling);  // "allow"

/// Asked when the client's connection has been accepted, before a byte of it is read. kBlock: RST.
class IngressDecide {
 public:
  static constexpr HookId kId = HookId::kIngressDecide;
  virtual IngressRuling ingress_decide(const IngressStart& start) = 0;

 protected:
  ~IngressDecide() = default;
};

/// What the kernel has measured of one side of a connection (TCP_INFO).
struct TcpStatistics {
  base::Duration rtt{};
  base::Duration rtt_variation{};
  // As TCP numbers them, so that a FIN is one more.
  std::uint64_t acknowledged_bytes = 0;  // of what we sent
  std::uint64_t received_bytes = 0;
  std::uint32_t retransmits = 0;
  std::uint32_t segments_out = 0;
  std::uint32_t segments_in = 0;
  std::uint32_t mss_bytes = 0;  // of what we send
};

struct IngressEnded {
  FlowView flow;
  flows::EndReason reason{};
  std::uint64_t up_bytes = 0;  // payload, client to upstream
  std::uint64_t down_bytes = 0;
  std::optional<TcpStatistics> client;
  std::optional<TcpStatistics> upstream;  // nothing where it is no TCP socket
};

/// Told when a connection that ingress_decide had let in is over; flow_end follows.
class IngressClose {
 public:
  static constexpr HookId kId = HookId::kIngressClose;
  virtual void ingress_close(const IngressEnded& ended) = 0;

 protected:
  ~IngressClose() = default;
};

}  // namespace gateway::hooks
