// The hooks of the gateway's own life.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/hooks/app_settings.h"
#include "gateway/hooks/hook_id.h"

namespace gateway::hooks {

/// Why something must not be; nothing: it may.
using Refusal = std::optional<std::string>;

struct GatewayStart {
  const AppSection& settings;
  std::size_t shards = 1;
};

/// Asked before anything listens. A refusal is said, and the program fails.
class Start {
 public:
  static constexpr HookId kId = HookId::kStart;
  virtual Refusal start(const GatewayStart& start) = 0;

 protected:
  ~Start() = default;
};

struct GatewayReload {
  const AppSection& settings;  // the new ones, which parse
};

/// Asked before new settings are taken over. A refusal is what `liftgate reload` says; nothing has
/// changed then.
class Reload {
 public:
  static constexpr HookId kId = HookId::kReload;
  virtual Refusal reload(const GatewayReload& reload) = 0;

 protected:
  ~Reload() = default;
};

/// Told on each shard's thread, once new settings hold.
class ShardReload {
 public:
  static constexpr HookId kId = HookId::kShardReload;
  virtual void shard_reload(const GatewayReload& reload) = 0;

 protected:
  ~ShardReload() = default;
};

/// Told when every flow has ended.
class Stop {
 public:
  static constexpr HookId kId = HookId::kStop;
  virtual void stop() = 0;

 protected:
  ~Stop() = default;
};

}  // namespace gateway::hooks
