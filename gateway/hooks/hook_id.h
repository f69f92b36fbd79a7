// HookId: a number for each hook, in the order in which a connection meets them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gateway::hooks {

enum class HookId : std::uint8_t {
  kStart,
  kReload,
  kShardReload,
  kTunnelContext,
  kFlowDecide,
  kPacket,
  kEgressDecide,
  kEgressResolve,
  kEgressChoose,
  kEgressDatagrams,
  kEgressEstablished,
  kIngressDecide,
  kPipelineDecide,
  kPipelineBytes,
  kPipelineTake,
  kIngressClose,
  kFlowEnd,
  kStop,
};
inline constexpr std::size_t kHookCount = static_cast<std::size_t>(HookId::kStop) + 1;

}  // namespace gateway::hooks
