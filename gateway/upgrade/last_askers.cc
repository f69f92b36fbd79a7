#include "gateway/upgrade/last_askers.h"

#include "base/check.h"

namespace gateway {

using base::Endpoint;
using flows::FlowIndex;

void LastAskers::add(FlowIndex flow, const Endpoint& upstream) {
  const auto there = by_upstream_.try_emplace(upstream).first;
  Askers& askers = there->second;
  const Place place{.upstream = there, .asker = askers.insert(askers.end(), flow)};
  CHECK(places_.emplace(flow, place).second);
}

void LastAskers::ask(FlowIndex flow) {
  if (const auto place = places_.find(flow); place != places_.end()) {
    Askers& askers = place->second.upstream->second;
    askers.splice(askers.end(), askers, place->second.asker);
  }
}

void LastAskers::remove(FlowIndex flow) {
  const auto place = places_.find(flow);
  if (place == places_.end()) {
    return;
  }
  const auto [there, asker] = place->second;
  places_.erase(place);
  there->second.erase(asker);
  if (there->second.empty()) {
    by_upstream_.erase(there);
  }
}

std::optional<FlowIndex> LastAskers::last_of(const Endpoint& upstream) const {
  const auto there = by_upstream_.find(upstream);
  return there == by_upstream_.end() ? std::nullopt : std::optional(there->second.back());
}

}  // namespace gateway
