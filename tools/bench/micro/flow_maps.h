// FlowMaps: the flow table as the gateway has it, and absl::flat_hash_map with the same key, record
// and hash, behind one interface.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>

#include "base/check.h"
#include "flows/flow_table.h"
#include "gateway/flow/flow_region.h"

namespace bench {

inline constexpr flows::HashSeed kSeed{.low = 0x0123456789abcdef, .high = 0xfedcba9876543210};

/// Flow `number` of many: TCP from one of 65,536 clients to one of a few hundred servers.
inline flows::FlowKey key_number(std::uint32_t number) {
  const std::uint32_t mixed = number * 0x9e3779b1U;  // a bijection: all keys differ
  return {.source = {base::IpAddress::v4(0x64400000U | (mixed >> 16U)),
                     base::Port{static_cast<std::uint16_t>(1024 + (mixed & 0x7fffU))}},
          .destination = {base::IpAddress::v4(0xc6336400U + (mixed >> 15U & 1U)), base::Port{443}},
          .tenant = 7,
          .protocol = flows::Protocol::kTcp};
}

class OurTable {
 public:
  explicit OurTable(std::uint32_t capacity)
      : region_(gateway::FlowRegion::create(flows::FlowTable::region_bytes(capacity)).value()),
        table_(flows::FlowTable::create(region_.bytes(), capacity, kSeed)) {}

  void insert(const flows::FlowKey& key) { CHECK(table_.insert(key, base::Instant{}).has_value()); }
  [[nodiscard]] const flows::Flow* find(const flows::FlowKey& key) const {
    const auto match = table_.find(key);
    return match ? &table_[match->index] : nullptr;
  }
  [[nodiscard]] flows::FlowTable& table() { return table_; }

 private:
  gateway::FlowRegion region_;
  flows::FlowTable table_;
};

/// Finds a flow by the key of either direction, too: equal keys and reversed ones have one hash.
class AbslMap {
 public:
  explicit AbslMap(std::uint32_t capacity) { flows_.reserve(capacity); }

  void insert(const flows::FlowKey& key) {
    flows::Flow flow;
    flow.key = key;
    CHECK(flows_.emplace(key, flow).second);
  }
  [[nodiscard]] const flows::Flow* find(const flows::FlowKey& key) const {
    const auto found = flows_.find(key);
    return found == flows_.end() ? nullptr : &found->second;
  }

 private:
  struct Hash {
    std::size_t operator()(const flows::FlowKey& key) const {
      // absl takes its tag from the lowest seven bits, as it is.
      return flows::symmetric_hash(key, kSeed);
    }
  };
  struct EitherWay {
    bool operator()(const flows::FlowKey& a, const flows::FlowKey& b) const {
      return a == b || a == b.reversed();
    }
  };

  absl::flat_hash_map<flows::FlowKey, flows::Flow, Hash, EitherWay> flows_;
};

}  // namespace bench
