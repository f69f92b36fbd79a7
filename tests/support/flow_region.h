// What the tests of the flow table share: a region to put it into, and keys to fill it with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/check.h"
#include "base/endpoint.h"
#include "base/time.h"
#include "flows/flow_key.h"
#include "flows/flow_table.h"

namespace test_support {

/// Zeroed, aligned memory, at first untouched, as the gateway's memfd is.
class ZeroedRegion {
 public:
  explicit ZeroedRegion(std::size_t bytes)
      : memory_(std::calloc(bytes + kAlignment, 1)), bytes_(bytes) {
    CHECK(memory_ != nullptr);
  }

  [[nodiscard]] std::span<std::byte> bytes() const {
    void* start = memory_.get();
    std::size_t space = bytes_ + kAlignment;
    CHECK(std::align(kAlignment, bytes_, start, space) != nullptr);
    return {static_cast<std::byte*>(start), bytes_};
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  static constexpr std::size_t kAlignment = 64;

  std::unique_ptr<void, Free> memory_;
  std::size_t bytes_;
};

/// A TCP flow of tenant 7 from 100.64.0.0 + `number` to 192.0.2.1:443.
inline flows::FlowKey key_number(std::uint32_t number) {
  return {.source = {base::IpAddress::v4(0x64400000 + number), base::Port{40000}},
          .destination = {base::IpAddress::v4(0xc0000201), base::Port{443}},
          .tenant = 7,
          .protocol = flows::Protocol::kTcp};
}

/// A table of its own region.
struct TestTable {
  explicit TestTable(std::uint32_t capacity, flows::HashSeed seed = {.low = 1, .high = 2})
      : region(flows::FlowTable::region_bytes(capacity)),
        table(flows::FlowTable::create(region.bytes(), capacity, seed)) {}

  /// Adds flow key_number(number).
  flows::FlowIndex add(std::uint32_t number, base::Instant now = {}) {
    return table.insert(key_number(number), now).value();
  }

  ZeroedRegion region;
  flows::FlowTable table;
};

}  // namespace test_support
