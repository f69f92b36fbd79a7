#include "gateway/config/settings.h"

#include "gateway/control/socket_path.h"

namespace gateway {

Settings default_settings() {
  Settings settings;
  settings.control_path = default_control_path();
  SeqpacketOnramp onramp;
  onramp.path = default_onramp_path(settings.control_path);
  settings.onramps.push_back({.seqpacket = std::move(onramp), .gue = {}});
  TenantSettings tenant;
  tenant.name = "default";
  tenant.id = 1;
  settings.tenants.push_back(std::move(tenant));
  return settings;
}

}  // namespace gateway
