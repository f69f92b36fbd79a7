// FlowModel: what FlowKeeper and its bindings must do, said as slowly and plainly as possible.
//
// One std::map of flows, one list of slots, no wheel, no hash, no indices, no linked lines. Whoever
// drives it does everything twice, here and there, and then compares (fuzz_nat_model.cc).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/time.h"
#include "flows/drop.h"
#include "flows/flow.h"
#include "flows/packet.h"
#include "gateway/config/settings.h"
#include "gateway/flow/waiting_flows.h"

namespace fuzz {

struct ModelFlow {
  std::uint64_t id = 0;
  flows::FlowKey key;
  flows::Action action{};
  std::uint32_t tunnel = flows::kNone32;
  std::uint32_t peer = flows::kNone32;
  flows::FlowState state{};
  flows::TcpPhase phase{};
  flows::EndReason reason{};
  bool is_served = false;  // a dial or relay hangs on it
  std::vector<std::uint32_t> slots;
  flows::WireCount up;
  flows::WireCount down;
  unsigned replies = 0;
  unsigned repeats = 0;
  bool was_open = false;  // TCP: its handshake has been finished
  std::optional<gateway::Wait> waits;
  std::uint64_t place = 0;  // among those that wait for the same: the least is the first
  base::Instant began{};
  base::Instant seen{};
  base::Instant looked_at{};  // when the timer that runs is due

  [[nodiscard]] bool is_tcp() const { return key.protocol == flows::Protocol::kTcp; }
  [[nodiscard]] bool is_denied() const {
    return action == flows::Action::kReject || action == flows::Action::kDrop;
  }
  [[nodiscard]] bool is_stopped() const {
    return reason == flows::EndReason::kKilled || reason == flows::EndReason::kPolicy;
  }
  [[nodiscard]] std::uint32_t& tunnel_of(bool initiator) {
    return initiator == (action != flows::Action::kDowngrade) ? tunnel : peer;
  }
  [[nodiscard]] bool is_half_open() const {
    return waits == gateway::Wait::kDial || waits == gateway::Wait::kHandshake;
  }
};

/// The slots of the sandbox's NAT, those that have rested longest first.
class ModelSlots {
 public:
  explicit ModelSlots(std::uint32_t count) {
    for (std::uint32_t slot = 0; slot < count; ++slot) {
      free_.push_back(slot);
    }
  }
  [[nodiscard]] std::size_t free() const { return free_.size(); }
  std::uint32_t claim() {
    const std::uint32_t slot = free_.front();
    free_.pop_front();
    return slot;
  }
  void release(std::uint32_t slot) { free_.push_back(slot); }

 private:
  std::deque<std::uint32_t> free_;
};

class FlowModel {
 public:
  using Flows = std::map<std::uint64_t, ModelFlow>;  // by id

  FlowModel(std::uint32_t most, std::uint32_t slots) : most_(most), slots_(slots) {}

  Flows flows;
  gateway::Timeouts timeouts;
  std::map<std::uint32_t, std::uint32_t> most_of;            // by tenant
  std::map<std::uint32_t, std::uint32_t> most_half_open_of;  // by tenant
  bool audit_is_full = false;

  /// Every flow is asked, in both directions; one that is refused has only its own.
  ModelFlow* find(const flows::FlowKey& key) {
    ModelFlow* found = nullptr;
    for (auto& [id, flow] : flows) {
      if (flow.key == key || (!flow.is_denied() && flow.key.reversed() == key)) {
        CHECK(found == nullptr);  // no two flows of one key
        found = &flow;
      }
    }
    return found;
  }

  [[nodiscard]] std::uint32_t count_of_tenant(std::uint32_t tenant) const {
    return count([&](const ModelFlow& flow) { return flow.key.tenant == tenant; });
  }
  [[nodiscard]] std::uint32_t count_of_tunnel(std::uint32_t tunnel) const {
    return count([&](const ModelFlow& flow) { return flow.tunnel == tunnel; });
  }
  [[nodiscard]] std::uint32_t count_of_peer(std::uint32_t tunnel) const {
    return count([&](const ModelFlow& flow) { return flow.peer == tunnel; });
  }

