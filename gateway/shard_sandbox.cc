// Shard, as far as its sandbox is concerned: what comes out of it, and its loss.
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/shard.h"

namespace gateway {

using base::Fd;
using flows::Drop;
using flows::EndReason;
using flows::FlowIndex;
using flows::FlowState;

void Shard::packets_from_sandbox(std::span<RawPacket> packets) {
  path_.packets_from_sandbox(packets);
}

void Shard::accepted(Fd socket, const base::Endpoint& peer) {
  // No binding: the flow ended between the handshake's last segment and now. Closing says so.
  if (const auto binding = flows_.bindings().find(peer)) {
    upgrade_.accepted(std::move(socket), flows_.bindings().flow(*binding));
  }
}

void Shard::refused(const base::Endpoint& peer) {
  if (const auto binding = flows_.bindings().find(peer)) {
    const FlowIndex flow = flows_.bindings().flow(*binding);
    path_.dropped(flow, Drop::kNoDescriptor);
    flows_.retire(flow, EndReason::kNoDescriptor, loop_.now());
  }
}

void Shard::sandbox_write_failed(std::size_t packets) {
  for (std::size_t i = 0; i < packets; ++i) {
    path_.dropped(sandbox_.is_up() ? Drop::kSandboxWriteFailed : Drop::kSandboxDown);
  }
}

void Shard::sandbox_lost() {
  log_error("sandbox lost helper={} its flows are reset, another is started",
            sandbox_.helper_pid());
  reset_upgraded(EndReason::kSandboxLost);
  sandbox_.uninstall();
  restore_sandbox();
}

// The sockets' RSTs leave the kernel inside as they are closed; they reach the clients before the
// flows, which know the way, are gone. Flows that still dial have nothing in the sandbox, unless
// they dial through it.
void Shard::reset_upgraded(EndReason reason) {
  const auto is_inside = [&](FlowIndex index) {
    const flows::Flow& flow = flows_[index];
    return flow.binding != flows::kNone32 &&
           (flow.state != FlowState::kDialing || flows::is_downgraded(flow));
  };
  retire_upgraded(reason, is_inside);
  flows_.for_each([&](FlowIndex index) {
    if (is_inside(index)) {
      flows_.end(index, reason);
    }
  });
}

// Resets those of the `wanted` upgraded TCP flows that live, whether their client is connected,
// waits to be accepted, or has got no answer yet.
void Shard::retire_upgraded(EndReason reason, const std::function<bool(FlowIndex)>& wanted) {
  std::uint32_t resets = 0;
  flows_.for_each([&](FlowIndex index) {
    if (!wanted(index)) {
      return;
    }
    upgrade_.reset_unaccepted(index);
    flows_.retire(index, reason, loop_.now());
    if (++resets % kResetsAtOnce == 0) {
      sandbox_.drain();
    }
  });
  sandbox_.close_listeners();
  sandbox_.drain();
}

// Without a sandbox no flow can be upgraded, so the shard waits for it: some ten milliseconds.
void Shard::restore_sandbox() {
  auto sandbox = SandboxLink::make(settings_.io, settings_.confine);
  if (!sandbox) {
    log_error("sandbox not restarted error={}", LogValue{sandbox.error().message()});
    return;
  }
  if (auto installed = sandbox_.install(std::move(sandbox).value()); !installed) {
    log_error("sandbox not restarted error={}", LogValue{installed.error().message()});
    sandbox_.uninstall();
    return;
  }
  ++sandbox_restarts_;
  log_info("sandbox restarted helper={}", sandbox_.helper_pid());
}

}  // namespace gateway
