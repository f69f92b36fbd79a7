// Control protocol: what flowctl and the gateway say to one another. Pure: text in, text out.
//
// A unix SOCK_STREAM connection carries one request and one reply, each a line of JSON; the gateway
// closes after the reply. A stream, because a reply may be longer than any datagram, and a line,
// because then `socat - UNIX-CONNECT:control.sock` will do as a client.
//
//     {"request":"tunnels"}            {"ok":true,"tunnels":[{"id":1,"tenant":"acme",...},...]}
//     {"request":"kill","id":17}       {"ok":false,"code":"not_found","error":"no flow has the id
//     17"}
//     {"request":"hooks","id":17}      {"ok":true,"hooks":{"flow":17,"calls":[{"hook":...},...]}}
//     {"request":"reload"}             {"ok":true,"reload":{"rules":7,"flows_ended":2,...}}
//     {"request":"log_level","level":"debug"}      {"ok":true,"level":"debug"}
//     {"request":"explain","packet":"tcp 10.0.0.2:4000 > 192.0.2.1:443","tenant":"acme"}
//
// The reply to `flows` holds no flows but their names, and brings the flow region along, read-only
// (SCM_RIGHTS on its first byte): a client maps it and reads the flows without asking any further.
// A gateway of several workers has as many regions, in the order in which flow ids number them
// (flows/flow_id.h). A client says how many it takes; one that says nothing takes one, and is
// refused where there are more, so that it never shows a part for the whole.
//
//     {"request":"flows","regions":128}
//
// After the reply to `events` the connection goes on: a line of JSON for each event, as in the
// audit log, and {"event":"lost","count":N} for those that the client was too slow for. It ends
// when the client closes it or the gateway ends.
//
//     {"request":"events","filter":["tenant=acme"]}      {"ok":true}  {"time":...,"event":...}  ...
//
// The reply to `capture` is that to `flows`, with the memory that packets will be in instead of the
// region (capture/capture_memory.h). They come for as long as the connection is open.
//
// Requests are from strangers until checked: tests/fuzz/fuzz_control_request.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "flows/flow_id.h"
#include "gateway/inspect/status.h"

namespace gateway {

inline constexpr std::size_t kMaxRequestBytes = 4096;
inline constexpr std::size_t kMostAttachments = flows::kMostShards;  // to a reply; Linux allows 253

struct ControlRequest {
  enum class Kind : std::uint8_t {
    kPing,
    kTunnels,
    kTenants,
    kFlows,
    kKill,
    kNat,
    kStats,
    kDrops,
    kEvents,
    kCapture,
    kExplain,
    kReload,
    kHooks,
    kLogLevel,
  };
  Kind kind{};
  std::uint64_t flow_id = 0;          // kKill, kHooks
  std::vector<std::string> filter{};  // kEvents, kCapture: terms of a FlowFilter, not read yet
  std::uint32_t snap_bytes = 0;       // kCapture: of each packet; 0: all
  ExplainQuery query{};               // kExplain
  std::string config{};               // kReload: a file; empty: the gateway's own
  std::size_t regions = 1;            // kFlows: at most so many
  std::string level{};                // kLogLevel: the new one; empty: it stays

  friend bool operator==(const ControlRequest&, const ControlRequest&) = default;
};
std::string_view name(ControlRequest::Kind kind);  // "tunnels"
/// For the flows of every worker.
inline ControlRequest flows_request() {
  return {.kind = ControlRequest::Kind::kFlows, .regions = kMostAttachments};
}

/// Reads a request, without its line end. Fails with a message for the peer: "request: ...".
base::Result<ControlRequest, std::string> parse_request(std::span<const std::byte> line);

/// The line of a request, its end included.
std::string request_line(const ControlRequest& request);

/// Why a request was not done; `code` in the reply, for programs.
enum class ControlError : std::uint8_t {
  kBadRequest,
  kNotAllowed,  // not from this uid, or network
  kBusy,        // too many clients at once
  kNotFound,
  kBadConfig,  // `problems` in the reply are all that is wrong with it
  kFailed,
};
std::string_view name(ControlError error);  // "not_found"

/// Replies, each a line with its end.
std::string error_reply(ControlError error, std::string_view message);
std::string ping_reply();
std::string kill_reply();
std::string events_reply();
std::string explain_reply(const Explanation& explanation);
std::string reload_reply(const ReloadReport& report);
std::string hooks_reply(const HookReport& report);
/// Of the log, as it is now.
std::string log_level_reply(std::string_view level);
/// Of kTunnels, kTenants, kNat, kStats, kDrops and, with the names of what flows refer to, kFlows
/// and kCapture.
/// `now_ns` is CLOCK_MONOTONIC.
std::string status_reply(ControlRequest::Kind kind, const GatewayStatus& status,
                         std::int64_t now_ns);

}  // namespace gateway
