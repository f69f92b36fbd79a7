// GueSteering: the classic BPF program that tells the kernel which shard's socket a GUE datagram is
// for (SO_ATTACH_REUSEPORT_CBPF, which needs no privilege).
//
// It reads what says the tenant: the id in the private data, else the longest prefix that the outer
// source is in. It need not be right: a door that gets what is another's hands it over
// (gue_exchange.h). So it is kept short: tenants and prefixes beyond kMostInstructions are left to
// that, and who is in no prefix is spread by the kernel's hash, to be dropped anywhere.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/ip_prefix.h"

namespace gateway {

/// Who may speak, and whose packets they are without a word.
struct GuePrefixHome {
  base::IpPrefix prefix;
  std::size_t shard = 0;
};
struct GueTenantHome {
  std::uint32_t tenant = 0;
  std::size_t shard = 0;
};

inline constexpr std::size_t kMostInstructions = 1024;  // chosen; Linux allows 4096

/// For a socket that listens on an IPv4 or an IPv6 address.
std::vector<sock_filter> gue_steering(bool is_v4, const std::vector<GueTenantHome>& tenants,
                                      std::vector<GuePrefixHome> prefixes);

}  // namespace gateway
