#include "flows/flow_hash.h"

#include "base/siphash.h"
#include "flows/endpoint_words.h"

namespace flows {
namespace {

// Without branches: which end is lower is a coin toss that the processor cannot predict.
bool is_below(const EndpointWords& a, const EndpointWords& b) {
  const bool port = a.port < b.port;
  const bool second = (a.second < b.second) | ((a.second == b.second) & port);
  return (a.first < b.first) | ((a.first == b.first) & second);
}

std::uint64_t choose(bool first, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t mask = std::uint64_t{0} - static_cast<std::uint64_t>(first);
  return b ^ ((a ^ b) & mask);
}

}  // namespace

std::uint32_t symmetric_hash(const FlowKey& key, HashSeed seed) {
  // Any order will do, as long as both directions of a flow sort the same way.
  const EndpointWords a(key.source);
  const EndpointWords b(key.destination);
  const bool a_first = is_below(a, b);

  base::SipHash<1, 3> hash({.low = seed.low, .high = seed.high});
  hash.add(choose(a_first, a.first, b.first));
  hash.add(choose(a_first, a.second, b.second));
  hash.add(choose(a_first, b.first, a.first));
  hash.add(choose(a_first, b.second, a.second));
  const std::uint64_t ports =
      choose(a_first, a.port, b.port) | (choose(a_first, b.port, a.port) << 16U);
  hash.add(ports | (static_cast<std::uint64_t>(key.tenant) << 32U));
  const std::uint64_t type =
      is_icmp(key.protocol) ? question_of(key.protocol, key.icmp_type).value_or(key.icmp_type) : 0;
  constexpr std::size_t kMessageBytes = 42;  // 2 x (16 + 2), the tenant's 4, protocol and type
  return static_cast<std::uint32_t>(
      hash.finish(static_cast<std::uint64_t>(key.protocol) | (type << 8U), kMessageBytes));
}

}  // namespace flows
