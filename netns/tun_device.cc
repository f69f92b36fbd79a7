#include "netns/tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "netns/diagnosis.h"
#include "netns/rtnetlink.h"
#include "netns/sysctl.h"

namespace netns {
namespace {

using base::Fd;
using base::Unexpected;

// RFC 8200 section 5: on a link with a smaller MTU there is no IPv6.
constexpr std::uint32_t kIpv6MinimumMtuBytes = 1280;

base::SysResult<TunDevice> create(const TunConfig& config) {
  if (config.name.empty() || config.name.size() >= IFNAMSIZ) {
    return Unexpected{base::failure("TUN device '" + config.name + "': a name has 1 to 15 bytes")};
  }
  TunDevice device;
  device.fd = Fd::adopt(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!device.fd.is_open()) {
    auto error = base::last_error("opening /dev/net/tun");
    error.cure = tun_cure(error.code.value());
    return Unexpected{std::move(error)};
  }
  ifreq request{};
  request.ifr_flags =
      static_cast<short>(IFF_TUN | IFF_NO_PI | (config.vnet_header ? IFF_VNET_HDR : 0));
  std::ranges::copy(config.name, request.ifr_name);
  if (::ioctl(device.fd.get(), TUNSETIFF, &request) != 0) {
    auto error = base::last_error("TUNSETIFF " + config.name);
    if (error.code.value() == EPERM && apparmor_restricts_user_namespaces()) {
      error.cure = id_map_cure(EPERM);
    }
    return Unexpected{std::move(error)};
  }
  device.name = request.ifr_name;  // the kernel fills in a "tun%d"
  return device;
}

void enable_offload(TunDevice& device) {
  // Not TUN_F_TSO_ECN: we do not split segments that carry CWR.
  constexpr unsigned long kOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (::ioctl(device.fd.get(), TUNSETOFFLOAD, kOffloads) == 0) {
    device.offload = true;
    return;
  }
  device.notes.push_back(base::last_error("TUNSETOFFLOAD " + device.name).message());
}

// Settings without which the device works, but the kernel talks on it or drops what it dislikes.
// A container may mount /proc/sys read-only; the sandbox is still worth having.
void quieten(const std::string& link, std::vector<std::string>& notes) {
  const std::string six = "net/ipv6/conf/" + link + "/";
  const std::string four = "net/ipv4/conf/" + link + "/";
  const Sysctl settings[] = {
      {six + "accept_ra", "0", true},  {six + "router_solicitations", "0", true},
      {six + "accept_dad", "0", true}, {six + "dad_transmits", "0", true},
      {four + "rp_filter", "0", true},
  };
  for (const Sysctl& setting : settings) {
    if (auto set = set_sysctl(setting); !set) {
      notes.push_back(set.error().message());
    }
  }
}

bool has_ipv6_address(const TunConfig& config) {
  return std::ranges::any_of(config.addresses,
                             [](const auto& added) { return added.address.is_v6(); });
}

base::SysResult<void> configure(const TunConfig& config, TunDevice& device) {
  auto route = RouteSocket::open();
  if (!route) {
    return Unexpected{route.error()};
  }
  const bool ipv6 = ::access("/proc/net/if_inet6", F_OK) == 0;
  const LinkSettings settings{.mtu_bytes = config.mtu_bytes,
                              .queue_packets = config.queue_packets,
                              .no_link_local = ipv6 && config.mtu_bytes >= kIpv6MinimumMtuBytes};
  if (auto done = route->configure_link(device.name, settings); !done) {
    return done;
  }
  for (const InterfaceAddress& address : config.addresses) {
    if (auto done = route->add_address(device.name, address); !done) {
      return done;
    }
  }
  if (auto done = route->set_link_up(device.name); !done) {
    return done;
  }
  // Without waiting for the kernel's own route: of 100 sandboxes 5 lost the first IPv6 packet to
  // themselves, which took the prefix's route out of the device
  // (SandboxNetwork.AnIpv6AddressCanBeReachedAtOnce).
  for (const InterfaceAddress& address : config.addresses) {
    if (!address.address.is_v6()) {
      continue;
    }
    if (auto done = route->add_local_route(device.name, address.address); !done) {
      return done;
    }
  }
  if (!config.default_routes) {
    return {};
  }
  if (auto done = route->add_default_route(device.name, AF_INET); !done) {
    return done;
  }
  auto done = route->add_default_route(device.name, AF_INET6);
  if (!done && !has_ipv6_address(config)) {
    device.notes.push_back(done.error().message());  // a machine without IPv6
    return {};
  }
  return done;
}

}  // namespace

base::SysResult<TunDevice> make_tun(const TunConfig& config) {
  std::vector<std::string> notes;
  quieten("all", notes);  // IPv4's rp_filter is the larger of "all" and the device's
  quieten("default", notes);
  auto device = create(config);
  if (!device) {
    return device;
  }
  device->notes = std::move(notes);
  if (config.vnet_header && config.offload) {
    enable_offload(*device);
  }
  quieten(device->name, device->notes);
  if (auto done = configure(config, *device); !done) {
    return Unexpected{done.error()};
  }
  return device;
}

}  // namespace netns
