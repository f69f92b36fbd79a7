// TunDevice: one TUN device, made and configured in the network namespace of the caller.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "netns/interface_address.h"

namespace netns {

struct TunConfig {
  std::string name = "tun0";
  std::vector<InterfaceAddress> addresses{};
  std::uint32_t mtu_bytes = 1500;
  // A burst of one TCP window must fit: with the kernel's 500 a flow at MTU 1500 was measured
  // elsewhere to fall to a hundredth of its speed.
  std::uint32_t queue_packets = 10'000;
  bool vnet_header = true;     // every packet is preceded by the 10 bytes of flows::VnetHeader
  bool offload = true;         // checksums and TCP segmentation are left to us; needs vnet_header
  bool default_routes = true;  // IPv4 and IPv6, through the device

  friend bool operator==(const TunConfig&, const TunConfig&) = default;
};

struct TunDevice {
  base::Fd fd;  // O_NONBLOCK; one packet for each read and write
  std::string name;
  bool offload = false;            // what the kernel granted
  std::vector<std::string> notes;  // what it refused and we can live without
};

/// Needs CAP_NET_ADMIN in the namespace. The device is up when this returns, and silent: no
/// duplicate address detection, no router solicitation, no link-local address. It disappears with
/// the last copy of `fd`.
base::SysResult<TunDevice> make_tun(const TunConfig& config);

}  // namespace netns
