// DnsAnswer: which addresses a name server gave for a name (RFC 1035 4.1, RFC 3596 2.2).
//
// Read in passing from answers on their way to a tunnel, so that flows can be shown by name. Only
// what answers the question counts: records of the name asked for, or of what its CNAMEs lead to,
// in the order in which servers send them. What else a server puts into its answer is not believed.
// Pure, allocates nothing; fuzzed by tests/fuzz/fuzz_dns_answer.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ip_address.h"
#include "flows/host_name.h"

namespace flows {

struct DnsAnswer {
  static constexpr std::size_t kMaxAddresses = 32;  // chosen; those beyond are left out

  HostName name;  // as it was asked for
  std::array<base::IpAddress, kMaxAddresses> address_list{};
  std::size_t address_count = 0;
  std::uint32_t ttl_seconds = 0;  // the least of the records that led to an address

  [[nodiscard]] std::span<const base::IpAddress> addresses() const {
    return std::span(address_list).first(address_count);
  }
};

/// `message` is the payload of a UDP datagram. Nothing when it is no successful answer to one
/// question for an address, or not well-formed up to its last answer. A name with anything but
/// letters, digits, '-' and '_' in it counts as malformed: it goes to terminals and logs.
std::optional<DnsAnswer> read_dns_answer(std::span<const std::byte> message);

}  // namespace flows
