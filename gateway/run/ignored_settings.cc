#include "gateway/run/ignored_settings.h"

#include "gateway/control/socket_path.h"

namespace gateway {
namespace {

// The one on-ramp that there is when the file names none: beside its control socket.
std::vector<Onramp> usual_onramps(const Settings& settings) {
  std::vector<Onramp> usual = default_settings().onramps;
  usual.front().seqpacket->path = default_onramp_path(settings.control_path);
  return usual;
}

}  // namespace

std::vector<std::string> ignored_by_run(const Settings& settings) {
  std::vector<std::string> keys;
  if (!settings.onramps.empty() && settings.onramps != usual_onramps(settings)) {
    keys.emplace_back("onramps");  // the command is the one tunnel
  }
  if (settings.tenants.size() > 1) {
    keys.emplace_back("tenants but the first");
  }
  if (settings.telemetry.listen) {
    keys.emplace_back("telemetry.listen");
  }
  if (settings.log.level < LogSettings::Level::kInfo) {
    keys.emplace_back("log.level (only warnings and errors are written)");
  }
  return keys;
}

}  // namespace gateway
