#include "base/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/byte_order.h"
#include "base/check.h"

namespace base {

IpAddress IpAddress::v4(std::uint32_t host_order) {
  const std::uint32_t wire = swap_if_little(host_order);
  return from_v4_bytes(std::as_bytes(std::span<const std::uint32_t, 1>(&wire, 1)));
}

IpAddress IpAddress::from_v4_bytes(std::span<const std::byte, 4> bytes) {
  IpAddress address;
  address.bytes_[10] = 0xff;
  address.bytes_[11] = 0xff;
  std::memcpy(address.bytes_.data() + 12, bytes.data(), bytes.size());
  return address;
}

IpAddress IpAddress::from_v6_bytes(std::span<const std::byte, 16> bytes) {
  IpAddress address;
  std::memcpy(address.bytes_.data(), bytes.data(), bytes.size());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  if (terminated.size() != std::strlen(terminated.c_str())) {
    return std::nullopt;
  }
  in_addr four{};
  if (::inet_pton(AF_INET, terminated.c_str(), &four) == 1) {
    return from_v4_bytes(std::as_bytes(std::span<const in_addr_t, 1>(&four.s_addr, 1)));
  }
  in6_addr six{};
  if (::inet_pton(AF_INET6, terminated.c_str(), &six) == 1) {
    return from_v6_bytes(std::as_bytes(std::span<const std::uint8_t, 16>(six.s6_addr)));
  }
  return std::nullopt;
}

std::uint32_t IpAddress::v4_number() const {
  CHECK(is_v4());
  return load_be<std::uint32_t>(bytes(), 12);
}

IpAddress IpAddress::plus(std::uint32_t offset) const {
  IpAddress sum = *this;
  const auto writable = std::as_writable_bytes(std::span<std::uint8_t, 16>(sum.bytes_));
  store_be<std::uint32_t>(writable, 12, load_be<std::uint32_t>(bytes(), 12) + offset);
  return sum;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool four = is_v4();
  ::inet_ntop(four ? AF_INET : AF_INET6, wire_bytes().data(), text.data(), text.size());
  return text.data();
}

}  // namespace base
