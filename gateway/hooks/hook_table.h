// The table of all hooks: what an app can be asked and told, when, and what happens without it.
//
// Theory of operation
//
// A hook is a class with one function, which an app derives from and overrides:
//
//     decision: the function returns a value, which the gateway acts on; without it, the default
//     event:    the function returns nothing
//
// Which of the two a row is, is read off the function's type, and HookRunner::ask() takes only
// decisions, tell() only events: they cannot be mixed up (tests/must_not_compile). `liftgate
// hooks`, the section "Hooks" of examples/README.md and the trace of `flowctl flow ID --hooks` are
// made from this table (tests/gateway/hooks/hook_table_test.cc).
//
// There are at most two apps, asked in this order: the rules of the file (rules_app.h), and the one
// that the program was built with. Whoever is asked later is told what was ruled, and may rule
// otherwise.
//
// Hooks of the process run on the control thread. Hooks of a shard run on that shard's thread, on
// an object that is made for each shard, so they need no locks among themselves; what they share,
// such as the object of the process, does. None may block: whoever waits in one keeps every packet
// of the shard waiting. A hook that throws is logged and counted, and the default is taken.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "gateway/hooks/address_hooks.h"
#include "gateway/hooks/connection_hooks.h"
#include "gateway/hooks/flow_hooks.h"
#include "gateway/hooks/hook_id.h"
#include "gateway/hooks/lifecycle_hooks.h"
#include "gateway/hooks/packet_hooks.h"
#include "gateway/hooks/pipeline_hooks.h"
#include "gateway/hooks/tunnel_hooks.h"

