// Any sequence of packets, socket events, reloads and time against the gateway's FlowKeeper, its
// table, its timers and its bindings; after every step they must be what a slow and obvious model
// says (flow_model.h): the same flow for a packet, from either side; the same slots, none of them
// two flows'; counters that add up; the same flow that gives way where a limit is met; and for each
// flow one start and one end in the audit log.
//
// Every step is three bytes: what happens, to which of 16 keys, and how. 16 keys of two tenants
// with two tunnels each meet a table of 1 to 12 flows and 1 to 8 slots.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/check.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/flow/flow_region.h"
#include "gateway/flow/sandbox_plan.h"
#include "tests/fuzz/flow_model.h"
#include "tests/support/packet_builder.h"

namespace {

using base::Instant;
using flows::Action;
using flows::EndReason;
using flows::FlowIndex;
using flows::FlowKey;
using flows::FlowState;
using flows::Protocol;
using flows::Side;
using fuzz::FlowModel;
using fuzz::ModelFlow;
using gateway::FlowKeeper;
using gateway::Tunnel;

constexpr std::uint8_t kKeys = 16;
constexpr std::uint32_t kTenants = 2;
constexpr std::size_t kTunnelsOfATenant = 2;
// Everything happens at a whole tick, so that the model need not know what a tick is.
constexpr base::Duration kTick = flows::ExpiryWheel::kTick;

// Keys differ from one another in one part only, wherever that can be.
FlowKey key_number(std::uint8_t number) {
  constexpr auto kClient = "100.64.0.2:4000";
  static const std::array<FlowKey, kKeys / kTenants> kOfATenant = [] {
    const auto key = [](Protocol protocol, const char* from, const char* to) {
      return FlowKey{.source = test_support::endpoint(from),
                     .destination = test_support::endpoint(to),
                     .tenant = 0,
                     .protocol = protocol,
                     .icmp_type = flows::echo_request_of(protocol)};
    };
    return std::array{key(Protocol::kTcp, kClient, "192.0.2.1:80"),
                      key(Protocol::kTcp, kClient, "192.0.2.1:81"),
                      key(Protocol::kTcp, kClient, "192.0.2.2:80"),
                      key(Protocol::kTcp, "[fd00:64::2]:4000", "[2001:db8::1]:80"),
                      key(Protocol::kUdp, kClient, "192.0.2.1:80"),
                      key(Protocol::kUdp, kClient, "192.0.2.1:53"),
                      key(Protocol::kIcmp, "100.64.0.2:7", "192.0.2.1:7"),
                      key(Protocol{47}, "100.64.0.2:0", "192.0.2.1:0")};
  }();
  FlowKey key = kOfATenant[number / kTenants];
  key.tenant = number % kTenants + 1;
  return key;
}

// One that may take over the flows of another says so.
class ModelTunnel final : public Tunnel {
 public:
  ModelTunnel(std::uint32_t id, bool moves, gateway::Tenant& tenant)
      : Tunnel(info_of(id), tenant), moves_(moves) {}
  flows::WireCount send(const gateway::RawPacket& /*packet*/,
                        const flows::Packet& /*parsed*/) override {
    return {};
  }
  [[nodiscard]] bool may_take_over(const Tunnel& /*owner*/) const override { return moves_; }

 private:
  static gateway::TunnelInfo info_of(std::uint32_t id) {
    gateway::TunnelInfo info;
    info.id = id;
    return info;
  }

  bool moves_;
};

// One start and one end for each flow, with the counters that the model has.
class ModelAudit final : public gateway::AuditLog {
 public:
  explicit ModelAudit(FlowModel& model) : model_(model) {}
  void append(const gateway::AuditEvent& event) override {
    const std::uint64_t id = event.flow.id;
    if (event.kind == gateway::AuditEvent::Kind::kFlowStart) {
      CHECK(started_.insert(id).second);
      return;
    }
    CHECK(started_.contains(id) && ended_.insert(id).second);
    const ModelFlow& flow = model_.flows.at(id);
    CHECK(event.flow.up.packets == flow.up.packets && event.flow.up.bytes == flow.up.bytes);
    CHECK(event.flow.down.packets == flow.down.packets && event.flow.down.bytes == flow.down.bytes);
    CHECK(event.flow.end_reason != EndReason::kNone);
    CHECK(flow.reason == EndReason::kNone || event.flow.end_reason == flow.reason);
  }
  [[nodiscard]] bool accepts_starts() const override { return !model_.audit_is_full; }
  void reopen() override {}
  [[nodiscard]] std::uint64_t events() const override { return started_.size() + ended_.size(); }
  [[nodiscard]] std::uint64_t write_errors() const override { return 0; }
  [[nodiscard]] gateway::AuditHealth health() const override { return {}; }

