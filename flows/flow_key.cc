#include "flows/flow_key.h"

#include "flows/endpoint_words.h"

namespace flows {

SameFlow compare(const FlowKey& flow, const FlowKey& packet) {
  const EndpointWords source(flow.source);
  const EndpointWords destination(flow.destination);
  const EndpointWords other_source(packet.source);
  const EndpointWords other_destination(packet.destination);
  const std::uint64_t rest =
      (flow.tenant ^ packet.tenant) |
      (static_cast<std::uint64_t>(flow.protocol) ^ static_cast<std::uint64_t>(packet.protocol));
  const std::uint64_t type = std::uint64_t{flow.icmp_type} ^ packet.icmp_type;
  if ((source.difference(other_source) | destination.difference(other_destination) | rest | type) ==
      0) {
    return SameFlow::kSameWay;
  }
  const std::uint64_t crossed =
      source.difference(other_destination) | destination.difference(other_source) | rest;
  if (crossed != 0) {
    return SameFlow::kNo;
  }
  const bool fits =
      !is_icmp(flow.protocol) || answer_to(flow.protocol, flow.icmp_type) == packet.icmp_type;
  return fits ? SameFlow::kReversed : SameFlow::kNo;
}

}  // namespace flows
