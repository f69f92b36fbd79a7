// FlowKey: what makes two packets part of the same flow: the tenant and the 5-tuple.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/endpoint.h"
#include "flows/packet.h"

namespace flows {

/// `source` is the initiator's side. The table finds a flow by the key of either direction.
struct FlowKey {
  base::Endpoint source;
  base::Endpoint destination;
  std::uint32_t tenant = 0;  // the tenant's numeric id
  Protocol protocol{};

  [[nodiscard]] FlowKey reversed() const { return {destination, source, tenant, protocol}; }
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

static_assert(std::is_trivially_copyable_v<FlowKey> && sizeof(FlowKey) == 44);

/// Whether two keys are of one flow, and then in which direction.
enum class SameFlow : std::uint8_t { kNo, kSameWay, kReversed };
/// Both directions are compared at once and in words, because a lookup has them in the cache and
/// which it is nobody can predict.
[[nodiscard]] SameFlow compare(const FlowKey& a, const FlowKey& b);

[[nodiscard]] inline FlowKey key_of(std::uint32_t tenant, const Packet& packet) {
  return {packet.source, packet.destination, tenant, packet.protocol};
}

}  // namespace flows
