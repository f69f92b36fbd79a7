// Any bytes as the first datagram of a tunnel: what is accepted keeps every limit that the header
// states, and what is refused says why in one printable line.

#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/onramp/tunnel_context.h"

namespace {

void check_text(const std::string& text, std::size_t least, std::size_t most) {
  CHECK(text.size() >= least && text.size() <= most);
  CHECK(base::is_printable(text));
}

void check_accepted(const gateway::TunnelContext& context) {
  check_text(context.tenant, 1, gateway::kMaxTenantBytes);
  check_text(context.name, 0, gateway::kMaxTunnelNameBytes);
  CHECK(context.addresses.size() <= gateway::kMaxTunnelAddresses);
  CHECK(context.mtu_bytes >= gateway::kMinMtuBytes && context.mtu_bytes <= gateway::kMaxMtuBytes);
  for (const auto& prefix : context.addresses) {
    CHECK(prefix.is_v4() || context.mtu_bytes >= gateway::kMinMtuBytesV6);
    CHECK(base::IpPrefix::parse(prefix.to_string()) == prefix);
  }
  CHECK(context.labels.size() <= gateway::kMaxLabels);
  for (const auto& [key, value] : context.labels) {
    check_text(key, 1, gateway::kMaxLabelKeyBytes);
    check_text(value, 0, gateway::kMaxLabelValueBytes);
  }
}

void check_refused(const gateway::ContextRefusal& refusal) {
  CHECK(refusal.message.starts_with("context: "));
  CHECK(refusal.message.size() < 512 && base::is_printable(refusal.message));
  CHECK(!gateway::name(refusal.error).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  const auto context = gateway::parse_context(input);
  if (context) {
    CHECK(size <= gateway::kMaxContextBytes);
    check_accepted(*context);
  } else {
    check_refused(context.error());
  }
  return 0;
}
