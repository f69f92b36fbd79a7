// A name server for tests: dnsmasq, which knows what it is told and nothing else.
#pragma once

#include <string>

#include "base/endpoint.h"
#include "integration/support/client_network.h"
#include "integration/support/program.h"

namespace integration {

/// Where the host's /etc/resolv.conf says that its name server is.
inline const std::string kResolver = "192.0.2.9";

/// `records` are options of dnsmasq: {"--address=/example.test/192.0.2.1"}.
Program start_resolver(const Program::Words& records);
/// The same anywhere.
Program start_resolver(const base::Endpoint& at, const Program::Words& records);

/// Asks kResolver until `address` is in the answer; false when it never is.
bool looks_up(const ClientNetwork& client, const std::string& name, const std::string& type,
              const std::string& address, const std::string& how = "+notcp");

}  // namespace integration
