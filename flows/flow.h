// Flow: the flat record of one flow, as the table, flowctl and a restarted process read it.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/endpoint.h"
#include "flows/dscp.h"
#include "flows/flow_key.h"
#include "flows/tcp_phase.h"

namespace flows {

/// Position of a record in the table. Small, dense, reused: `Flow::id` is what stays unique.
enum class FlowIndex : std::uint32_t {};
inline constexpr FlowIndex kNoFlowIndex{0xffffffff};
[[nodiscard]] constexpr std::uint32_t number(FlowIndex index) {
  return static_cast<std::uint32_t>(index);
}

/// What becomes of the flow. Policy decides, but for kDowngrade: a connection to a published port,
/// which leaves as packets to a tunnel.
enum class Action : std::uint8_t { kUpgrade, kForward, kReject, kDrop, kDowngrade };
std::string_view name(Action action);  // "upgrade"

/// Where the flow stands in the gateway. For an upgraded TCP flow:
///
///   kDialing --upstream answered--> kSynReceived --accept()--> kEstablished
///   kEstablished --first FIN--> kClosing --both relay directions closed--> kTimeWait --> erased
///
/// A forwarded one begins with kSynReceived. Everything else is kEstablished from its first packet
/// to its last.
enum class FlowState : std::uint8_t { kDialing, kSynReceived, kEstablished, kClosing, kTimeWait };
std::string_view name(FlowState state);  // "syn_received"

/// Why a flow ended; `reason` in the audit log.
enum class EndReason : std::uint8_t {
  kNone,    // it has not
  kClosed,  // FIN both ways
  kResetByClient,
  kResetByUpstream,
  kRefused,      // the upstream answered RST to the dial
  kUnreachable,  // the network said so
  kTimedOut,     // idle for longer than its state allows, or the dial was never answered
  kKilled,       // flowctl kill
  kTunnelClosed,
  kSandboxLost,    // the helper died
  kRejected,       // by a rule
  kDropped,        // by a rule
  kNoDescriptor,   // refused for want of descriptors
  kNoUdpSocket,    // refused: the tenant had as many datagram sockets as it may have, all in use
  kPingForbidden,  // refused: the kernel allows the gateway no ping sockets
  kEvicted,        // its place or socket was wanted for another flow of the tenant
  kPolicy,         // by rules that came after it
  kBlocked,        // by a hook of the app
  kShutdown,
  kNoUpstreamPort,  // refused: every source port towards its upstream was taken
};
std::string_view name(EndReason reason);  // "reset_by_client"

/// Packets and bytes as the tunnel carried them: whole IP packets, super-segments counted as the
/// segments they stand for.
struct WireCount {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const WireCount&, const WireCount&) = default;
};

/// A host name in the region (name_table.h).
enum class NameIndex : std::uint16_t {};
inline constexpr NameIndex kNoName{0xffff};

inline constexpr std::uint32_t kNone32 = 0xffffffff;
inline constexpr std::uint16_t kDefaultRule = 0xffff;
inline constexpr std::uint16_t kHookRule = 0xfffe;  // a hook of the app has had the last word

/// Written by the shard's thread, read by other processes. `version` is even while the record may
/// be read and odd while it is being filled, changed or emptied; counters and times may move under
/// a reader.
///
/// What a packet touches lies together at the front.
struct Flow {
  // The table's own; a reader does not copy them.
  std::uint32_t version = 0;
  std::uint32_t wheel_previous = kNone32;
  std::uint32_t wheel_next = kNone32;  // in a free record: the one that was freed before
  std::uint32_t wheel_tick = kNone32;  // when the wheel shows the flow; kNone32: never
  // Everybody's.
  FlowKey key;
  std::uint32_t tunnel = kNone32;  // the initiator's tunnel id; kDowngrade: the responder's
  std::int64_t last_seen_ns = 0;   // CLOCK_MONOTONIC
  WireCount up;                    // from the initiator
  WireCount down;                  // to it
  std::uint64_t id = 0;            // unique for the life of the region, 0 in a free record
  std::int64_t created_ns = 0;
  std::uint32_t peer_tunnel = kNone32;  // kForward, and kUpgrade that is downgraded again: the
                                        // responder's tunnel
  std::uint32_t binding = kNone32;      // nat::BindingIndex, once claimed
  std::uint32_t attachment = kNone32;   // gateway's own: the dial or relay that serves the flow
  // TCP_INFO of the client's side, once its socket closed: this, up to 16 s, and the retransmits.
  std::uint32_t client_rtt_us : 24 = 0;
  std::uint32_t replies : 8 = 0;  // packets of the responder's own; stays at 255
  std::uint32_t client_retransmits = 0;
  base::Endpoint upstream;            // what is dialled; not key.destination when redirected
  std::uint16_t rule = kDefaultRule;  // index of the rule that decided
  Action action{};
  FlowState state{};
  TcpPhase tcp_phase{};
  EndReason end_reason{};
  base::Port outer_port{};   // GUE: the initiator's, where answers must go to it; else 0
  NameIndex name = kNoName;  // of the destination, where a name server gave one
  std::uint32_t mark = 0;    // that the rule has given it when it began; 0: none
  Dscp dscp = kOwnDscp;      // the same
  std::uint8_t repeats = 0;  // TCP, kTimeWait: segments that came after a pause
};

/// Whether the flow is upgraded and then downgraded: `then: downgrade` in the rules.
[[nodiscard]] inline bool is_upgraded_then_downgraded(const Flow& flow) {
  return flow.action == Action::kUpgrade && flow.peer_tunnel != kNone32;
}
/// Whether what goes to the responder leaves as packets of the gateway's own making.
[[nodiscard]] inline bool is_downgraded(const Flow& flow) {
  return flow.action == Action::kDowngrade || is_upgraded_then_downgraded(flow);
}
/// Whether Flow::tunnel is the one that this end is behind, rather than Flow::peer_tunnel.
[[nodiscard]] inline bool is_behind_first_tunnel(const Flow& flow, Side side) {
  return side == (flow.action == Action::kDowngrade ? Side::kResponder : Side::kInitiator);
}
/// The tunnel that this end of the flow is behind; kNone32: none.
[[nodiscard]] inline std::uint32_t tunnel_of(const Flow& flow, Side side) {
  return is_behind_first_tunnel(flow, side) ? flow.tunnel : flow.peer_tunnel;
}

/// Whether policy has refused the flow.
[[nodiscard]] inline bool is_denied(const Flow& flow) {
  return flow.action == Action::kReject || flow.action == Action::kDrop;
}
/// Whether somebody has ended it while its ends would have gone on.
[[nodiscard]] inline bool is_stopped(const Flow& flow) {
  return flow.end_reason == EndReason::kKilled || flow.end_reason == EndReason::kPolicy;
}
/// Whether the flow only waits for stragglers, so that another may have its key.
[[nodiscard]] inline bool is_over(const Flow& flow) {
  return !is_denied(flow) &&
         (flow.state == FlowState::kTimeWait || flow.tcp_phase == TcpPhase::kClosed);
}

static_assert(std::is_trivially_copyable_v<Flow> && std::is_standard_layout_v<Flow>);
static_assert(sizeof(Flow) <= 176,
              "flow table: at most 192 bytes a flow, index and names included");

}  // namespace flows
