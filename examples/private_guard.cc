// private_guard: no tunnel reaches private addresses, unless a label of its context says that it
// may.
//
//     app: {label: private, value: allow}
#include <algorithm>
#include <string>
#include <vector>

#include "gateway/hooks/app.h"

namespace {

using namespace gateway::hooks;  // NOLINT(google-build-using-namespace): an app is written in it

std::vector<base::IpPrefix> private_prefixes() {
  std::vector<base::IpPrefix> prefixes;
  for (const char* text : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
                           "fc00::/7", "fe80::/10"}) {
    prefixes.push_back(*base::IpPrefix::parse(text));
  }
  return prefixes;
}

struct Settings {
  std::vector<base::IpPrefix> prefixes = private_prefixes();
  std::string label = "private";
  std::string value = "allow";

  void describe(SettingVisitor& v) {
    v.list("prefixes", prefixes, "Which addresses are private.");
    v.value("label", label, "The label that a tunnel needs to reach them,");
    v.value("value", value, "and what it must say.");
    v.rule_out(label.empty(), "label", "a label has a name");
  }
  friend bool operator==(const Settings&, const Settings&) = default;
};

class Guard final : public ShardHooks, public FlowDecide, public ShardReload {
 public:
  explicit Guard(const Settings& settings) : settings_(settings) {}

  FlowRuling flow_decide(const FlowStart& start) override {
    const auto holds = [&](const base::IpPrefix& prefix) {
      return prefix.contains(start.flow.destination.address);
    };
    const bool is_private = std::ranges::any_of(settings_.prefixes, holds);
    if (!is_private || start.flow.tunnel.label(settings_.label) == settings_.value) {
      return FlowRuling::no_opinion();
    }
    return FlowRuling::reject();
  }

  void shard_reload(const GatewayReload& reload) override {
    settings_ = *reload.settings.as<Settings>();
  }

 private:
  Settings settings_;
};

}  // namespace

int main(int argc, char** argv) {
  return bootstrap<Settings, Guard>(
      {.name = "private_guard", .version = "1", .may_be_confined = true}, argc, argv);
}
