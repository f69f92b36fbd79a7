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

SysResult<std::vector<OpenedPort>> open_published_ports(const std::vector<PublishedPort>& ports,
                                                        const InsideAddresses& inside) {
  std::vector<OpenedPort> all;
  for (const PublishedPort& port : ports) {
    auto opened = open_one(port, inside);
    if (!opened) {
      return opened;
    }
    for (OpenedPort& one : *opened) {
      one.kernel_chose = port.host == base::Port{0};
      all.push_back(std::move(one));
    }
  }
  return all;
}

}  // namespace gateway
