#include "flows/protocol.h"

namespace flows {

std::string protocol_name(Protocol protocol) {
  if (protocol == Protocol::kTcp) {
    return "tcp";
  }
  if (protocol == Protocol::kUdp) {
    return "udp";
  }
  if (protocol == Protocol::kIcmp) {
    return "icmp";
  }
  if (protocol == Protocol::kIcmpv6) {
    return "icmpv6";
  }
  return std::to_string(static_cast<unsigned>(protocol));
}

}  // namespace flows
