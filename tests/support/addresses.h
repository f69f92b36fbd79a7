// Addresses for tests, from text.
#pragma once

#include <string_view>

#include "base/check.h"
#include "base/endpoint.h"

namespace test_support {

/// "10.0.0.1:80" or "[fd00::1]:80"; anything else is a mistake in the test.
inline base::Endpoint endpoint(std::string_view text) {
  const auto parsed = base::Endpoint::parse(text);
  CHECK(parsed.has_value());
  return *parsed;
}
inline base::IpAddress address(std::string_view text) {
  const auto parsed = base::IpAddress::parse(text);
  CHECK(parsed.has_value());
  return *parsed;
}

}  // namespace test_support
