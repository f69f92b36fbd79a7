// Names: what the numbers in a flow record are called. Shared by threads, asked off the packet
// path.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

namespace gateway {

/// Tunnels keep their name after they have closed, for the audit lines that come late; the oldest
/// kRemembered closed ones are forgotten.
class Names {
 public:
  void add_tenant(std::uint32_t id, std::string name);
  void add_tunnel(std::uint32_t id, std::string name);

  /// The number as text when it has no name.
  [[nodiscard]] std::string tenant(std::uint32_t id) const;
  [[nodiscard]] std::string tunnel(std::uint32_t id) const;

 private:
  static constexpr std::size_t kRemembered = 65'536;  // chosen

  mutable std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::string> tenants_;
  std::unordered_map<std::uint32_t, std::string> tunnels_;
  std::deque<std::uint32_t> tunnel_order_;
};

}  // namespace gateway
