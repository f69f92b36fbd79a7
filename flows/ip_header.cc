#include "flows/ip_header.h"

#include <algorithm>

#include "base/byte_order.h"
#include "flows/internet_checksum.h"

namespace flows {

using base::store_be;

namespace {

void put(std::span<std::byte> out, std::size_t offset, std::span<const std::byte> bytes) {
  std::ranges::copy(bytes, out.subspan(offset, bytes.size()).begin());
}

void write_ipv4_header(std::span<std::byte> out, IpEnds ends, Protocol protocol, std::uint8_t ttl) {
  store_be<std::uint16_t>(out, 0, 0x4500);
  store_be(out, 2, static_cast<std::uint16_t>(out.size()));
  store_be<std::uint32_t>(out, 4, 0x4000);
  store_be(out, 8, ttl);
  store_be(out, 9, static_cast<std::uint8_t>(protocol));
  store_be<std::uint16_t>(out, 10, 0);
  put(out, 12, ends.from.wire_bytes());
  put(out, 16, ends.to.wire_bytes());
  store_be(out, 10, checksum_of(sum_of(out.first(kIpv4HeaderBytes))));
}

void write_ipv6_header(std::span<std::byte> out, IpEnds ends, Protocol protocol, std::uint8_t ttl) {
  store_be<std::uint32_t>(out, 0, 0x60000000);
  store_be(out, 4, static_cast<std::uint16_t>(out.size() - kIpv6HeaderBytes));
  store_be(out, 6, static_cast<std::uint8_t>(protocol));
  store_be(out, 7, ttl);
  put(out, 8, ends.from.wire_bytes());
  put(out, 24, ends.to.wire_bytes());
}

}  // namespace

void write_ip_header(std::span<std::byte> packet, IpEnds ends, Protocol protocol,
                     std::uint8_t ttl) {
  if (ends.from.is_v4()) {
    write_ipv4_header(packet, ends, protocol, ttl);
  } else {
    write_ipv6_header(packet, ends, protocol, ttl);
  }
}

}  // namespace flows
