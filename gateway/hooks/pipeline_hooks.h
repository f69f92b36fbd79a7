// The hooks of a connection's bytes, once both of its sides are open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/endpoint.h"
#include "flows/tcp_phase.h"
#include "gateway/hooks/flow_hooks.h"
#include "gateway/hooks/hook_id.h"
#include "gateway/hooks/taken_connection.h"

namespace gateway::hooks {

struct PipelineStart {
  FlowView flow;
  base::Endpoint upstream;
};

enum class PipelineRuling : std::uint8_t {
  kRelay,  // the bytes go from one socket to the other inside the kernel
  kWatch,  // and are shown to pipeline_bytes as they pass, until it has seen enough
  kTake,   // pipeline_take is given both sockets, and relays by itself
};
std::string_view name(PipelineRuling ruling);  // "relay"

/// Asked when a connection's two sides are open, before a byte has passed.
class PipelineDecide {
 public:
  static constexpr HookId kId = HookId::kPipelineDecide;
  virtual PipelineRuling pipeline_decide(const PipelineStart& start) = 0;

 protected:
  ~PipelineDecide() = default;
};

struct PipelinePassed {
  FlowView flow;
  flows::Side sender{};
  std::uint64_t offset = 0;          // of the first of them in what the sender has sent
  std::span<const std::byte> bytes;  // as they came, in pieces of any length
};

enum class Watching : std::uint8_t { kMore, kEnough };
std::string_view name(Watching watching);  // "more"

/// Shown what passes on a connection that is watched. kEnough: this direction is watched no longer,
/// and costs no more than any other.
class PipelineBytes {
 public:
  static constexpr HookId kId = HookId::kPipelineBytes;
  virtual Watching pipeline_bytes(const PipelinePassed& passed) = 0;

 protected:
  ~PipelineBytes() = default;
};

struct PipelineTaken {
  FlowView flow;  // lives for the call
  TakenConnection connection;
};

/// Given the sockets of a connection that pipeline_decide has wanted to take. It may not block:
/// what it relays, it relays on a thread of its own. Whatever it lets go of is reset.
class PipelineTake {
 public:
  static constexpr HookId kId = HookId::kPipelineTake;
  virtual void pipeline_take(PipelineTaken& taken) = 0;

 protected:
  ~PipelineTake() = default;
};

}  // namespace gateway::hooks
