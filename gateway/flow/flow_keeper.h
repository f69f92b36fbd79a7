// FlowKeeper: opens, ages and ends the flows of one shard. The only writer of the audit log.
//
// Theory of operation
//
//     open() --packets: touch()--> ... --retire()--> time-wait --expiry--> end()
//                                   \------------------- end() ----------------/
//
// open() checks every limit, so that a flow that exists can also end properly: it holds its record,
// its place under the tenant's limit, and a place in the audit log for its end. retire() is for a
// flow that is over while its peer may still send (a lost last ACK, the RST on its way): it stays
// for tcp_time_wait, answers, and counts. end() writes the one audit line and gives everything
// back. Whatever serves the flow (a dial, a relay) is detached first, through the Servant.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "base/time.h"
#include "flows/drop.h"
#include "flows/expiry_wheel.h"
#include "flows/flow_table.h"
#include "flows/token_bucket.h"
#include "gateway/config/settings.h"
#include "gateway/flow/flow_lists.h"
#include "gateway/flow/flow_quota.h"
#include "gateway/flow/flow_region.h"
#include "gateway/flow/host_names.h"
#include "gateway/flow/waiting_flows.h"
#include "gateway/inspect/flow_histograms.h"
#include "gateway/onramp/tunnel.h"
#include "gateway/telemetry/audit_log.h"
#include "nat/binding_table.h"

namespace gateway {

/// Belongs to the shard's thread.
class FlowKeeper {
 public:
  /// Serves flows that have an attachment.
  class Servant {
   public:
    /// `flow` needs no service any more: closes its sockets (with RST where they were open) and
    /// clears its attachment.
    virtual void detach(flows::FlowIndex flow) = 0;

   protected:
    ~Servant() = default;
  };

  /// Is told of flows that begin and end.
  class Observer {
   public:
    virtual void flow_opened(flows::FlowIndex flow) = 0;
    /// With its last counters; its record goes after the call.
    virtual void flow_ended(flows::FlowIndex flow) = 0;

   protected:
    ~Observer() = default;
  };

  struct Opening {
    Tunnel& tunnel;  // as Flow::tunnel; has been added
    flows::Action action{};
    std::uint16_t rule = flows::kDefaultRule;
    std::uint32_t peer_tunnel = flows::kNone32;
    base::Endpoint upstream;
    flows::FlowState state{};
    flows::NameIndex name = flows::kNoName;  // of the destination; none: the last that is known
    std::uint32_t mark = 0;
    flows::Dscp dscp = flows::kOwnDscp;
    std::string_view logged_rule{};  // the rule that decided, if a line is wanted
  };

  /// Which shard's flows they are, and what all shards share; outlives the keeper.
  struct Place {
    std::size_t shard = 0;
    FlowQuota& quota;
  };

  FlowKeeper(FlowRegion& region, const Settings& settings, flows::HashSeed seed, AuditLog& audit,
             base::Instant now, const Place& place);

  void set_servant(Servant& servant) { servant_ = &servant; }
  void set_observer(Observer& observer) { observer_ = &observer; }
  /// From now on. Flows that are there follow when their present timer has run out.
  void set_timeouts(const Timeouts& timeouts) { timeouts_ = timeouts; }

  /// A new flow, with its binding when it is an upgraded or downgraded TCP flow, and two when it is
  /// both. Fails with the limit that it
  /// met; nothing has changed then.
  base::Result<flows::FlowIndex, flows::Drop> open(const flows::FlowKey& key,
                                                   const Opening& opening, base::Instant now);

  /// The limit that another flow of the tenant would meet in open().
  [[nodiscard]] std::optional<flows::Drop> limit_met(const Tenant& tenant,
                                                     const flows::FlowKey& key,
                                                     flows::Action action) const;

  /// The flow that is to end (kEvicted) before one that `wanting` begins can be opened, where it
  /// has met `limit`. Nothing: the limit stands. See waiting_flows.h.
  [[nodiscard]] std::optional<flows::FlowIndex> giving_way(flows::Drop limit, Tunnel& wanting,
                                                           base::Instant now);
  /// Whether nobody has answered it yet.
  [[nodiscard]] bool waits(flows::FlowIndex index) const {
    return waiting_.find(index).has_value();
  }

