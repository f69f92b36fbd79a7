// What a sandbox's helper and its owner read from each other: bytes that are no message are
// refused, and a message has one spelling only.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "netns/sandbox_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto message = netns::decode(bytes)) {
    CHECK(std::ranges::equal(netns::encode(*message), bytes));
  }
  return 0;
}
