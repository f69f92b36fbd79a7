// must(): the value of a Result, or the end of the test with the reason.
//
// The harness throws where a test cannot go on; GoogleTest catches it and fails that test with the
// message. Product code never throws.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "base/endpoint.h"
#include "base/error.h"

namespace integration {

[[noreturn]] inline void give_up(const std::string& why) {
  throw std::runtime_error(why);
}

template <class T>
T must(base::SysResult<T> result) {
  if (!result) {
    give_up(result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return std::move(result).value();
  }
}

/// For syscalls: their result unless it is negative.
template <class Number>
Number must_call(Number result, const std::string& doing) {
  if (result < 0) {
    give_up(base::last_error(doing).message());
  }
  return result;
}

inline base::Endpoint endpoint(const std::string& text) {
  const auto parsed = base::Endpoint::parse(text);
  if (!parsed) {
    give_up("not an endpoint: " + text);
  }
  return *parsed;
}

inline base::IpAddress address(const std::string& text) {
  const auto parsed = base::IpAddress::parse(text);
  if (!parsed) {
    give_up("not an address: " + text);
  }
  return *parsed;
}

}  // namespace integration
