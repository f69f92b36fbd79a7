// Integers to and from the big-endian bytes of packets. The only place that knows the host's order.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>

#include "base/check.h"

namespace base {

/// Network to host and back. Only load_be/store_be and sockaddr code need it.
template <std::unsigned_integral T>
constexpr T swap_if_little(T value) {
  static_assert(std::endian::native == std::endian::little);
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    return __builtin_bswap64(value);
  }
}

/// Reads a T at `offset`. The caller has checked that it lies inside `bytes`.
template <std::unsigned_integral T>
T load_be(std::span<const std::byte> bytes, std::size_t offset) {
  CHECK(offset + sizeof(T) <= bytes.size());
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return swap_if_little(value);
}

/// Writes `value` at `offset`. The caller has checked that it fits inside `bytes`.
template <std::unsigned_integral T>
void store_be(std::span<std::byte> bytes, std::size_t offset, T value) {
  CHECK(offset + sizeof(T) <= bytes.size());
  value = swap_if_little(value);
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

}  // namespace base
