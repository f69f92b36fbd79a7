#include "nat/echo.h"

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"
#include "flows/ip_header.h"
#include "nat/rewrite.h"

namespace nat {

namespace {

// Of the IPv4 header, which its checksum covers.
void reset_ttl(std::span<std::byte> bytes, bool v4) {
  if (!v4) {
    base::store_be(bytes, 7, flows::kDefaultTtl);
    return;
  }
  const auto before = base::load_be<std::uint16_t>(bytes, 8);  // TTL and protocol are one word
  base::store_be(bytes, 8, flows::kDefaultTtl);
  flows::ChecksumChange change;
  change.replace(before, base::load_be<std::uint16_t>(bytes, 8));
  base::store_be(bytes, 10, change.applied_to(base::load_be<std::uint16_t>(bytes, 10)));
}

}  // namespace

void turn_echo_request(std::span<std::byte> bytes, const flows::Packet& packet) {
  CHECK(packet.is_echo);
  constexpr std::uint8_t kReply = 0, kReplyV6 = 129;
  rewrite(bytes, packet, {}, {.source = packet.destination, .destination = packet.source});
  reset_ttl(bytes, packet.is_v4());
  const auto message = bytes.subspan(packet.transport_offset);
  const auto before = base::load_be<std::uint16_t>(message, 0);
  base::store_be(message, 0, packet.is_v4() ? kReply : kReplyV6);
  flows::ChecksumChange change;
  change.replace(before, base::load_be<std::uint16_t>(message, 0));
  base::store_be(message, 2, change.applied_to(base::load_be<std::uint16_t>(message, 2)));
}

}  // namespace nat
