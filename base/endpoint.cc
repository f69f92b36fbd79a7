#include "base/endpoint.h"

#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <span>

#include "base/byte_order.h"

namespace base {

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  const std::string digits = std::to_string(number(port));
  return address.is_v4() ? host + ":" + digits : "[" + host + "]:" + digits;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = IpAddress::parse(host);
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(digits.begin(), digits.end(), port);
  if (!address || bracketed == address->is_v4() || failed != std::errc() || end != digits.end()) {
    return std::nullopt;
  }
  return Endpoint{*address, Port{port}};
}

SocketAddress::SocketAddress(const Endpoint& endpoint) {
  const auto bytes = endpoint.address.wire_bytes();
  const std::uint16_t wire_port = swap_if_little(number(endpoint.port));
  if (endpoint.address.is_v4()) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = wire_port;
    std::memcpy(&four.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&storage_, &four, size_ = sizeof(four));
  } else {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = wire_port;
    std::memcpy(&six.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&storage_, &six, size_ = sizeof(six));
  }
}

const sockaddr* SocketAddress::data() const {
  return reinterpret_cast<const sockaddr*>(&storage_);
}
sockaddr* SocketAddress::data() {
  return reinterpret_cast<sockaddr*>(&storage_);
}

std::optional<Endpoint> SocketAddress::endpoint() const {
  if (storage_.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &storage_, sizeof(four));
    const auto bytes = std::as_bytes(std::span<const in_addr_t, 1>(&four.sin_addr.s_addr, 1));
    return Endpoint{IpAddress::from_v4_bytes(bytes), Port{swap_if_little(four.sin_port)}};
  }
  if (storage_.ss_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &storage_, sizeof(six));
    const auto bytes = std::as_bytes(std::span<const std::uint8_t, 16>(six.sin6_addr.s6_addr));
    return Endpoint{IpAddress::from_v6_bytes(bytes), Port{swap_if_little(six.sin6_port)}};
  }
  return std::nullopt;
}

}  // namespace base
