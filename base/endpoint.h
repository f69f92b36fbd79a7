// Port and Endpoint: the two halves of what a socket is bound to.
#pragma once

#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip_address.h"

namespace base {

/// A TCP or UDP port in host order. An ICMP echo identifier travels in one, too.
enum class Port : std::uint16_t {};
[[nodiscard]] constexpr std::uint16_t number(Port port) {
  return static_cast<std::uint16_t>(port);
}

struct Endpoint {
  IpAddress address;
  Port port{};

  /// "192.0.2.1:443", "[2001:db8::1]:443".
  [[nodiscard]] std::string to_string() const;
  /// The form of to_string(), and nothing else.
  static std::optional<Endpoint> parse(std::string_view text);

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// An endpoint as the socket calls want it: sockaddr_in for v4, sockaddr_in6 for v6.
class SocketAddress {
 public:
  SocketAddress() = default;  // room for accept(2), recvfrom(2) and getsockname(2) to fill
  explicit SocketAddress(const Endpoint& endpoint);

  [[nodiscard]] const sockaddr* data() const;
  [[nodiscard]] sockaddr* data();
  [[nodiscard]] socklen_t& size() { return size_; }
  [[nodiscard]] socklen_t size() const { return size_; }
  [[nodiscard]] int family() const { return storage_.ss_family; }
  /// Empty unless AF_INET or AF_INET6. A v4-mapped AF_INET6 address comes back as IPv4.
  [[nodiscard]] std::optional<Endpoint> endpoint() const;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = sizeof(sockaddr_storage);
};

}  // namespace base
