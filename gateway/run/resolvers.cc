#include "gateway/run/resolvers.h"

#include <cstdint>
#include <sstream>

namespace gateway {

using base::IpAddress;

namespace {

constexpr base::Port kDns{53};
constexpr std::size_t kMostServers = 3;  // MAXNS of resolv.conf(5)

}  // namespace

ResolverPlan plan_resolvers(std::string_view host, const IpAddress& gateway_v4,
                            const IpAddress& gateway_v6) {
  ResolverPlan plan;
  std::uint32_t used_v4 = 0;
  std::uint32_t used_v6 = 0;
  std::istringstream lines{std::string(host)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword;
    std::string value;
    words >> keyword >> value;
    if (keyword == "search" || keyword == "domain" || keyword == "options") {
      plan.resolv_conf += line + "\n";
    }
    // A link-local server ("fe80::1%eth0") has no address that is the same for every socket.
    const auto server = IpAddress::parse(value);
    if (keyword != "nameserver" || !server || plan.stand_ins.size() == kMostServers) {
      continue;
    }
    // Downwards, so that they stay clear of the command's own address.
    const IpAddress inside =
        server->is_v4() ? gateway_v4.plus(0U - used_v4++) : gateway_v6.plus(0x100 * used_v6++);
    plan.stand_ins.push_back({{inside, kDns}, {*server, kDns}});
    plan.resolv_conf += "nameserver " + inside.to_string() + "\n";
  }
  if (plan.stand_ins.empty()) {
    plan.resolv_conf.clear();
  }
  return plan;
}

}  // namespace gateway
