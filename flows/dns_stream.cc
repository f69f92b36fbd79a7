#include "flows/dns_stream.h"

#include <cstdint>

#include "base/byte_order.h"

namespace flows {

std::optional<std::span<const std::byte>> take_dns_message(std::span<const std::byte>& stream) {
  constexpr std::size_t kLengthBytes = 2;
  if (stream.size() < kLengthBytes) {
    return std::nullopt;
  }
  const std::size_t length = base::load_be<std::uint16_t>(stream, 0);
  if (stream.size() - kLengthBytes < length) {
    return std::nullopt;
  }
  const auto message = stream.subspan(kLengthBytes, length);
  stream = stream.subspan(kLengthBytes + length);
  return message;
}

}  // namespace flows
