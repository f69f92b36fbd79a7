// Shard: one thread, one event loop, one sandbox with its TUN, one NAT, one flow table; and the
// tunnels of its tenants.
//
// This is who owns whom. What happens to packets is in packet_path.h, to flows in
// flow/flow_keeper.h, to connections in upgrade/tcp_upgrade.h, to datagrams in
// upgrade/datagram_upgrade.h; here are the comings and goings: of
// tunnels, of the sandbox, of the shard itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/bandwidth/bandwidths.h"
#include "gateway/bandwidth/timer_alarm.h"
#include "gateway/downgrade/host_port.h"
#include "gateway/downgrade/published_flows.h"
#include "gateway/downgrade/tcp_publisher.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/flow/flow_region.h"
#include "gateway/hooks/hook_desk.h"
#include "gateway/inspect/explanation.h"
#include "gateway/inspect/status.h"
#include "gateway/log.h"
#include "gateway/loop/event_loop.h"
#include "gateway/loop/fair_turns.h"
#include "gateway/onramp/away_tunnels.h"
#include "gateway/onramp/gue_door.h"
#include "gateway/onramp/packet_arena.h"
#include "gateway/onramp/tunnel.h"
#include "gateway/packet_path.h"
#include "gateway/policy/rulings.h"
#include "gateway/shard_pulse.h"
#include "gateway/upgrade/sandbox_link.h"
#include "gateway/upgrade/upgrades.h"

namespace gateway {

class Shard final : public GueDoor::Owner, public SandboxLink::Owner {
 public:
  /// What a shard has of its gateway. What is referred to outlives it.
  struct Place {
    FlowKeeper::Place flows;  // its number among the shards, from 0 on
    const Settings& settings;
    const GatewayAddresses& addresses;
    std::shared_ptr<const Policy> policy;
    AuditLog& audit;
  };
  /// Makes the flow region and the sandbox.
  static base::SysResult<std::unique_ptr<Shard>> create(const Place& place);
  /// Ends every flow (kShutdown), closes every tunnel, ends the sandbox.
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /// From its first flow on, `app` is asked after the rules. Before start().
  void set_app(std::unique_ptr<hooks::ShardHooks> app, std::string name);

  /// What status() says at first. Before start().
  [[nodiscard]] GatewayStatus first_status() const { return status_now(); }

  /// Starts the thread. Once. Without `may_poll` it never looks for work but sleeps at once.
  void start(bool may_poll);

  /// Posts its end: the destructor waits for that. Once, or the destructor does it.
  void begin_to_end();
  /// Whether it has ended, by `deadline`. One that is not destroyed must not be used any more.
  [[nodiscard]] bool ends_by(base::Instant deadline);
  /// How far its end has come: it grows.
  [[nodiscard]] std::uint64_t steps_to_end() const { return steps_to_end_.load(); }

  // For other threads. The tunnel's packets are handled as soon as the shard gets to it.
  enum class Kind : std::uint8_t { kSeqpacket, kTun };
  /// A SEQPACKET peer is sent `reply`, unless it is empty, once the tunnel is open: who has read it
  /// may be spoken to.
  void add_tunnel(Kind kind, base::Fd fd, TunnelInfo info, const std::string& tenant,
                  const std::string& reply = {});
  /// `register_tunnel` is called on the shard's thread, with the name of a new peer, for its id.
  using RegisterTunnel = std::function<std::uint32_t(const std::string& name)>;
  /// `others`: of the same on-ramp; nothing: there is one shard.
  void add_gue_door(GueSocket socket, const Onramp& onramp, RegisterTunnel register_tunnel,
                    std::shared_ptr<GueExchange> others);
  /// Clients of a published port reach `to` at a tunnel of `tenant`.
  void publish(HostPort port, const std::string& tenant, const base::Endpoint& to);
  [[nodiscard]] std::uint32_t open_tunnels() const { return open_tunnels_.load(); }
  /// Of them, those of one tenant that take a descriptor.
  [[nodiscard]] std::uint32_t sockets_of(const std::string& tenant) const {
    return tenants_.at(tenant)->sockets.load();
  }
  /// What the thread has used of its processor, since it was started.
  [[nodiscard]] base::Duration processor_time();
  // What follows asks the shard, which answers when it gets to that. A hook that does not return
  // must not hold up whoever asks: he need not wait, and the shard does what it was told all the
  // same.
  /// The sandbox's, as of then; 0: there is none.
  [[nodiscard]] std::future<pid_t> sandbox_helper();
  /// Whether there is such a flow, which has ended then.
  [[nodiscard]] std::future<bool> kill_flow(std::uint64_t id);
  /// Takes over other rules, limits of tenants and timeouts. How many flows had to end, which the
  /// rules that are new would not have let in; all others go on as they are.
  [[nodiscard]] std::future<std::uint64_t> reload(std::shared_ptr<const Policy> policy,
                                                  std::shared_ptr<const Settings> settings);
  /// Fails with what is wrong with the question.
  [[nodiscard]] std::future<base::Result<Explanation, std::string>> explain(
      const ExplainQuery& query);
  /// Nothing in it where no trace of the flow is kept.
  [[nodiscard]] std::future<std::optional<HookReport>> hooks_of(std::uint64_t flow);
  /// What this shard knows: not the names of rules, nor the refusals of contexts.
  [[nodiscard]] std::future<GatewayStatus> status();

  void start_capture(CaptureJob job);
  void stop_capture(std::uint64_t id);
  /// As of its last tick. Waits for nobody.
  [[nodiscard]] ShardHealth health(base::Instant awake_since) const {
    return pulse_.read(base::Clock::now(), awake_since);
  }
  [[nodiscard]] const base::Fd& flow_region() const { return region_.fd(); }