  [[nodiscard]] std::uint32_t half_open_of(std::uint32_t tenant) const {
    return count(
        [&](const ModelFlow& flow) { return flow.key.tenant == tenant && flow.is_half_open(); });
  }
  [[nodiscard]] std::uint32_t waiting_of_tenant(std::uint32_t tenant) const {
    return count([&](const ModelFlow& flow) { return flow.key.tenant == tenant && flow.waits; });
  }
  [[nodiscard]] std::uint32_t waiting_of_tunnel(std::uint32_t tunnel) const {
    return count([&](const ModelFlow& flow) { return flow.tunnel == tunnel && flow.waits; });
  }

  static std::size_t slots_needed(const ModelFlow& flow) {
    if (!flow.is_tcp()) {
      return 0;
    }
    if (flow.action == flows::Action::kUpgrade) {
      return flow.peer == flows::kNone32 ? 1 : 2;
    }
    return flow.action == flows::Action::kDowngrade ? 1 : 0;
  }

  /// Why `flow` cannot begin; nothing: it can.
  [[nodiscard]] std::optional<flows::Drop> refusal(const ModelFlow& flow) const {
    if (count_of_tenant(flow.key.tenant) >= most_of.at(flow.key.tenant)) {
      return flows::Drop::kTenantFlowLimit;
    }
    if (audit_is_full) {
      return flows::Drop::kAuditBacklog;
    }
    if (flows.size() >= most_) {
      return flows::Drop::kFlowTableFull;
    }
    const std::uint32_t tenant = flow.key.tenant;
    if (flow.is_tcp() && !flow.is_denied() &&
        half_open_of(tenant) >= most_half_open_of.at(tenant)) {
      return flows::Drop::kHalfOpenLimit;
    }
    if (slots_needed(flow) > slots_.free()) {
      return flows::Drop::kNoFreeBinding;
    }
    return std::nullopt;
  }

  /// The flow that ends for one that `tunnel` of `tenant` begins, where it has met `limit`: the
  /// drawing of gateway/flow/waiting_flows.h. Each tenant has `tunnels`.
  std::optional<std::uint64_t> giving_way(flows::Drop limit, std::uint32_t tenant,
                                          std::uint32_t tunnel, std::uint32_t tunnels,
                                          base::Instant now) {
    using enum gateway::Wait;
    if (limit == flows::Drop::kDialLimit) {
      return longest_waiting(tenant, {kDial}, tunnel, tunnels, now);
    }
    if (limit == flows::Drop::kHalfOpenLimit) {
      return longest_waiting(tenant, {kDial, kHandshake}, tunnel, tunnels, now);
    }
    if (limit != flows::Drop::kTenantFlowLimit && limit != flows::Drop::kFlowTableFull) {
      return std::nullopt;
    }
    const std::size_t share = most_ / most_of.size();
    const bool is_entitled =
        limit == flows::Drop::kFlowTableFull && count_of_tenant(tenant) < share;
    for (const auto& [other, most] : most_of) {
      if (is_entitled && count_of_tenant(other) > share && waiting_of_tenant(other) > 0) {
        return longest_waiting(other, {kDial, kHandshake, kAnswer}, std::nullopt, tunnels, now);
      }
    }
    return longest_waiting(tenant, {kDial, kHandshake, kAnswer}, tunnel, tunnels, now);
  }

  void begin(ModelFlow flow, base::Instant now) {
    flow.began = now;
    flow.seen = now;
    flow.looked_at = now + timeout(flow);
    for (std::size_t i = slots_needed(flow); i > 0; --i) {
      flow.slots.push_back(slots_.claim());
    }
    follow_wait(flow);
    CHECK(flows.emplace(flow.id, flow).second);  // no id twice
  }

  void end(std::uint64_t id) {
    const auto found = flows.find(id);
    CHECK(found != flows.end());
    // The responder's rests first; that both rest is what counts.
    for (auto slot = found->second.slots.rbegin(); slot != found->second.slots.rend(); ++slot) {
      slots_.release(*slot);
    }
    flows.erase(found);
  }

