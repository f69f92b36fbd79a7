#include "nat/ttl.h"

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"

namespace nat {

void decrement_ttl(std::span<std::byte> bytes, const flows::Packet& packet) {
  CHECK(packet.ttl > 1);
  if (!packet.is_v4()) {
    base::store_be<std::uint8_t>(bytes, 7, static_cast<std::uint8_t>(packet.ttl - 1));
    return;
  }
  const auto before = base::load_be<std::uint16_t>(bytes, 8);  // TTL and protocol are one word
  const auto after = static_cast<std::uint16_t>(before - 0x100);
  flows::ChecksumChange change;
  change.replace(before, after);
  base::store_be(bytes, 8, after);
  base::store_be(bytes, 10, change.applied_to(base::load_be<std::uint16_t>(bytes, 10)));
}

}  // namespace nat
