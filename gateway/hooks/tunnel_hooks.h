// The hook of tunnels: how the first datagram of a SEQPACKET tunnel is read.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip_prefix.h"
#include "gateway/hooks/hook_id.h"

namespace gateway::hooks {

struct ContextDatagram {
  std::span<const std::byte> bytes;  // 1 to 16,385: one more than a context may have
  uid_t uid = 0;                     // of the peer (SO_PEERCRED)
  pid_t pid = 0;
};

/// Whose packets follow: what the JSON says that is read without a hook, and checked as that is.
struct TunnelClaim {
  std::string tenant;
  std::string name;
  std::vector<base::IpPrefix> addresses;
  std::uint32_t mtu_bytes = 1500;
  bool offload = false;
  bool reply = false;
  std::map<std::string, std::string> labels;
};

struct ContextAnswer {
  enum class Kind : std::uint8_t { kAsUsual, kClaim, kRefuse };
  Kind kind = Kind::kAsUsual;
  TunnelClaim claim{};
  std::string why{};  // kRefuse; logged

  static ContextAnswer as_usual() { return {}; }
  static ContextAnswer of(TunnelClaim claim) {
    return {.kind = Kind::kClaim, .claim = std::move(claim), .why = {}};
  }
  static ContextAnswer refuse(std::string why) {
    return {.kind = Kind::kRefuse, .claim = {}, .why = std::move(why)};
  }
};
std::string_view name(ContextAnswer::Kind kind);  // "as_usual"

/// Asked for each connection to a SEQPACKET on-ramp. What it claims must still be a tenant that the
/// peer's uid may speak for, and addresses that the tenant has.
class TunnelContextRead {
 public:
  static constexpr HookId kId = HookId::kTunnelContext;
  virtual ContextAnswer tunnel_context(const ContextDatagram& datagram) = 0;

 protected:
  ~TunnelContextRead() = default;
};

}  // namespace gateway::hooks
