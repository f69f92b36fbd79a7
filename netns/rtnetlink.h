// RouteSocket: links, addresses and routes of one network namespace, through rtnetlink.
//
// Every request waits for the kernel's acknowledgement, so that a failure carries its errno, the
// object it was about, and the kernel's own sentence where it sends one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "netns/interface_address.h"

namespace netns {

/// What is empty stays as it is.
struct LinkSettings {
  std::optional<std::uint32_t> mtu_bytes;
  std::optional<std::uint32_t> queue_packets;
  bool no_link_local = false;  // IPv6: no address of the kernel's own making
};

class RouteSocket {
 public:
  /// Speaks for the network namespace that the calling thread is in now.
  static base::SysResult<RouteSocket> open();

  base::SysResult<void> configure_link(const std::string& name, const LinkSettings& settings);
  base::SysResult<void> set_link_up(const std::string& name);
  /// Usable at once: without duplicate address detection.
  base::SysResult<void> add_address(const std::string& link, const InterfaceAddress& address);
  /// Has packets to `address` delivered here, from now on. The kernel makes such a route for every
  /// address, but for an IPv6 one from a work queue, some time after it acknowledged the address.
  base::SysResult<void> add_local_route(const std::string& link, const base::IpAddress& address);
  /// `family` is AF_INET or AF_INET6. The link must be up.
  base::SysResult<void> add_default_route(const std::string& link, int family);

 private:
  explicit RouteSocket(base::Fd socket) : socket_(std::move(socket)) {}
  base::SysResult<void> request(std::span<std::byte> message, const std::string& doing);
  base::SysResult<void> wait_for_answer(std::uint32_t sequence, const std::string& doing);

  base::Fd socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace netns
