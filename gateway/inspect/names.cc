#include "gateway/inspect/names.h"

#include <utility>

namespace gateway {

namespace {

std::string name_or_number(const std::unordered_map<std::uint32_t, std::string>& names,
                           std::uint32_t id) {
  const auto found = names.find(id);
  return found == names.end() ? std::to_string(id) : found->second;
}

}  // namespace

void Names::add_tenant(std::uint32_t id, std::string name) {
  const std::scoped_lock lock(mutex_);
  tenants_[id] = std::move(name);
}

void Names::add_tunnel(std::uint32_t id, std::string name) {
  const std::scoped_lock lock(mutex_);
  tunnels_[id] = std::move(name);
  tunnel_order_.push_back(id);
  if (tunnel_order_.size() > kRemembered) {
    tunnels_.erase(tunnel_order_.front());
    tunnel_order_.pop_front();
  }
}

std::string Names::tenant(std::uint32_t id) const {
  const std::scoped_lock lock(mutex_);
  return name_or_number(tenants_, id);
}

std::string Names::tunnel(std::uint32_t id) const {
  const std::scoped_lock lock(mutex_);
  return name_or_number(tunnels_, id);
}

}  // namespace gateway
