// The addresses of the sandbox. Its network is ours alone, so any would do; these are from blocks
// that no host uses, which keeps them recognisable in a capture taken inside.
#pragma once

#include "base/endpoint.h"
#include "base/ip_address.h"
#include "nat/binding_table.h"

namespace gateway {

/// 198.18.0.0/15 is for benchmarks of network devices (RFC 2544); the ULA's global id spells
/// "liftg".
inline base::IpAddress plan_v4(std::uint32_t offset) {
  return base::IpAddress::v4(0xc6120000U).plus(offset);
}
inline base::IpAddress plan_v6(std::uint32_t offset) {
  return base::IpAddress::parse("fd6c:6966:7467::")->plus(offset);
}

/// The kernel's end of the TUN, where one listener per family takes every upgraded flow.
inline base::Endpoint listener_endpoint(nat::Family family) {
  return {family == nat::Family::kV4 ? plan_v4(1) : plan_v6(1), base::Port{1}};
}

inline nat::BindingRange binding_range(std::uint32_t slots) {
  return {.first_v4 = plan_v4(0x100), .first_v6 = plan_v6(0x100), .slots = slots};
}

}  // namespace gateway