  [[nodiscard]] std::size_t running() const { return started_.size() - ended_.size(); }
  [[nodiscard]] std::size_t ended() const { return ended_.size(); }

 private:
  FlowModel& model_;
  std::set<std::uint64_t> started_;
  std::set<std::uint64_t> ended_;
};

gateway::Settings settings_for(std::uint32_t flows, std::uint32_t slots) {
  gateway::Settings settings = gateway::default_settings();
  settings.flows.max = flows;
  settings.nat.bindings = slots;
  return settings;
}

gateway::TenantSettings tenant_settings(std::uint32_t id) {
  gateway::TenantSettings settings;
  settings.name = id == 1 ? "acme" : "umbrella";
  settings.id = id;
  return settings;
}

class Run final : private FlowKeeper::Servant, private FlowKeeper::Observer {
 public:
  Run(std::uint32_t most_flows, std::uint32_t slots, bool tunnels_move)
      : slots_(slots),
        model_(most_flows, slots),
        audit_(model_),
        settings_(settings_for(most_flows, slots)),
        region_(gateway::FlowRegion::create(flows::FlowTable::region_bytes(most_flows)).value()),
        quota_(most_flows, kTenants),
        keeper_(region_, settings_, {.low = most_flows, .high = slots}, audit_, now_,
                {.shard = 0, .quota = quota_}),
        tunnels_move_(tunnels_move) {
    keeper_.set_servant(*this);
    keeper_.set_observer(*this);
    for (std::uint32_t id = 1; id <= kTenants; ++id) {
      tenants_.push_back(std::make_unique<gateway::Tenant>(tenant_settings(id)));
      for (std::size_t i = 0; i < kTunnelsOfATenant; ++i) {
        open_tunnel(id, i);
      }
    }
    set_limits(12, 12);
    set_half_open_limits(12);
    set_timeouts(0);
  }

  void step(std::uint8_t what, std::uint8_t which, std::uint8_t how) {
    const auto key = static_cast<std::uint8_t>(which % kKeys);
    switch (what % 8) {
      case 0:
      case 1:
      case 2:
        packet(key, (which & 0x80U) != 0, (which & 0x40U) != 0, how);
        break;
      case 3:
      case 4:
        socket_event(key, how);
        break;
      case 5:
        pass_time(how < 128 ? how : how * base::Duration(std::chrono::seconds(1)) / kTick);
        break;
      case 6:
        reload(which, how);
        break;
      default:
        tunnel_event(key % kTenants + 1, which / kKeys % kTunnelsOfATenant, how);
        break;
    }
    check_all();
  }

  // All that is left ends by itself, in two waits: what a relay served is reset first.
  void drain() {
    for (int wait = 0; wait < 2; ++wait) {
      pass_time(std::chrono::hours(24) / kTick);
      check_all();
    }
    CHECK(model_.flows.empty() && keeper_.bindings().claimed() == 0 && quota_.used() == 0);
    CHECK(audit_.running() == 0 && keeper_.opened() == keeper_.ended());
  }

 private:
  // ---- What FlowKeeper calls ----

  void detach(FlowIndex index) override {
    flows::Flow& flow = keeper_[index];
    CHECK(flow.attachment != flows::kNone32 && model_.flows.contains(flow.id));
    CHECK(detached_.insert(flow.attachment).second);  // once
    flow.attachment = flows::kNone32;
  }
  void flow_opened(FlowIndex index) override { CHECK(keeper_[index].id != 0); }
  void flow_ended(FlowIndex index) override {
    const std::uint64_t id = keeper_[index].id;
    if (is_waiting_) {  // not before its time
      CHECK(model_.due(model_.flows.at(id), now_) == FlowModel::Due::kEnded);
    }
    model_.end(id);
  }

  // ---- What happens ----

