// InterfaceAddress: an address of a device, with the prefix it stands in.
#pragma once

#include <cstdint>
#include <string>

#include "base/ip_address.h"

namespace netns {

/// Unlike base::IpPrefix it keeps its host bits: 198.18.0.1/15 is a device's address.
struct InterfaceAddress {
  base::IpAddress address;
  std::uint8_t bits = 0;  // of the prefix: 0 to 32 for IPv4, 0 to 128 for IPv6

  [[nodiscard]] std::string to_string() const {
    return address.to_string() + "/" + std::to_string(bits);
  }
  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

}  // namespace netns
