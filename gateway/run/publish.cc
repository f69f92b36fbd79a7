#include "gateway/run/publish.h"

#include <cerrno>
#include <utility>

namespace gateway {

using base::IpAddress;
using base::SysResult;
using base::Unexpected;

namespace {

// Chosen: that a number the kernel has chosen for one family is taken in the other is rare.
constexpr int kNumbersTried = 16;

const IpAddress kAnyV4 = IpAddress::v4(0);
const IpAddress kAnyV6 = *IpAddress::parse("::");

bool has_no_ipv6(const base::Error& error) {
  return error.code.value() == EAFNOSUPPORT || error.code.value() == EADDRNOTAVAIL;
}

// One of PublishedPorts.
struct PublishedPort {
  std::optional<IpAddress> address;
  base::Port host;
  base::Port inside;
  flows::Protocol protocol;
};

PublishedPort nth(const PublishedPorts& ports, std::uint32_t n) {
  const auto behind = [n](base::Port first) {
    return base::Port{static_cast<std::uint16_t>(number(first) + n)};
  };
  return {ports.address, behind(ports.host), behind(ports.inside), ports.protocol};
}

SysResult<std::vector<OpenedPort>> open_both(const PublishedPort& port,
                                             const InsideAddresses& inside) {
  auto v4 = open_host_port({kAnyV4, port.host}, port.protocol);
  if (!v4) {
    return Unexpected{v4.error()};
  }
  auto v6 = open_host_port({kAnyV6, v4->local.port}, port.protocol);
  if (!v6 && !has_no_ipv6(v6.error())) {
    return Unexpected{v6.error()};
  }
  std::vector<OpenedPort> opened;
  opened.push_back({.host = std::move(*v4), .to = {inside.v4, port.inside}});
  if (v6) {
    opened.push_back({.host = std::move(*v6), .to = {inside.v6, port.inside}});
  }
  return opened;
}

SysResult<std::vector<OpenedPort>> open_one(const PublishedPort& port,
                                            const InsideAddresses& inside) {
  if (port.address) {
    auto opened = open_host_port({*port.address, port.host}, port.protocol);
    if (!opened) {
      return Unexpected{opened.error()};
    }
    std::vector<OpenedPort> one;
    one.push_back({.host = std::move(*opened),
                   .to = {port.address->is_v4() ? inside.v4 : inside.v6, port.inside}});
    return one;
  }
  auto opened = open_both(port, inside);
  for (int i = 1; i < kNumbersTried && port.host == base::Port{0} && !opened; ++i) {
    opened = open_both(port, inside);
  }
  return opened;
}

}  // namespace

SysResult<std::vector<OpenedPort>> open_published_ports(const std::vector<PublishedPorts>& all,
                                                        const InsideAddresses& inside) {
  std::vector<OpenedPort> every;
  for (const PublishedPorts& ports : all) {
    for (std::uint32_t n = 0; n < ports.count; ++n) {
      auto opened = open_one(nth(ports, n), inside);
      if (!opened) {
        return opened;
      }
      for (OpenedPort& one : *opened) {
        one.kernel_chose = ports.host == base::Port{0};
        every.push_back(std::move(one));
      }
    }
  }
  return every;
}

}  // namespace gateway