namespace gateway::hooks {

enum class HookKind : std::uint8_t { kDecision, kEvent };
enum class HookLayer : std::uint8_t { kGateway, kL3, kL4 };
enum class HookPhase : std::uint8_t {
  kLifecycle,
  kTunnel,
  kFlowBegin,
  kPacket,
  kEgress,
  kIngress,
  kPipeline,
  kClose,
  kFlowEnd,
};
enum class HookThread : std::uint8_t { kControl, kShard };

/// Of a member function of a hook: its class, what it is told, what it says.
template <class Member>
struct HookFunction;
template <class Hook, class Result, class... Args>
struct HookFunction<Result (Hook::*)(Args...)> {
  using Class = Hook;
  using Answer = Result;
  static constexpr HookKind kKind = std::is_void_v<Result> ? HookKind::kEvent : HookKind::kDecision;
};

template <class... Hooks>
struct HookList {};

/// By HookId.
using AllHooks =
    HookList<Start, Reload, ShardReload, TunnelContextRead, FlowDecide, PacketLook, EgressDecide,
             EgressResolve, EgressChoose, EgressDatagrams, EgressEstablished, IngressDecide,
             PipelineDecide, PipelineBytes, PipelineTake, IngressClose, FlowEnd, Stop>;

struct HookInfo {
  HookId id{};
  HookKind kind{};
  std::string_view name;
  HookPhase phase{};
  HookLayer layer{};
  HookThread thread{};
  std::string_view when;
  std::string_view absent;  // what happens without it
  bool may_block = false;
};

struct HookText {
  std::string_view name;
  HookPhase phase{};
  HookLayer layer{};
  HookThread thread{};
  std::string_view when;
  std::string_view absent;
  bool may_block = false;
};

template <auto kMember>
constexpr HookInfo hook(const HookText& text) {
  using Function = HookFunction<decltype(kMember)>;
  return {.id = Function::Class::kId,
          .kind = Function::kKind,
          .name = text.name,
          .phase = text.phase,
          .layer = text.layer,
          .thread = text.thread,
          .when = text.when,
          .absent = text.absent,
          .may_block = text.may_block};
}

/// By HookId.
inline constexpr std::array<HookInfo, kHookCount> kHooks = {
    hook<&Start::start>({.name = "start",
                         .phase = HookPhase::kLifecycle,
                         .layer = HookLayer::kGateway,
                         .thread = HookThread::kControl,
                         .when = "before anything listens",
                         .absent = "the gateway starts",
                         .may_block = true}),
    hook<&Reload::reload>({.name = "reload",
                           .phase = HookPhase::kLifecycle,
                           .layer = HookLayer::kGateway,
                           .thread = HookThread::kControl,
                           .when = "new settings have been read, and hold if it agrees",
                           .absent = "they hold",
                           .may_block = true}),
    hook<&ShardReload::shard_reload>({.name = "shard_reload",
                                      .phase = HookPhase::kLifecycle,
                                      .layer = HookLayer::kGateway,
                                      .thread = HookThread::kShard,
                                      .when = "new settings hold",
                                      .absent = "nothing"}),
    hook<&TunnelContextRead::tunnel_context>(
        {.name = "tunnel_context",
         .phase = HookPhase::kTunnel,
         .layer = HookLayer::kL3,
         .thread = HookThread::kControl,
         .when = "the first datagram of a SEQPACKET tunnel has come",
         .absent = "it is the JSON of the on-ramp"}),
    hook<&FlowDecide::flow_decide>(
        {.name = "flow_decide",
         .phase = HookPhase::kFlowBegin,
         .layer = HookLayer::kL3,
         .thread = HookThread::kShard,
         .when =
             "the first packet of a flow has been parsed; an app is asked after the rules, which "
             "have this hook, too",
         .absent = "as the rules say"}),
    hook<&PacketLook::packet>({.name = "packet",
                               .phase = HookPhase::kPacket,
                               .layer = HookLayer::kL3,
                               .thread = HookThread::kShard,
                               .when = "each packet that a tunnel carries of a flow",
                               .absent = "it passes"}),
    hook<&EgressDecide::egress_decide>({.name = "egress_decide",
                                        .phase = HookPhase::kEgress,
                                        .layer = HookLayer::kL4,
                                        .thread = HookThread::kShard,
                                        .when = "before the upstream of a connection is dialled",
                                        .absent = "it is dialled"}),
    hook<&EgressResolve::egress_resolve>(
        {.name = "egress_resolve",
         .phase = HookPhase::kEgress,
         .layer = HookLayer::kL4,
         .thread = HookThread::kShard,
         .when = "a connection is to be dialled, and its upstream has a name: the tenant was told "
                 "one, or egress_decide has answered one",
         .absent = "it is where the tenant was told"}),
    hook<&EgressChoose::egress_choose>(
        {.name = "egress_choose",
         .phase = HookPhase::kEgress,
         .layer = HookLayer::kL4,
         .thread = HookThread::kShard,
         .when = "that name has several addresses; those it answers are dialled in turn until one "
                 "connects",
         .absent = "those of egress_resolve are dialled in turn; else the one asked for is"}),
    hook<&EgressDatagrams::egress_datagrams>(
        {.name = "egress_datagrams",
         .phase = HookPhase::kEgress,
         .layer = HookLayer::kL4,
         .thread = HookThread::kShard,
         .when = "before the first datagram of a UDP flow leaves",
         .absent = "it leaves by the socket of its source, to where it was sent"}),
    hook<&EgressEstablished::egress_established>({.name = "egress_established",
                                                  .phase = HookPhase::kEgress,
                                                  .layer = HookLayer::kL4,
                                                  .thread = HookThread::kShard,
                                                  .when = "the upstream has answered",
                                                  .absent = "nothing"}),
    hook<&IngressDecide::ingress_decide>(
        {.name = "ingress_decide",
         .phase = HookPhase::kIngress,
         .layer = HookLayer::kL4,
         .thread = HookThread::kShard,
         .when = "the client's connection has been accepted, and nothing of it read",
         .absent = "it is let in"}),
    hook<&PipelineDecide::pipeline_decide>(
        {.name = "pipeline_decide",
         .phase = HookPhase::kPipeline,
         .layer = HookLayer::kL4,
         .thread = HookThread::kShard,
         .when = "both sides of a connection are open, and no byte has passed",
         .absent = "the bytes are relayed inside the kernel"}),
    hook<&PipelineBytes::pipeline_bytes>({.name = "pipeline_bytes",
                                          .phase = HookPhase::kPipeline,
                                          .layer = HookLayer::kL4,
                                          .thread = HookThread::kShard,
                                          .when = "bytes pass on a connection that is watched",
                                          .absent = "nothing"}),
    hook<&PipelineTake::pipeline_take>(
        {.name = "pipeline_take",
         .phase = HookPhase::kPipeline,
         .layer = HookLayer::kL4,
         .thread = HookThread::kShard,
         .when = "pipeline_decide has wanted the two sockets of a connection",
         .absent = "the bytes are relayed inside the kernel"}),
    hook<&IngressClose::ingress_close>({.name = "ingress_close",
                                        .phase = HookPhase::kClose,
                                        .layer = HookLayer::kL4,
                                        .thread = HookThread::kShard,
                                        .when = "a connection that was let in is over",
                                        .absent = "nothing"}),
    hook<&FlowEnd::flow_end>({.name = "flow_end",
                              .phase = HookPhase::kFlowEnd,
                              .layer = HookLayer::kL3,
                              .thread = HookThread::kShard,
                              .when = "a flow is over, with its last counters",
                              .absent = "nothing"}),
    hook<&Stop::stop>({.name = "stop",
                       .phase = HookPhase::kLifecycle,
                       .layer = HookLayer::kGateway,
                       .thread = HookThread::kControl,
                       .when = "every flow has ended",
                       .absent = "nothing",
                       .may_block = true}),
};

constexpr bool is_in_order(const std::array<HookInfo, kHookCount>& table) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].id != HookId{static_cast<std::uint8_t>(i)}) {
      return false;
    }
  }
  return true;
}
static_assert(is_in_order(kHooks));

template <class... Hooks>
constexpr bool lists_all(HookList<Hooks...> /*all*/) {
  std::size_t at = 0;
  return sizeof...(Hooks) == kHookCount && ((static_cast<std::size_t>(Hooks::kId) == at++) && ...);
}
static_assert(lists_all(AllHooks{}));

[[nodiscard]] constexpr const HookInfo& info(HookId id) {
  return kHooks[static_cast<std::size_t>(id)];
}
std::string_view name(HookKind kind);      // "decision"
std::string_view name(HookLayer layer);    // "l3"
std::string_view name(HookPhase phase);    // "flow_begin"
std::string_view name(HookThread thread);  // "shard"

}  // namespace gateway::hooks