  void packet(std::uint8_t number, bool from_responder, bool by_other_tunnel, std::uint8_t how) {
    const FlowKey key = key_number(number);
    const FlowKey seen = from_responder ? key.reversed() : key;
    const auto match = keeper_.find(seen);
    ModelFlow* flow = model_.find(seen);
    CHECK(match.has_value() == (flow != nullptr));
    Tunnel& from = *tunnel(key.tenant, by_other_tunnel ? 1 : 0);
    const auto bytes = packet_of(seen, how);
    const flows::Packet parsed = flows::parse(bytes, {}).value();
    CHECK(flows::key_of(key.tenant, parsed) == seen);
    if (flow == nullptr) {
      if (!flows::question_of(seen.protocol, seen.icmp_type)) {  // an answer begins nothing
        begin(seen, from, how);
      }
      return;
    }
    const bool by_initiator = flow->key == seen;
    CHECK((match->sender == Side::kInitiator) == by_initiator);
    CHECK(keeper_[match->index].id == flow->id);
    if (!hears(match->index, *flow, by_initiator, from)) {
      return;
    }
    if (parsed.protocol == Protocol::kTcp && parsed.tcp_flags.opens() &&
        flows::is_over(keeper_[match->index])) {
      CHECK(!flow->is_denied() &&
            (flow->state == FlowState::kTimeWait || flow->phase == flows::TcpPhase::kClosed));
      keeper_.end(match->index, EndReason::kClosed);
      begin(seen, from, how);
      return;
    }
    const flows::WireCount wire{.packets = how % 3U + 1, .bytes = bytes.size() * (how % 3U + 1)};
    model_.pass(*flow, by_initiator, wire, parsed, now_);
    keeper_.touch(match->index, match->sender, wire, parsed, now_);
  }

  static test_support::Packet packet_of(const FlowKey& key, std::uint8_t how) {
    test_support::PacketBuilder builder(static_cast<unsigned>(key.protocol), key.source,
                                        key.destination);
    if (key.protocol == Protocol::kTcp) {
      using F = flows::TcpFlags;
      constexpr std::array kFlags = {int{F::kSyn},      F::kSyn | F::kAck, int{F::kAck},
                                     F::kFin | F::kAck, int{F::kRst},      F::kRst | F::kAck,
                                     F::kPsh | F::kAck, int{F::kFin}};
      builder.flags(static_cast<unsigned>(kFlags[how % kFlags.size()]));
    } else if (key.protocol == Protocol::kIcmp) {
      builder.icmp(key.icmp_type, 0, std::uint32_t{base::number(key.source.port)} << 16U);
    }
    return builder.payload(how % 5U * std::size_t{7}).build();
  }

  bool hears(FlowIndex index, ModelFlow& flow, bool by_initiator, Tunnel& from) {
    std::uint32_t& owner = flow.tunnel_of(by_initiator);
    const bool expected = owner == from.id() || (keeper_.tunnel(owner) != nullptr && tunnels_move_);
    const Side side = by_initiator ? Side::kInitiator : Side::kResponder;
    CHECK(keeper_.may_speak_for(owner, from) == expected);
    CHECK(keeper_.hears(index, side, from) == expected);
    if (expected) {
      owner = from.id();
    }
    return expected;
  }

  // As PacketPath: where a limit is met, somebody may give way, and then it is tried once more.
  void begin(const FlowKey& key, Tunnel& from, std::uint8_t how) {
    if (const auto limit = try_to_begin(key, from, how); limit && makes_room(*limit, from)) {
      try_to_begin(key, from, how);
    }
  }

  bool makes_room(flows::Drop limit, Tunnel& wanting) {
    const auto id = model_.giving_way(limit, wanting.tenant().settings.id, wanting.id(),
                                      kTunnelsOfATenant, now_);
    const auto index = keeper_.giving_way(limit, wanting, now_);
    CHECK(index.has_value() == id.has_value());
    if (!index) {
      return false;
    }
    CHECK(keeper_[*index].id == *id);
    keeper_.end(*index, EndReason::kEvicted);
    return true;
  }

