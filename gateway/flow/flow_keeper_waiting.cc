// FlowKeeper: which flows wait for an answer, and which of them gives way; waiting_flows.h tells
// why.
#include <algorithm>
#include <array>

#include "gateway/flow/flow_keeper.h"

namespace gateway {

using base::Instant;
using flows::Drop;
using flows::FlowIndex;

namespace {

constexpr std::array kDials{Wait::kDial};
constexpr std::array kHandshakes{Wait::kDial, Wait::kHandshake};
constexpr std::array kAll{Wait::kDial, Wait::kHandshake, Wait::kAnswer};

// Chosen: flows that are sent to the end of their line for one that gives way.
constexpr int kLooks = 8;

std::uint64_t all_waiting(const Tenant& tenant) {
  std::uint64_t all = 0;
  for (const FlowList& line : tenant.waiting) {
    all += line.size;
  }
  return all;
}

// Of what waits of its tenant.
bool has_its_part(const Tunnel& tunnel, const Tenant& tenant) {
  return std::uint64_t{tunnel.waiting} * tenant.tunnels >= all_waiting(tenant);
}

}  // namespace

void FlowKeeper::follow_wait(FlowIndex index) {
  const auto before = waiting_.find(index);
  const auto now = wait_of(table_[index], before);
  if (now == before) {
    return;
  }
  stop_waiting(index);
  if (now) {
    waiting_.add(tenant_of(index).waiting, index, *now);
    if (Tunnel* owner = tunnel(table_[index].tunnel)) {
      ++owner->waiting;
    }
  }
}

void FlowKeeper::stop_waiting(FlowIndex index) {
  if (!waits(index)) {
    return;
  }
  waiting_.remove(tenant_of(index).waiting, index);
  if (Tunnel* owner = tunnel(table_[index].tunnel)) {
    --owner->waiting;
  }
}

std::optional<FlowIndex> FlowKeeper::giving_way(Drop limit, Tunnel& wanting, Instant now) {
  Tenant& tenant = wanting.tenant();
  if (limit == Drop::kDialLimit) {
    return longest_waiting(tenant, kDials, &wanting, now);
  }
  if (limit == Drop::kHalfOpenLimit) {
    return longest_waiting(tenant, kHandshakes, &wanting, now);
  }
  if (limit == Drop::kTenantFlowLimit) {
    return longest_waiting(tenant, kAll, &wanting, now);
  }
  if (limit != Drop::kFlowTableFull) {
    return std::nullopt;
  }
  if (Tenant* other = tenant.flows < quota_.share() ? most_beyond_its_share() : nullptr) {
    return longest_waiting(*other, kAll, nullptr, now);
  }
  return longest_waiting(tenant, kAll, &wanting, now);
}

// `wanting`: the tenant's own tunnel that wants the place; null: another tenant does.
std::optional<FlowIndex> FlowKeeper::longest_waiting(Tenant& tenant, std::span<const Wait> kinds,
                                                     const Tunnel* wanting, Instant now) {
  const bool is_patient = wanting != nullptr && has_its_part(*wanting, tenant);
  for (int looks = 0; looks < kLooks; ++looks) {
    std::optional<FlowIndex> oldest;
    for (const Wait kind : kinds) {
      const auto first = FlowLists::oldest(tenant.waiting[static_cast<std::size_t>(kind)]);
      if (first && (!oldest || table_[*first].created_ns < table_[*oldest].created_ns)) {
        oldest = first;
      }
    }
    if (!oldest) {
      return std::nullopt;
    }
    const flows::Flow& flow = table_[*oldest];
    const Tunnel* owner = tunnel(flow.tunnel);
    if (owner == nullptr || has_its_part(*owner, tenant)) {
      const base::Duration waited = now - base::from_nanoseconds(flow.created_ns);
      return is_patient && waited < WaitingFlows::kLeastWait ? std::nullopt : oldest;
    }
    const Wait kind = *waiting_.find(*oldest);
    waiting_.remove(tenant.waiting, *oldest);
    waiting_.add(tenant.waiting, *oldest, kind);
  }
  return std::nullopt;
}

Tenant* FlowKeeper::most_beyond_its_share() {
  Tenant* most = nullptr;
  for (const auto& [id, tenant] : tenants_) {
    if (tenant->flows > quota_.share() && all_waiting(*tenant) > 0 &&
        (most == nullptr || tenant->flows > most->flows)) {
      most = tenant;
    }
  }
  return most;
}

}  // namespace gateway