  /// What a name server answered to the initiator of `flow`: flows to those addresses that begin
  /// from now on carry the name.
  void learn(flows::FlowIndex flow, const flows::DnsAnswer& answer, base::Instant now) {
    host_names_.learn(table_[flow].key.tenant, answer, now);
  }

  /// What a tenant's name servers have called an address.
  [[nodiscard]] KnownNames names_of(std::uint32_t tenant, const base::IpAddress& address,
                                    base::Instant now) const {
    return host_names_.all(tenant, address, now);
  }

  /// What they have told it for a name: HostNames::addresses().
  [[nodiscard]] std::vector<base::IpAddress> addresses_of(std::uint32_t tenant,
                                                          std::string_view name, std::size_t most,
                                                          base::Instant now) {
    return host_names_.addresses(tenant, name, most, now);
  }

  /// Whether `from` speaks for the end `side` of the flow: its tunnel does, and so does one that
  /// may take over from it, which is the end's tunnel then.
  bool hears(flows::FlowIndex index, flows::Side side, Tunnel& from);
  /// The same without the taking over.
  [[nodiscard]] bool may_speak_for(std::uint32_t tunnel, const Tunnel& from) const;
  /// Each end of the flow that is `from`'s is `to`'s from now on.
  void hand_over(flows::FlowIndex index, Tunnel& from, Tunnel& to);

  /// A packet of the flow: counted, and unless the flow was killed, its idle time and TCP phase
  /// follow.
  void touch(flows::FlowIndex index, flows::Side sender, const flows::WireCount& wire,
             const flows::Packet& packet, base::Instant now);
  /// A packet of the flow that the initiator's tunnel did not carry: not counted.
  void keep_alive(flows::FlowIndex index, base::Instant now) {
    if (!flows::is_stopped(table_[index])) {
      table_[index].last_seen_ns = base::to_nanoseconds(now);
    }
  }
  /// Packets of our own making, to the initiator.
  void count_down(flows::FlowIndex index, const flows::WireCount& wire);

  void set_state(flows::FlowIndex index, flows::FlowState state, base::Instant now);

  /// What its servant has found out about a flow.
  void measure(FlowHistogram histogram, std::uint64_t value, flows::FlowIndex index) {
    histograms_.add(histogram, value, table_[index].id, std::chrono::system_clock::now());
  }

  /// What was sent to the initiator last is not acknowledged and comes again, after `pause` at the
  /// earliest: once it is in kTimeWait, the flow is kept for that.
  void await_repeat(flows::FlowIndex index, base::Duration pause);
  /// The flow is over, for `reason`, which stays: a later retire() or end() does not change it.
  void retire(flows::FlowIndex index, flows::EndReason reason, base::Instant now);
  void end(flows::FlowIndex index, flows::EndReason reason);

  /// Ends what has been idle for too long. False when there is more to do.
  bool expire(base::Instant now);

