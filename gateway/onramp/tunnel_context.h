// TunnelContext: the first datagram of a SEQPACKET tunnel, which says whose packets will follow.
//
// Pure: bytes in, a value or the reason why not. design contract "SEQPACKET on-ramp"; fuzzed by
// tests/fuzz/fuzz_tunnel_context.cc.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_prefix.h"
#include "base/result.h"

namespace gateway {

inline constexpr std::size_t kMaxContextBytes = 16 * 1024;
inline constexpr std::uint32_t kMinMtuBytes = 576;     // RFC 791
inline constexpr std::uint32_t kMinMtuBytesV6 = 1280;  // RFC 8200 5
inline constexpr std::uint32_t kMaxMtuBytes = 65535;
// Chosen: room for what people write, and little enough to show and to log.
inline constexpr std::size_t kMaxTenantBytes = 64;
inline constexpr std::size_t kMaxTunnelNameBytes = 64;
inline constexpr std::size_t kMaxTunnelAddresses = 256;
inline constexpr std::size_t kMaxLabels = 32;
inline constexpr std::size_t kMaxLabelKeyBytes = 64;
inline constexpr std::size_t kMaxLabelValueBytes = 256;

/// Why a tunnel is refused. Each has its counter and its message.
enum class ContextError : std::uint8_t {
  kTimeout,  // connected and said nothing
  kClosed,   // went away before it said anything
  kTooLong,
  kNotJson,  // includes half a context
  kNotAnObject,
  kUnknownKey,
  kBadField,  // a key of the wrong type or value; the message names it
  kUnknownVersion,
  kMissingTenant,
  kUnknownTenant,
  kUidNotAllowed,
  kAddressNotAllowed,  // outside the tenant's sources
  kBadAddress,
  kTooManyTunnels,
  kTenantTunnelLimit,  // there is room, but not for this tenant
  kRefusedByHook,      // the app's tunnel_context
};
inline constexpr std::size_t kContextErrorCount =
    static_cast<std::size_t>(ContextError::kRefusedByHook) + 1;
std::string_view name(ContextError error);     // "uid_not_allowed"
std::string_view explain(ContextError error);  // one sentence

/// Every text in it is printable UTF-8 (base/utf8.h) within the limits above.
struct TunnelContext {
  std::string tenant;
  std::string name;  // default: empty; the gateway then names it after its id
  std::vector<base::IpPrefix> addresses;
  std::uint32_t mtu_bytes = 1500;
  bool offload = false;
  bool reply = false;
  std::map<std::string, std::string> labels;
};

struct ContextRefusal {
  ContextError error{};
  std::string message;  // for the peer: exact, with the cure where there is one
  bool reply = false;   // whether the peer asked for an answer, as far as could be read
};

/// Reads the datagram. What needs the configuration (tenant, uid, sources) is checked elsewhere.
base::Result<TunnelContext, ContextRefusal> parse_context(std::span<const std::byte> datagram);

}  // namespace gateway