  void enter(ModelFlow& flow, flows::FlowState state, base::Instant now) {
    flow.state = state;
    follow_wait(flow);
    flow.seen = now;
    flow.looked_at = now + timeout(flow);
  }

  void retire(ModelFlow& flow, flows::EndReason reason, base::Instant now) {
    if (flow.reason == flows::EndReason::kNone) {
      flow.reason = reason;
    }
    enter(flow, flows::FlowState::kTimeWait, now);
    flow.is_served = false;
  }

  void pass(ModelFlow& flow, bool from_initiator, const flows::WireCount& wire,
            const flows::Packet& packet, base::Instant now) {
    flows::WireCount& total = from_initiator ? flow.up : flow.down;
    total.packets += wire.packets;
    total.bytes += wire.bytes;
    if (flow.is_stopped()) {
      return;
    }
    if (flow.is_tcp() && flow.state == flows::FlowState::kTimeWait &&
        now - flow.seen >= std::chrono::milliseconds(150)) {
      flow.repeats = std::min(flow.repeats + 1, 6U);
    }
    flow.seen = now;
    flow.replies += from_initiator ? 0 : 1;
    if (flow.is_tcp()) {
      follow_segment(flow, from_initiator, packet, now);
    }
    follow_wait(flow);
  }

  void follow_segment(ModelFlow& flow, bool from_initiator, const flows::Packet& packet,
                      base::Instant now) {
    const flows::TcpPhase before = flow.phase;
    flow.phase = phase_after(before, from_initiator, packet.tcp_flags);
    const bool forwards = flow.action == flows::Action::kForward;
    if (forwards && flow.phase != before && flow.phase == flows::TcpPhase::kClosed) {
      const auto by_reset =
          from_initiator ? flows::EndReason::kResetByClient : flows::EndReason::kResetByUpstream;
      retire(flow, packet.tcp_flags.rst() ? by_reset : flows::EndReason::kClosed, now);
      return;
    }
    if (forwards && flow.state == flows::FlowState::kSynReceived &&
        flow.phase != flows::TcpPhase::kOpening && flow.phase != flows::TcpPhase::kAnswered) {
      flow.state = flows::FlowState::kEstablished;
    }
    if (flow.state == flows::FlowState::kEstablished && packet.tcp_flags.fin()) {
      flow.state = flows::FlowState::kClosing;
    }
  }

  /// How long it may be idle: the table of config/settings.h.
  [[nodiscard]] base::Duration timeout(const ModelFlow& flow) const {
    if (flow.is_denied()) {
      return timeouts.udp;
    }
    switch (flow.key.protocol) {
      case flows::Protocol::kIcmp:
      case flows::Protocol::kIcmpv6:
        return timeouts.icmp;
      case flows::Protocol::kUdp:
        if (number(flow.key.destination.port) == 53) {
          return timeouts.dns;
        }
        return flow.up.packets > 1 && flow.replies > 1 ? timeouts.udp_stream : timeouts.udp;
      case flows::Protocol::kTcp:
        return tcp_timeout(flow);
      default:
        return timeouts.other;
    }
  }

  /// What becomes of it when its timer has run out.
  enum class Due { kLater, kRetired, kEnded };
  [[nodiscard]] Due due(const ModelFlow& flow, base::Instant now) const {
    if (flow.looked_at > now || flow.seen + timeout(flow) > now) {
      return Due::kLater;
    }
    const bool is_open =
        flow.state != flows::FlowState::kDialing && flow.state != flows::FlowState::kSynReceived;
    return is_open && flow.is_served && !flow.slots.empty() ? Due::kRetired : Due::kEnded;
  }

 private:
  template <class Wanted>
  [[nodiscard]] std::uint32_t count(Wanted wanted) const {
    return static_cast<std::uint32_t>(std::count_if(
        flows.begin(), flows.end(), [&](const auto& flow) { return wanted(flow.second); }));
  }

