// AppLife: an app's objects in a running gateway, from its start to its stop.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gateway/config/settings.h"
#include "gateway/control/unix_listener.h"
#include "gateway/hooks/app.h"
#include "gateway/hooks/hook_runner.h"
#include "gateway/onramp/tunnel_context.h"

namespace gateway {

/// Belongs to the control thread.
class AppLife {
 public:
  /// Makes the object of the process and one for each shard, and asks `start`. Fails with what the
  /// app says or throws. `app` outlives it.
  static base::SysResult<std::unique_ptr<AppLife>> begin(hooks::App& app, const Settings& settings,
                                                         std::size_t shards);
  /// Tells `stop`: the shards have gone by then.
  ~AppLife();
  AppLife(const AppLife&) = delete;
  AppLife& operator=(const AppLife&) = delete;

  /// The object of a shard; each once.
  [[nodiscard]] std::unique_ptr<hooks::ShardHooks> take_shard(std::size_t index) {
    return std::move(shards_.at(index));
  }
  /// What the first datagram of a tunnel says, by the app's word or as usual.
  [[nodiscard]] base::Result<TunnelContext, ContextRefusal> read_context(
      std::span<const std::byte> datagram, const UnixPeer& peer);
  /// As HookDesk has them.
  [[nodiscard]] std::uint64_t failures() const { return runner_.all_failures(); }
  /// Why the app does not take these settings.
  [[nodiscard]] hooks::Refusal refuses(const hooks::AppSection& settings);

 private:
  explicit AppLife(std::unique_ptr<hooks::ProcessHooks> process);

  std::unique_ptr<hooks::ProcessHooks> process_;
  std::vector<std::unique_ptr<hooks::ShardHooks>> shards_;
  hooks::HookTrace no_trace_{0};
  hooks::HookRunner runner_{no_trace_};
};

}  // namespace gateway
