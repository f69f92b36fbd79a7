#include "flows/flow.h"

namespace flows {

// "unknown" is not a bug of ours: flowctl names what it reads from another process's memory.

std::string_view name(Action action) {
  switch (action) {
    case Action::kUpgrade:
      return "upgrade";
    case Action::kForward:
      return "forward";
    case Action::kReject:
      return "reject";
    case Action::kDrop:
      return "drop";
    case Action::kDowngrade:
      return "downgrade";
  }
  return "unknown";
}

std::string_view name(FlowState state) {
  switch (state) {
    case FlowState::kDialing:
      return "dialing";
    case FlowState::kSynReceived:
      return "syn_received";
    case FlowState::kEstablished:
      return "established";
    case FlowState::kClosing:
      return "closing";
    case FlowState::kTimeWait:
      return "time_wait";
  }
  return "unknown";
}

std::string_view name(EndReason reason) {
  switch (reason) {
    case EndReason::kNone:
      return "none";
    case EndReason::kClosed:
      return "closed";
    case EndReason::kResetByClient:
      return "reset_by_client";
    case EndReason::kResetByUpstream:
      return "reset_by_upstream";
    case EndReason::kRefused:
      return "refused";
    case EndReason::kUnreachable:
      return "unreachable";
    case EndReason::kTimedOut:
      return "timed_out";
    case EndReason::kKilled:
      return "killed";
    case EndReason::kTunnelClosed:
      return "tunnel_closed";
    case EndReason::kSandboxLost:
      return "sandbox_lost";
    case EndReason::kRejected:
      return "rejected";
    case EndReason::kDropped:
      return "dropped";
    case EndReason::kNoDescriptor:
      return "no_descriptor";
    case EndReason::kNoUdpSocket:
      return "no_udp_socket";
    case EndReason::kPingForbidden:
      return "ping_forbidden";
    case EndReason::kEvicted:
      return "evicted";
    case EndReason::kBlocked:
      return "blocked";
    case EndReason::kPolicy:
      return "policy";
    case EndReason::kShutdown:
      return "shutdown";
    case EndReason::kNoUpstreamPort:
      return "no_upstream_port";
  }
  return "unknown";
}

}  // namespace flows
