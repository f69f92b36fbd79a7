#include "flows/offload_headers.h"

#include <cstdint>

#include "base/byte_order.h"
#include "flows/internet_checksum.h"

namespace flows {
namespace {

constexpr std::size_t kIpv4Length = 2;
constexpr std::size_t kIpv4Checksum = 10;
constexpr std::size_t kIpv6Length = 4;
constexpr std::size_t kIpv6HeaderBytes = 40;  // which its length field does not count

}  // namespace

void write_ip_length(std::span<std::byte> headers, std::size_t total_bytes) {
  if (!is_v4(headers)) {
    base::store_be(headers, kIpv6Length,
                   static_cast<std::uint16_t>(total_bytes - kIpv6HeaderBytes));
    return;
  }
  const std::size_t header_bytes = std::to_integer<std::size_t>(headers[0] & std::byte{0x0f}) * 4;
  base::store_be(headers, kIpv4Length, static_cast<std::uint16_t>(total_bytes));
  base::store_be(headers, kIpv4Checksum, std::uint16_t{0});
  base::store_be(headers, kIpv4Checksum, checksum_of(sum_of(headers.first(header_bytes))));
}

}  // namespace flows
