// split_horizon: names that mean something else here than they do outside. What goes to a name of
// the list goes to its addresses, whatever the client was told; connections take turns among them,
// and where one fails, the next is dialled.
//
//     app: {hosts: ["git.example.com 10.0.0.5", "git.example.com 10.0.0.6"]}
#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gateway/hooks/app.h"

namespace {

using namespace gateway::hooks;  // NOLINT(google-build-using-namespace): an app is written in it

using Hosts = std::map<std::string, AddressOrder, std::less<>>;

// Nothing where a line is not "NAME ADDRESS".
std::optional<Hosts> hosts_of(const std::vector<std::string>& lines) {
  Hosts hosts;
  for (const std::string& line : lines) {
    const std::size_t space = line.find(' ');
    const auto address =
        space == std::string::npos ? std::nullopt : base::IpAddress::parse(line.substr(space + 1));
    if (!address) {
      return std::nullopt;
    }
    hosts[line.substr(0, space)].push_back(*address);
  }
  return hosts;
}

struct Settings {
  std::vector<std::string> hosts;

  void describe(SettingVisitor& v) {
    v.list("hosts", hosts, "What names mean here, \"NAME ADDRESS\" each; a name may stand twice.");
    v.rule_out(!hosts_of(hosts), "hosts", "a host is a name, a space and an address");
  }
  friend bool operator==(const Settings&, const Settings&) = default;
};

class Horizon final : public ShardHooks,
                      public EgressResolve,
                      public EgressChoose,
                      public EgressDatagrams,
                      public ShardReload {
 public:
  explicit Horizon(const Settings& settings) : hosts_(*hosts_of(settings.hosts)) {}

  Resolution egress_resolve(const NameLookup& lookup) override {
    const AddressOrder* addresses = find(lookup.name);
    return addresses == nullptr ? Resolution::as_known() : Resolution::of(*addresses);
  }

  AddressOrder egress_choose(const Candidates& candidates) override {
    AddressOrder order(candidates.addresses.begin(), candidates.addresses.end());
    if (find(candidates.name) == nullptr) {
      order.resize(candidates.usual);  // as it would be without us
    } else {
      std::ranges::rotate(order, order.begin() + static_cast<long>(++turn_ % order.size()));
    }
    return order;
  }

  // Nobody says that datagrams were refused, so there is no next address for them.
  DatagramRuling egress_datagrams(const DatagramStart& start) override {
    if (const AddressOrder* addresses = find(start.flow.name)) {
      for (const base::IpAddress& address : *addresses) {
        if (address.is_v4() == start.upstream.address.is_v4()) {
          return DatagramRuling::send_to({address, start.upstream.port});
        }
      }
    }
    return DatagramRuling::send();
  }

  void shard_reload(const GatewayReload& reload) override {
    hosts_ = *hosts_of(reload.settings.as<Settings>()->hosts);
  }

 private:
  [[nodiscard]] const AddressOrder* find(std::string_view name) const {
    const auto host = hosts_.find(name);
    return host == hosts_.end() ? nullptr : &host->second;
  }

  Hosts hosts_;
  std::size_t turn_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  return bootstrap<Settings, Horizon>(
      {.name = "split_horizon", .version = "1", .may_be_confined = true}, argc, argv);
}
