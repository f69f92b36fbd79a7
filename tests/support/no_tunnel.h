// NoTunnel: a tunnel that leads nowhere, and the tenant that it is of.
#pragma once

#include <string>

#include "gateway/onramp/tunnel.h"

namespace test_support {

inline gateway::TenantSettings tenant_named(const std::string& name) {
  gateway::TenantSettings settings;
  settings.name = name;
  return settings;
}

class NoTunnel final : public gateway::Tunnel {
 public:
  explicit NoTunnel(gateway::Tenant& tenant) : Tunnel(gateway::TunnelInfo{}, tenant) {}
  flows::WireCount send(const gateway::RawPacket& /*packet*/,
                        const flows::Packet& /*parsed*/) override {
    return {};
  }
};

}  // namespace test_support
