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

[[nodiscard]] inline FlowKey key_of(std::uint32_t tenant, const Packet& packet) {
  return {packet.source, packet.destination, tenant, packet.protocol};
}

}  // namespace flows
