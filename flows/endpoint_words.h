// EndpointWords: an endpoint as the words in which it is hashed and compared.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/endpoint.h"

namespace flows {

struct EndpointWords {
  std::uint64_t first;
  std::uint64_t second;
  std::uint64_t port;

  explicit EndpointWords(const base::Endpoint& endpoint) : port(number(endpoint.port)) {
    const auto bytes = endpoint.address.bytes();
    std::memcpy(&first, bytes.data(), sizeof(first));
    std::memcpy(&second, bytes.data() + sizeof(first), sizeof(second));
  }

  /// 0 when they are the same.
  [[nodiscard]] std::uint64_t difference(const EndpointWords& other) const {
    return (first ^ other.first) | (second ^ other.second) | (port ^ other.port);
  }
};

}  // namespace flows
