// DnsStream: DNS messages as TCP carries them, each behind its length (RFC 1035 4.2.2).
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace flows {

/// Takes the first message off `stream`, which begins where a message does. Nothing when not all of
/// it is there. Fuzzed by tests/fuzz/fuzz_dns_answer.cc.
std::optional<std::span<const std::byte>> take_dns_message(std::span<const std::byte>& stream);

}  // namespace flows