  std::optional<flows::Drop> try_to_begin(const FlowKey& key, Tunnel& from, std::uint8_t how) {
    constexpr std::array kActions = {Action::kUpgrade, Action::kUpgrade,   Action::kForward,
                                     Action::kReject,  Action::kDowngrade, Action::kUpgrade,
                                     Action::kDrop,    Action::kUpgrade};
    Tunnel& other = *tunnel(key.tenant, from.id() == tunnel(key.tenant, 0)->id() ? 1 : 0);
    ModelFlow flow;
    flow.key = key;
    flow.action = kActions[(how >> 5U) % kActions.size()];
    flow.tunnel = from.id();
    const bool downgraded_again = flow.action == Action::kUpgrade && (how >> 5U) == 7;
    if (flow.action == Action::kForward || downgraded_again) {
      flow.peer = other.id();
    }
    const bool dials = flow.is_tcp() && flow.action == Action::kUpgrade;
    flow.state = FlowState::kEstablished;
    if (flow.is_tcp() && flow.action == Action::kForward) {
      flow.state = FlowState::kSynReceived;
    } else if (dials) {
      flow.state = FlowState::kDialing;
    }
    const auto refusal = model_.refusal(flow);
    const auto limit = keeper_.limit_met(from.tenant(), key, flow.action);
    CHECK(!limit || limit == refusal);
    FlowKeeper::Opening opening{.tunnel = from,
                                .action = flow.action,
                                .peer_tunnel = flow.peer,
                                .upstream = key.destination,
                                .state = flow.state};
    const auto index = keeper_.open(key, opening, now_);
    CHECK(index.has_value() == !refusal.has_value());
    if (!index) {
      CHECK(index.error() == *refusal);
      return refusal;
    }
    flow.id = keeper_[*index].id;
    model_.begin(flow, now_);
    if (dials || (flow.is_tcp() && flow.action == Action::kDowngrade)) {
      keeper_[*index].attachment = next_attachment_++;
      model_.flows.at(flow.id).is_served = true;
    }
    return std::nullopt;
  }

  // To a flow that is there: its dial, its relay, an operator.
  void socket_event(std::uint8_t number, std::uint8_t how) {
    ModelFlow* flow = model_.find(key_number(number));
    if (flow == nullptr) {  // it is not even opened: its tenant dials as much as it may
      makes_room(flows::Drop::kDialLimit, *tunnel(key_number(number).tenant, how % 2));
      return;
    }
    const FlowIndex index = keeper_.find(flow->key).value().index;
    switch (how % 8) {
      case 0:  // the dial is answered
        if (flow->state == FlowState::kDialing) {
          enter(index, *flow, FlowState::kSynReceived);
        }
        break;
      case 1:  // and failed
        if (flow->state == FlowState::kDialing) {
          keeper_.end(index, EndReason::kRefused);
        }
        break;
      case 2:
        accepted(*flow);
        break;
      case 3:
        keeper_.retire(index, EndReason::kClosed, now_);
        model_.retire(*flow, EndReason::kClosed, now_);
        break;
      case 4:
        keeper_.retire(index, EndReason::kKilled, now_);
        model_.retire(*flow, EndReason::kKilled, now_);
        break;
      case 5:
        keeper_.keep_alive(index, now_);
        flow->seen = flow->is_stopped() ? flow->seen : now_;
        break;
      case 6:
        keeper_.count_down(index, {.packets = 1, .bytes = 56});
        flow->down.packets += 1;
        flow->down.bytes += 56;
        break;
      default:
        keeper_.end(index, EndReason::kEvicted);
        break;
    }
  }

  // accept() knows the flow by its peer's address alone.
  void accepted(ModelFlow& flow) {
    if (flow.slots.empty() || flow.state != FlowState::kSynReceived) {
      return;
    }
    const auto slot = keeper_.bindings().find(outside(flow.slots.front(), flow));
    CHECK(slot.has_value());
    const FlowIndex index = keeper_.bindings().flow(*slot);
    CHECK(keeper_[index].id == flow.id);
    enter(index, flow, FlowState::kEstablished);
  }

  void enter(FlowIndex index, ModelFlow& flow, FlowState state) {
    keeper_.set_state(index, state, now_);
    model_.enter(flow, state, now_);
  }

  void pass_time(std::int64_t ticks) {
    now_ += ticks * kTick;
    std::map<std::uint64_t, FlowModel::Due> expected;
    for (const auto& [id, flow] : model_.flows) {
      expected[id] = model_.due(flow, now_);
    }
    is_waiting_ = true;
    while (!keeper_.expire(now_)) {
    }
    is_waiting_ = false;
    for (const auto& [id, due] : expected) {
      const auto found = model_.flows.find(id);
      CHECK((found == model_.flows.end()) == (due == FlowModel::Due::kEnded));  // nor after it
      if (due == FlowModel::Due::kRetired) {
        model_.retire(found->second, EndReason::kTimedOut, now_);
      } else if (due == FlowModel::Due::kLater && found->second.looked_at <= now_) {
        found->second.looked_at = found->second.seen + model_.timeout(found->second);
      }
    }
  }

