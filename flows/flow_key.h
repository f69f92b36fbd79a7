// FlowKey: what makes two packets part of the same flow: the tenant and the 5-tuple; of ICMP, which
// has no ports, the type and an echo's identifier (as nf_conntrack_proto_icmp.c has it).
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/endpoint.h"
#include "flows/icmp_type.h"
#include "flows/packet.h"

namespace flows {

/// `source` is the initiator's side. The table finds a flow by the key of either direction.
struct FlowKey {
  base::Endpoint source;
  base::Endpoint destination;
  std::uint32_t tenant = 0;  // the tenant's numeric id
  Protocol protocol{};
  std::uint8_t icmp_type = 0;  // of ICMP and ICMPv6: of a packet from `source`

  /// Of what comes back. Nothing does for an ICMP type that asks for no answer.
  [[nodiscard]] FlowKey reversed() const {
    return {destination, source, tenant, protocol,
            answer_to(protocol, icmp_type).value_or(icmp_type)};
  }
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

static_assert(std::is_trivially_copyable_v<FlowKey> && sizeof(FlowKey) == 44);

/// Whether a packet's key is of the flow with another, and then in which direction.
enum class SameFlow : std::uint8_t { kNo, kSameWay, kReversed };
/// Of ICMP, the flow's initiator sends one type and its responder what answers it: an echo request
/// is of no flow that a reply has begun, whatever its identifier. Both directions are compared at
/// once and in words, because a lookup has them in the cache and which it is nobody can predict.
[[nodiscard]] SameFlow compare(const FlowKey& flow, const FlowKey& packet);

[[nodiscard]] inline FlowKey key_of(std::uint32_t tenant, const Packet& packet) {
  return {packet.source, packet.destination, tenant, packet.protocol, packet.icmp_type};
}

}  // namespace flows
