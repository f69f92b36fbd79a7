#include "gateway/placement.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "flows/flow_id.h"

namespace gateway {

namespace {

constexpr double kSteps = 8;  // chosen: of a processor

}  // namespace

std::size_t shard_count(std::uint32_t wanted, std::size_t processors, std::size_t tenants) {
  const std::size_t count = wanted == 0 ? processors : wanted;
  return std::clamp<std::size_t>(std::min(count, tenants), 1, flows::kMostShards);
}

std::optional<std::size_t> Placement::find(std::uint32_t tenant) const {
  const auto found = shard_of_.find(tenant);
  return found == shard_of_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t Placement::place(std::uint32_t tenant, std::span<const double> busy) {
  CHECK(busy.size() == tenants_.size());
  if (const auto known = find(tenant)) {
    return *known;
  }
  const auto load = [&](std::size_t shard) {
    return std::pair(static_cast<int>(busy[shard] * kSteps), tenants_[shard]);
  };
  std::size_t least = 0;
  for (std::size_t shard = 1; shard < tenants_.size(); ++shard) {
    least = load(shard) < load(least) ? shard : least;
  }
  ++tenants_[least];
  shard_of_.emplace(tenant, least);
  return least;
}

}  // namespace gateway