  void reload(std::uint8_t which, std::uint8_t how) {
    switch (how % 4) {
      case 0:
        set_timeouts(which);
        break;
      case 1:
        set_limits(which % 16U, which / 16U);
        set_half_open_limits(how / 4U % 16U);
        break;
      case 2:
        model_.audit_is_full = (which & 1U) != 0;
        break;
      default:  // rules that are new forbid what comes from this tunnel, and goes on to a relay
        keeper_.for_each([&](FlowIndex index) {
          const flows::Flow& flow = keeper_[index];
          if (flow.tunnel == tunnel(1, which % kTunnelsOfATenant)->id()) {
            model_.retire(model_.flows.at(flow.id), EndReason::kPolicy, now_);
            keeper_.retire(index, EndReason::kPolicy, now_);
          }
        });
        break;
    }
  }

  void tunnel_event(std::uint32_t tenant, std::size_t which, std::uint8_t how) {
    if (how % 8 == 0) {  // the sandbox is lost, and all that was in it
      keeper_.for_each([&](FlowIndex index) {
        if (keeper_[index].binding != flows::kNone32) {
          keeper_.end(index, EndReason::kSandboxLost);
        }
      });
      return;
    }
    while (const auto index = FlowKeeper::any_of(*tunnel(tenant, which))) {
      keeper_.end(*index, EndReason::kTunnelClosed);
    }
    keeper_.remove_tunnel(*tunnel(tenant, which));
    --tenants_[tenant - 1]->tunnels;
    open_tunnel(tenant, which);
  }

  void open_tunnel(std::uint32_t tenant, std::size_t which) {
    auto& place = tunnels_[(tenant - 1) * kTunnelsOfATenant + which];
    place = std::make_unique<ModelTunnel>(next_tunnel_++, tunnels_move_, *tenants_[tenant - 1]);
    keeper_.add_tunnel(*place);
    ++tenants_[tenant - 1]->tunnels;
  }
  Tunnel* tunnel(std::uint32_t tenant, std::size_t which) {
    return tunnels_[(tenant - 1) * kTunnelsOfATenant + which].get();
  }

  void set_limits(std::uint32_t one, std::uint32_t two) {
    model_.most_of = {{1, one}, {2, two}};
    tenants_[0]->settings.max_flows = one;
    tenants_[1]->settings.max_flows = two;
  }

  void set_half_open_limits(std::uint32_t most) {
    model_.most_half_open_of = {{1, most}, {2, most}};
    for (const auto& tenant : tenants_) {
      tenant->settings.max_half_open = most;
    }
  }

  void set_timeouts(std::uint8_t choice) {
    gateway::Timeouts timeouts;
    const std::int64_t stretch = choice % 4 + 1;
    timeouts.tcp_established = stretch * 40 * kTick;
    timeouts.tcp_handshake = stretch * 12 * kTick;
    timeouts.tcp_time_wait = (choice % 3 + 1) * 3 * kTick;
    timeouts.udp = stretch * 9 * kTick;
    timeouts.udp_stream = stretch * 30 * kTick;
    timeouts.dns = 4 * kTick;
    timeouts.icmp = stretch * 5 * kTick;
    timeouts.other = stretch * 5000 * kTick;  // more than one turn of the wheel
    keeper_.set_timeouts(timeouts);
    model_.timeouts = timeouts;
  }

  // ---- What must be so, always ----

  void check_all() {
    CHECK(keeper_.table().size() == model_.flows.size() && quota_.used() == model_.flows.size());
    CHECK(audit_.running() == model_.flows.size() && keeper_.ended() == audit_.ended());
    for (std::uint8_t number = 0; number < kKeys; ++number) {
      const FlowKey key = key_number(number);
      CHECK(keeper_.find(key).has_value() == (model_.find(key) != nullptr));
    }
    std::map<std::uint32_t, std::uint64_t> holders;
    for (const auto& [id, flow] : model_.flows) {
      check_flow(flow);
      for (const std::uint32_t slot : flow.slots) {
        CHECK(holders.emplace(slot, id).second);  // never two flows'
      }
    }
    check_slots(holders);
    check_counts();
  }