 private:
  // Chosen: flows that are reset before what the kernel inside says to that is read; the TUN's
  // queue has room for 500.
  static constexpr std::uint32_t kResetsAtOnce = 128;

  Shard(const Place& place, EventLoop loop, FlowRegion region, base::Fd timer,
        flows::HashSeed seed);
  // Of flows that live as of those to come.
  void set_bandwidths(const Policy& policy);

  // Runs `task`, which owns what it needs, on the shard's thread.
  template <class Task>
  auto ask(Task task) {
    const auto packaged = std::make_shared<std::packaged_task<decltype(task())()>>(std::move(task));
    auto answer = packaged->get_future();
    loop_.post([packaged] { (*packaged)(); });
    return answer;
  }

  // Tunnel::Sink
  void packets_from(Tunnel& from, std::span<RawPacket> packets) override;
  void tunnel_closed(Tunnel& tunnel) override;
  void dropped(Tunnel& tunnel, flows::Drop reason) override;
  // GueDoor::Owner
  Tenant* tenant(std::uint32_t id) override;
  std::uint32_t register_tunnel(const std::string& name) override { return register_(name); }
  void peer_heard(std::unique_ptr<Tunnel> tunnel) override;
  void dropped(flows::Drop reason) override { path_.dropped(reason); }
  // SandboxLink::Owner
  void packets_from_sandbox(std::span<RawPacket> packets) override;
  void accepted(base::Fd socket, const base::Endpoint& peer) override;
  void refused(const base::Endpoint& peer) override;
  void sandbox_lost() override;
  void sandbox_write_failed(std::size_t packets) override;
  // SocketPool::Owner
  void sockets_arrived(bool v4, bool failed) override { upgrade_.sockets_arrived(v4, failed); }

  template <class T>
  void open_tunnel(std::unique_ptr<T> tunnel);
  void admit(std::unique_ptr<Tunnel> tunnel, LogLevel level);
  void open_gue_door(GueSocket socket, const Onramp& onramp,
                     const std::shared_ptr<GueExchange>& others);
  void publish_now(HostPort port, Tenant& tenant, const base::Endpoint& to);
  void end_flows_of(const Tunnel& tunnel);
  // `to` comes back as `from`: it takes the flows over, but those of addresses that it has not.
  void hand_over(Tunnel& from, Tunnel& to);
  void come_back(Tunnel& tunnel);
  void remove_tunnel(Tunnel& tunnel);
  void tell_of(Tunnel& tunnel, TunnelEvent::Kind kind);
  void end_away(std::unique_ptr<AwayTunnel> tunnel);
  void reset_upgraded(flows::EndReason reason);
  void retire_upgraded(flows::EndReason reason,
                       const std::function<bool(flows::FlowIndex)>& wanted);
  void restore_sandbox();
  void prepare_for(const std::vector<Rule>& rules);
  void tick(base::Instant now);
  void beat(base::Instant now);
  void shut_down();
  [[nodiscard]] GatewayStatus status_now() const;
  [[nodiscard]] bool kill_now(std::uint64_t id);
  std::uint64_t reload_now(const std::shared_ptr<const Policy>& policy, const Settings& settings);
  // Whether a flow that the rules `before` had let in, or refused, has the same of those in force.
  [[nodiscard]] bool is_as_ruled(flows::FlowIndex index, const Policy& before);
  [[nodiscard]] base::Result<Explanation, std::string> explain_now(const ExplainQuery& query);
  [[nodiscard]] base::Result<const Tunnel*, std::string> tunnel_of(
      const Tenant& tenant, const std::string& name, const base::IpAddress& source) const;

  // In the order in which they need each other.
  EventLoop loop_;
  FlowRegion region_;
  FairTurns turns_{loop_};
  PacketArena arena_;
  FlowKeeper flows_;
  SandboxLink sandbox_;
  Rulings rulings_;
  HookDesk hooks_;
  TimerAlarm alarm_;
  Pacer pacer_{alarm_};
  Bandwidths bandwidths_;
  PacketPath path_;
  TcpDowngrade downgrade_;
  TcpUpgrade upgrade_;
  UdpUpgrade udp_;
  PingUpgrade ping_;
  PublishedFlows published_flows_;
  TcpPublisher tcp_publisher_;
  UdpPublisher udp_publisher_;
  Upgrades upgrades_;
  const std::size_t number_;  // among the shards
  const Settings& settings_;
  AuditLog& audit_;
  base::SipKey hash_key_;
  RegisterTunnel register_;
  std::vector<std::unique_ptr<GueDoor>> gue_doors_;
  // By name. Which there are never changes, so that any thread may look.
  std::unordered_map<std::string, std::unique_ptr<Tenant>> tenants_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Tunnel>> tunnels_;
  AwayTunnels away_;
  base::Duration tunnel_away_;
  std::atomic<std::uint32_t> open_tunnels_ = 0;  // tunnels_.size(), and those on their way in
  std::uint64_t tunnels_opened_ = 0;
  std::uint64_t sandbox_restarts_ = 0;
  base::Instant last_restore_{};
  ShardPulse pulse_;
  base::Instant last_tick_{};
  bool stopping_ = false;  // shut_down() has begun
  std::atomic<std::uint64_t> steps_to_end_ = 0;
  base::Instant started_ = base::Clock::now();
  std::promise<void> ends_;  // the thread's last word
  std::future<void> end_ = ends_.get_future();
  std::thread thread_;
  bool is_to_end_ = false;  // begin_to_end() was called
};

}  // namespace gateway
