#include "integration/support/resolver.h"

#include "integration/support/host_network.h"
#include "integration/support/wait.h"

namespace integration {

Program start_resolver(const Program::Words& records) {
  host::set_sysctl("net/ipv4/ip_unprivileged_port_start", "53");
  return start_resolver({base::IpAddress::parse(kResolver).value(), base::Port{53}}, records);
}

Program start_resolver(const base::Endpoint& at, const Program::Words& records) {
  Program::Words words = {"dnsmasq",
                          "--keep-in-foreground",
                          "--conf-file=/dev/null",
                          "--no-resolv",
                          "--no-hosts",
                          "--bind-interfaces",
                          "--pid-file=",
                          "--listen-address=" + at.address.to_string(),
                          "--port=" + std::to_string(number(at.port))};
  words.insert(words.end(), records.begin(), records.end());
  return Program::start(words);
}

bool looks_up(const ClientNetwork& client, const std::string& name, const std::string& type,
              const std::string& address, const std::string& how) {
  return eventually([&] {
    const Finished dig =
        client.run({"dig", "+short", "+tries=1", "+time=1", how, "@" + kResolver, name, type});
    return dig.out.find(address) != std::string::npos;
  });
}

}  // namespace integration