  void check_flow(const ModelFlow& model) {
    const auto up = keeper_.find(model.key);
    const auto down = keeper_.find(model.key.reversed());
    CHECK(up && up->sender == Side::kInitiator);
    CHECK((down && up->index == down->index) == !model.is_denied());
    CHECK(model.is_denied() || down->sender == Side::kResponder);
    const flows::Flow& flow = keeper_[up->index];
    CHECK(flow.id == model.id && flow.key == model.key && flow.action == model.action);
    CHECK(flow.tunnel == model.tunnel && flow.peer_tunnel == model.peer);
    CHECK(flow.state == model.state && flow.tcp_phase == model.phase);
    CHECK(flow.end_reason == model.reason);
    CHECK(keeper_.waits(up->index) == model.waits.has_value());
    CHECK((flow.attachment != flows::kNone32) == model.is_served);
    CHECK(flow.up.packets == model.up.packets && flow.up.bytes == model.up.bytes);
    CHECK(flow.down.packets == model.down.packets && flow.down.bytes == model.down.bytes);
    CHECK(flow.last_seen_ns == base::to_nanoseconds(model.seen));
    CHECK((flow.binding != flows::kNone32) == !model.slots.empty());
    if (flows::is_downgraded(flow) && !model.slots.empty()) {
      CHECK(nat::number(keeper_.responder_binding(up->index)) == model.slots.back());
    }
    if (!model.slots.empty()) {
      CHECK(flow.binding == model.slots.front());
    }
  }

  // In either family, each slot is its holder's or nobody's.
  void check_slots(const std::map<std::uint32_t, std::uint64_t>& holders) {
    CHECK(keeper_.bindings().claimed() == holders.size());
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
      for (const nat::Family family : {nat::Family::kV4, nat::Family::kV6}) {
        const base::Endpoint place = keeper_.bindings().outside(nat::BindingIndex{slot}, family);
        const auto found = keeper_.bindings().find(place);
        const auto holder = holders.find(slot);
        CHECK(found.has_value() == (holder != holders.end()));
        if (found) {
          CHECK(nat::number(*found) == slot);
          CHECK(keeper_[keeper_.bindings().flow(*found)].id == holder->second);
        }
      }
    }
  }

  void check_counts() {
    for (const auto& tenant : tenants_) {
      CHECK(tenant->flows == model_.count_of_tenant(tenant->settings.id));
      CHECK(tenant->half_open() == model_.half_open_of(tenant->settings.id));
    }
    for (const auto& tunnel : tunnels_) {
      CHECK(tunnel->flows.size == model_.count_of_tunnel(tunnel->id()));
      CHECK(tunnel->peer_flows.size == model_.count_of_peer(tunnel->id()));
      CHECK(tunnel->waiting == model_.waiting_of_tunnel(tunnel->id()));
      std::size_t found = 0;
      keeper_.for_each_of(*tunnel, [&](FlowIndex index) {
        CHECK(keeper_[index].tunnel == tunnel->id() || keeper_[index].peer_tunnel == tunnel->id());
        ++found;
      });
      CHECK(found == tunnel->flows.size + tunnel->peer_flows.size);
    }
  }

  [[nodiscard]] base::Endpoint outside(std::uint32_t slot, const ModelFlow& flow) const {
    const auto family = flow.key.source.address.is_v4() ? nat::Family::kV4 : nat::Family::kV6;
    return keeper_.bindings().outside(nat::BindingIndex{slot}, family);
  }

  std::uint32_t slots_;
  Instant now_{std::chrono::hours(1)};
  bool is_waiting_ = false;
  FlowModel model_;
  ModelAudit audit_;
  gateway::Settings settings_;
  gateway::FlowRegion region_;
  gateway::FlowQuota quota_;
  FlowKeeper keeper_;
  bool tunnels_move_;
  std::vector<std::unique_ptr<gateway::Tenant>> tenants_;
  std::array<std::unique_ptr<ModelTunnel>, kTenants * kTunnelsOfATenant> tunnels_;
  std::uint32_t next_tunnel_ = 1;
  std::uint32_t next_attachment_ = 1;
  std::set<std::uint32_t> detached_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kStepBytes = 3, kMostSteps = 400;
  const std::span input(data, size);
  if (size < kStepBytes) {
    return 0;
  }
  Run run(input[0] % 12 + 1U, input[1] % 8 + 1U, (input[2] & 1U) != 0);
  auto rest = input.subspan(kStepBytes);
  for (std::size_t i = 0; i < kMostSteps && rest.size() >= kStepBytes; ++i) {
    run.step(rest[0], rest[1], rest[2]);
    rest = rest.subspan(kStepBytes);
  }
  run.drain();
  return 0;
}
