#include "tools/flowctl/flow_listing.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "gateway/control/control_protocol.h"
#include "tools/flowctl/reply.h"

namespace flowctl {
namespace {

using base::Unexpected;

}  // namespace

NameBook::NameBook(Names tenants, Names tunnels, Names rules)
    : tenants_(std::move(tenants)), tunnels_(std::move(tunnels)), rules_(std::move(rules)) {
  tunnels_.emplace(flows::kNone32, "-");
  rules_.emplace(flows::kDefaultRule, gateway::kDefaultRuleName);
  rules_.emplace(flows::kHookRule, gateway::kHookRuleName);
}

const std::string& NameBook::name_in(Names& names, std::uint32_t number) const {
  const auto found = names.find(number);
  if (found != names.end()) {
    return found->second;
  }
  made_up_ = true;
  return names.emplace(number, "#" + std::to_string(number)).first->second;
}

gateway::FlowNames NameBook::of(const flows::Flow& flow) const {
  return {.tenant = name_in(tenants_, flow.key.tenant),
          .tunnel = name_in(tunnels_, flow.tunnel),
          .rule = name_in(rules_, flow.rule)};
}

bool NameBook::knows_tenant(std::string_view tenant) const {
  return std::ranges::any_of(tenants_, [&](const auto& one) {
    return one.second == tenant || std::to_string(one.first) == tenant;
  });
}

std::vector<std::string> NameBook::tenants() const {
  std::vector<std::string> names;
  for (const auto& [id, name] : tenants_) {
    names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

base::Result<FlowListing, Failure> FlowListing::ask(const SocketChoice& choice) {
  const auto reply = flowctl::ask(choice, gateway::flows_request());
  if (!reply) {
    return Unexpected{reply.error()};
  }
  const auto names = granted(reply->line);
  if (!names) {
    return Unexpected{names.error()};
  }
  auto listing = open(reply->flow_regions, names_in(*names));
  if (!listing) {
    return Unexpected{Failure{ExitStatus::kFailed, listing.error()}};
  }
  return std::move(listing).value();
}

base::Result<FlowListing, std::string> FlowListing::open(std::span<const base::Fd> regions,
                                                         NameBook names) {
  std::vector<Region> opened;
  for (const base::Fd& region : regions) {
    auto mapping = base::MappedFile::of(region, "the flow table");
    if (!mapping) {
      return Unexpected{mapping.error().message()};
    }
    const auto snapshot = flows::FlowSnapshot::open(mapping->bytes());
    if (!snapshot) {
      return Unexpected{snapshot.error() + "; flowctl and liftgate must be of the same version"};
    }
    opened.push_back({std::move(mapping).value(), *snapshot});
  }
  return FlowListing(std::move(opened), std::move(names));
}

std::vector<FlowListing::Selected> FlowListing::select(const gateway::FlowFilter& filter,
                                                       std::int64_t now_ns) const {
  std::vector<Selected> selected;
  if (filter.lets_everything_through()) {
    std::size_t count = 0;
    for (const Region& region : regions_) {
      count += region.snapshot.live_count();
    }
    selected.reserve(count);
  }
  visit(filter, now_ns, [&](flows::FlowIndex index, const flows::Flow& flow) {
    selected.push_back({flow.id, index});
  });
  std::ranges::sort(selected, {}, &Selected::id);
  return selected;
}

std::optional<flows::Flow> FlowListing::at(const Selected& selected) const {
  const flows::FlowSnapshot* snapshot = snapshot_of(selected.id);
  auto flow = snapshot == nullptr ? std::nullopt : snapshot->at(selected.index);
  return flow && flow->id == selected.id ? flow : std::nullopt;  // else another has its place
}

std::optional<flows::Flow> FlowListing::find(std::uint64_t id) const {
  const flows::FlowSnapshot* snapshot = snapshot_of(id);
  return snapshot == nullptr ? std::nullopt : snapshot->find(id);
}

}  // namespace flowctl
