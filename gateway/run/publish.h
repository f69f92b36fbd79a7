// `liftgate run --publish`: ports of the host that lead to the command's network.
#pragma once

#include <optional>
#include <vector>

#include "base/endpoint.h"
#include "base/error.h"
#include "flows/packet.h"
#include "gateway/downgrade/host_port.h"

namespace gateway {

/// `--publish [ADDR:]HOSTPORT:PORT[/tcp|/udp]`: connections to `host` here reach `inside` there.
struct PublishedPort {
  std::optional<base::IpAddress> address{};  // of the host; none: every one, of both families
  base::Port host{};                         // 0: the kernel chooses
  base::Port inside{};
  flows::Protocol protocol = flows::Protocol::kTcp;

  friend bool operator==(const PublishedPort&, const PublishedPort&) = default;
};

/// A port of the host, and where inside it leads.
struct OpenedPort {
  HostPort host;
  base::Endpoint to;
  bool kernel_chose = false;  // its number, which the user does not know yet
};

/// The command's addresses.
struct InsideAddresses {
  base::IpAddress v4;
  base::IpAddress v6;
};

/// Opens them all: each for both families, under one number, unless it names an address or the host
/// has no IPv6. An IPv4 client reaches the command's IPv4 address, an IPv6 one the other.
base::SysResult<std::vector<OpenedPort>> open_published_ports(
    const std::vector<PublishedPort>& ports, const InsideAddresses& inside);

}  // namespace gateway