  [[nodiscard]] std::optional<flows::FlowMatch> find(const flows::FlowKey& key) const {
    return table_.find(key);
  }
  [[nodiscard]] flows::Flow& operator[](flows::FlowIndex index) { return table_[index]; }
  template <class Visit>
  void for_each(Visit visit) {
    table_.for_each(visit);
  }
  /// Calls `visit(FlowIndex)` for every flow with an end at `tunnel`, twice where both are there.
  /// `visit` may retire the flow, and ends none. Costs what there are, not what the table holds.
  template <class Visit>
  void for_each_of(const Tunnel& tunnel, Visit visit) const {
    of_tunnel_.for_each(tunnel.flows, visit);
    of_peer_tunnel_.for_each(tunnel.peer_flows, visit);
  }
  /// One of them, as long as there are any.
  [[nodiscard]] static std::optional<flows::FlowIndex> any_of(const Tunnel& tunnel) {
    const auto own = FlowLists::oldest(tunnel.flows);
    return own ? own : FlowLists::oldest(tunnel.peer_flows);
  }
  /// The name of its destination; empty where no name server gave one.
  [[nodiscard]] std::string_view host(const flows::Flow& flow) const {
    return flow.name == flows::kNoName ? std::string_view() : names_.text(flow.name);
  }
  /// Of a downgraded TCP flow: the slot that stands for the responder.
  [[nodiscard]] nat::BindingIndex responder_binding(flows::FlowIndex index) const;
  [[nodiscard]] nat::BindingTable& bindings() { return bindings_; }
  [[nodiscard]] const nat::BindingTable& bindings() const { return bindings_; }
  [[nodiscard]] const flows::FlowTable& table() const { return table_; }
  [[nodiscard]] Tenant& tenant_of(flows::FlowIndex index) const {
    return *tenants_.at(table_[index].key.tenant);
  }
  [[nodiscard]] const FlowQuota& quota() const { return quota_; }
  [[nodiscard]] const FlowHistograms& histograms() const { return histograms_; }
  [[nodiscard]] std::uint64_t opened() const { return opened_; }
  [[nodiscard]] std::uint64_t ended() const { return ended_; }

  /// A tunnel's flows find it here; forgotten when the tunnel closes.
  void add_tunnel(Tunnel& tunnel) { tunnels_[tunnel.id()] = &tunnel; }
  void remove_tunnel(const Tunnel& tunnel) { tunnels_.erase(tunnel.id()); }
  [[nodiscard]] Tunnel* tunnel(std::uint32_t id) const;
  template <class Visit>
  void for_each_tunnel(Visit visit) {
    for (const auto& [id, tunnel] : tunnels_) {
      visit(*tunnel);
    }
  }

 private:
  static constexpr std::uint32_t kExpireBudget = 1024;  // chosen: flows per tick and wake-up

  // flow_keeper_waiting.cc
  void follow_wait(flows::FlowIndex index);
  void stop_waiting(flows::FlowIndex index);
  std::optional<flows::FlowIndex> longest_waiting(Tenant& tenant, std::span<const Wait> kinds,
                                                  const Tunnel* wanting, base::Instant now);
  Tenant* most_beyond_its_share();

  static void count_repeat(flows::Flow& flow, base::Instant now);
  void move(flows::FlowIndex index, bool is_first, Tunnel& from, Tunnel& to);
  std::optional<flows::Drop> claim_bindings(flows::FlowIndex index);
  void release_bindings(flows::FlowIndex index);
  [[nodiscard]] base::Duration timeout(const flows::Flow& flow) const;
  void follow_phase(flows::FlowIndex index, flows::Side sender, flows::TcpFlags flags,
                    base::Instant now);
  void expire_one(flows::FlowIndex index, base::Instant now);
  void measure_whole(flows::FlowIndex index);
  void log(flows::FlowIndex index, AuditEvent::Kind kind);
  static constexpr std::uint8_t kMostRepeats = 6;  // chosen: two minutes, of 2 s
  [[nodiscard]] base::Duration time_wait_of(const flows::Flow& flow) const;
  void end_refused_against(const flows::FlowKey& key);
  void say(flows::FlowIndex index, std::string_view rule, const Tenant& tenant);

  Timeouts timeouts_;
  flows::FlowTable table_;
  flows::ExpiryWheel wheel_;
  WaitingFlows waiting_;
  FlowLists of_tunnel_;       // by Flow::tunnel
  FlowLists of_peer_tunnel_;  // by Flow::peer_tunnel
  flows::NameTable names_;
  HostNames host_names_;
  nat::BindingTable bindings_;
  AuditLog& audit_;
  FlowQuota& quota_;
  flows::TokenBucket lines_{20, 20};  // chosen: what a person can read; the audit log has them all
  Servant* servant_ = nullptr;
  Observer* observer_ = nullptr;
  std::unordered_map<std::uint32_t, Tunnel*> tunnels_;  // by id
  std::unordered_map<std::uint32_t, Tenant*> tenants_;  // that have had a flow, by id
  FlowHistograms histograms_;
  std::uint64_t opened_ = 0;
  std::uint64_t ended_ = 0;
};

}  // namespace gateway
