// Placement: which shard each tenant lives on. Pure.
//
// A tenant is placed when it first appears, where there is the least load then, and stays: its
// flows are in that shard's table. Load is what a shard's thread has been busy with of late, in
// coarse steps, so that noise does not decide; where that says nothing, the fewest tenants do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace gateway {

/// How many shards there are: `wanted`, or as many as `processors` (0: nobody has said); never more
/// than there are tenants, each of which lives on one.
std::size_t shard_count(std::uint32_t wanted, std::size_t processors, std::size_t tenants);

/// The control thread's.
class Placement {
 public:
  explicit Placement(std::size_t shards) : tenants_(shards) {}

  /// Where the tenant lives: nothing before it was placed.
  [[nodiscard]] std::optional<std::size_t> find(std::uint32_t tenant) const;
  /// The same; places the tenant if it has not been. `busy` is the share of its processor that each
  /// shard uses, from 0 to 1.
  std::size_t place(std::uint32_t tenant, std::span<const double> busy);

 private:
  std::vector<std::uint32_t> tenants_;  // on each shard
  std::unordered_map<std::uint32_t, std::size_t> shard_of_;
};

}  // namespace gateway
