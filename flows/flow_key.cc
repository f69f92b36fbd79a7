#include "flows/flow_key.h"

#include "flows/endpoint_words.h"

namespace flows {

SameFlow compare(const FlowKey& a, const FlowKey& b) {
  const EndpointWords source(a.source);
  const EndpointWords destination(a.destination);
  const EndpointWords other_source(b.source);
  const EndpointWords other_destination(b.destination);
  const std::uint64_t rest = (a.tenant ^ b.tenant) | (static_cast<std::uint64_t>(a.protocol) ^
                                                      static_cast<std::uint64_t>(b.protocol));
  if ((source.difference(other_source) | destination.difference(other_destination) | rest) == 0) {
    return SameFlow::kSameWay;
  }
  const std::uint64_t crossed =
      source.difference(other_destination) | destination.difference(other_source) | rest;
  return crossed == 0 ? SameFlow::kReversed : SameFlow::kNo;
}

}  // namespace flows
