// Addresses, prefixes and endpoints as a context, a configuration or a control request spells them:
// what is accepted must come back the same from its own text.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/endpoint.h"
#include "base/ip_address.h"
#include "base/ip_prefix.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  if (const auto address = base::IpAddress::parse(text)) {
    CHECK(base::IpAddress::parse(address->to_string()) == address);
    CHECK(address->wire_bytes().size() == (address->is_v4() ? 4U : 16U));
  }
  if (const auto prefix = base::IpPrefix::parse(text)) {
    CHECK(base::IpPrefix::parse(prefix->to_string()) == prefix);
    CHECK(prefix->contains(prefix->address()));
    CHECK(prefix->contains(*prefix));
    CHECK(prefix->bits() <= (prefix->is_v4() ? 32 : 128));
  }
  if (const auto endpoint = base::Endpoint::parse(text)) {
    CHECK(base::Endpoint::parse(endpoint->to_string()) == endpoint);
    CHECK(base::SocketAddress(*endpoint).endpoint() == endpoint);
  }
  return 0;
}