  static std::optional<gateway::Wait> wait_of(const ModelFlow& flow) {
    const bool both_spoke = flow.up.packets > 0 && flow.replies > 0;
    if (flow.is_denied() || (!flow.is_tcp() && !both_spoke)) {
      return gateway::Wait::kAnswer;
    }
    if (!flow.is_tcp() || flow.was_open) {
      return std::nullopt;
    }
    if (flow.state == flows::FlowState::kDialing) {
      return gateway::Wait::kDial;
    }
    return flow.state == flows::FlowState::kSynReceived ? gateway::Wait::kHandshake
                                                        : gateway::Wait::kAnswer;
  }

  void follow_wait(ModelFlow& flow) {
    flow.was_open = flow.was_open || flow.state == flows::FlowState::kEstablished ||
                    flow.state == flows::FlowState::kClosing;
    if (const auto now = wait_of(flow); now != flow.waits) {
      flow.waits = now;
      flow.place = ++last_place_;
    }
  }

  ModelFlow* first_that_waits(std::uint32_t tenant, gateway::Wait wait) {
    ModelFlow* first = nullptr;
    for (auto& [id, flow] : flows) {
      if (flow.key.tenant == tenant && flow.waits == wait &&
          (first == nullptr || flow.place < first->place)) {
        first = &flow;
      }
    }
    return first;
  }

  // `wanting`: the tenant's own tunnel; nothing: it is for another tenant.
  std::optional<std::uint64_t> longest_waiting(std::uint32_t tenant,
                                               std::initializer_list<gateway::Wait> kinds,
                                               std::optional<std::uint32_t> wanting,
                                               std::uint32_t tunnels, base::Instant now) {
    const auto has_its_part = [&](std::uint32_t tunnel) {
      return waiting_of_tunnel(tunnel) * tunnels >= waiting_of_tenant(tenant);
    };
    constexpr int kMostLooks = 8;
    for (int looks = 0; looks < kMostLooks; ++looks) {
      ModelFlow* oldest = nullptr;
      for (const gateway::Wait kind : kinds) {
        ModelFlow* first = first_that_waits(tenant, kind);
        if (first != nullptr && (oldest == nullptr || first->began < oldest->began)) {
          oldest = first;
        }
      }
      if (oldest == nullptr) {
        return std::nullopt;
      }
      if (has_its_part(oldest->tunnel)) {
        const bool is_too_soon =
            wanting && has_its_part(*wanting) && now < oldest->began + std::chrono::seconds(1);
        return is_too_soon ? std::nullopt : std::optional(oldest->id);
      }
      oldest->place = ++last_place_;
    }
    return std::nullopt;
  }

  [[nodiscard]] base::Duration tcp_timeout(const ModelFlow& flow) const {
    if (flow.state == flows::FlowState::kDialing || flow.state == flows::FlowState::kSynReceived) {
      return timeouts.tcp_handshake;
    }
    if (flow.state == flows::FlowState::kTimeWait) {
      return timeouts.tcp_time_wait * (1U << flow.repeats);
    }
    if (flow.is_served) {
      return timeouts.tcp_established;
    }
    if (flow.phase == flows::TcpPhase::kClosed) {
      return timeouts.tcp_time_wait;
    }
    return flow.phase == flows::TcpPhase::kOpening || flow.phase == flows::TcpPhase::kAnswered
               ? timeouts.tcp_handshake
               : timeouts.tcp_established;
  }

  // The drawing of flows/tcp_phase.h.
  static flows::TcpPhase phase_after(flows::TcpPhase phase, bool initiator, flows::TcpFlags flags) {
    using enum flows::TcpPhase;
    if (flags.rst()) {
      return kClosed;
    }
    if (phase == kOpening) {
      return initiator ? kOpening : kAnswered;
    }
    if (phase == kAnswered && initiator && flags.ack()) {
      phase = kOpen;
    }
    if (!flags.fin() || phase == kAnswered) {
      return phase;
    }
    if (phase == kOpen) {
      return initiator ? kClosingByInitiator : kClosingByResponder;
    }
    return phase == (initiator ? kClosingByResponder : kClosingByInitiator) ? kClosed : phase;
  }

  std::size_t most_;
  ModelSlots slots_;
  std::uint64_t last_place_ = 0;
};

}  // namespace fuzz
