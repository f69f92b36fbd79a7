// `liftgate run --publish`: ports of the host that lead to the command's network.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/endpoint.h"
#include "base/error.h"
#include "flows/packet.h"
#include "gateway/downgrade/host_port.h"

namespace gateway {

/// A `--publish`: connections to `host` here reach `inside` there, to the next port the next one.
struct PublishedPorts {
  std::optional<base::IpAddress> address{};  // of the host; none: every one, of both families
  base::Port host{};                         // the first; 0: the kernel chooses, one only
  base::Port inside{};                       // the first
  flows::Protocol protocol = flows::Protocol::kTcp;
  std::uint32_t count = 1;

  friend bool operator==(const PublishedPorts&, const PublishedPorts&) = default;
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
    const std::vector<PublishedPorts>& all, const InsideAddresses& inside);

}  // namespace gateway
