// Any bytes as the text of a packet: what is accepted is written and read back as the same packet,
// and what is refused says in one printable line where and why.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/inspect/packet_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto packet = gateway::parse_packet_text(text);
  if (!packet) {
    CHECK(packet.error().column >= 1 && packet.error().column <= size + 1);
    CHECK(base::is_printable(packet.error().to_string()));
    return 0;
  }
  CHECK(packet->source.address.is_v4() == packet->destination.address.is_v4());
  const std::string written = gateway::packet_text(*packet);
  const auto again = gateway::parse_packet_text(written);
  CHECK(again && gateway::packet_text(*again) == written);
  CHECK(again->source == packet->source && again->destination == packet->destination);
  CHECK(again->protocol == packet->protocol && again->is_echo == packet->is_echo);
  CHECK(again->icmp_type == packet->icmp_type && again->icmp_code == packet->icmp_code);
  return 0;
}
