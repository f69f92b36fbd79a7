// Gateway: the composition root: audit log, policy, shards, on-ramps, control socket; who owns
// whom.
//
// Each shard has a thread, which handles packets; the control thread (whoever runs the io_context)
// handles everything else. They meet in Shard's public functions only. A tenant lives on one shard
// (placement.h): what concerns it is asked there, what concerns all is asked of each and summed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include "base/error.h"
#include "gateway/config/config_loader.h"
#include "gateway/config/settings.h"
#include "gateway/control/capture_sessions.h"
#include "gateway/control/control_server.h"
#include "gateway/control/event_followers.h"
#include "gateway/hooks/app_life.h"
#include "gateway/inspect/awake.h"
#include "gateway/inspect/names.h"
#include "gateway/inspect/status.h"
#include "gateway/onramp/seqpacket_door.h"
#include "gateway/packet_path.h"
#include "gateway/placement.h"
#include "gateway/policy/policy.h"
#include "gateway/policy/rule_names.h"
#include "gateway/shard.h"
#include "gateway/telemetry/event_feed.h"
#include "gateway/telemetry/ipfix_exporter.h"
#include "gateway/telemetry/telemetry_server.h"

namespace gateway {

/// Who may control a gateway, of those with its uid.
enum class ControlClients { kAnyNetwork, kOwnNetwork };

/// Belongs to the control thread.
class Gateway final : private StatusSource, private SeqpacketDoor::Owner, private CaptureSource {
 public:
  /// Makes everything but the way in: open_doors() and add_tun() do. Nothing is left behind when it
  /// fails.
  static base::SysResult<std::unique_ptr<Gateway>> create(asio::io_context& context,
                                                          const Settings& settings,
                                                          const GatewayAddresses& addresses,
                                                          hooks::App* app = nullptr);
  /// Ends everything, if end() has not; see there.
  ~Gateway() override;
  /// Ends everything, and writes the last events. False where a shard does not end, for a hook that
  /// does not return, and makes no headway for five seconds: it has said so then, and what its
  /// thread may still use is left as it is, so that the process must end with std::_Exit(). The
  /// destructor does that with status 1.
  [[nodiscard]] bool end();

  /// Listens on the configured on-ramps.
  base::SysResult<void> open_doors();
  /// Opens the ports that the tenants' settings publish.
  base::SysResult<void> open_published_ports();
  /// Clients of `port` reach `to`, at a tunnel of the tenant named `tenant`.
  void publish(HostPort port, const std::string& tenant, const base::Endpoint& to);
  /// Answers flowctl on `settings.control_path`.
  base::SysResult<void> open_control(ControlClients clients = ControlClients::kAnyNetwork);
  /// Serves metrics on `settings.telemetry`, if it says where.
  base::SysResult<void> open_telemetry();
  /// A TUN device of a sandboxed command becomes a tunnel of the tenant named `tenant`.
  void add_tun(base::Fd tun, TunnelInfo info, const std::string& tenant);

  /// Where reload() finds its configuration, and how it reads one.
  using LoadSettings = std::function<base::Result<Settings, ConfigProblems>(const std::string&)>;
  void set_configuration(std::string path, LoadSettings load) {
    config_path_ = std::move(path);
    load_ = std::move(load);
  }
  /// Takes over what can change while it runs; see SettingsChange. `path`: empty is the one that
  /// was set.
  ReloadReport reload(const std::string& path) override;

  /// Opens the audit log's file again, after a rotation.
  void reopen_audit() { audit_->reopen(); }

  GatewayStatus status() override;
  GatewayHealth health() override;
  /// Whether the process is the helper of a shard's sandbox, as of now.
  [[nodiscard]] bool is_sandbox_helper(pid_t process);

 private:
  static constexpr std::uint32_t kMaxTunnels = 65'536;  // chosen; besides the peers of GUE on-ramps

  Gateway(asio::io_context& context, const Settings& settings);

  // What shards say that were asked; kPatienceWithShard for all of them together. Fails with
  // does_not_answer() where one does not, or is known not to and was not asked.
  template <class Ask>
  using Answer = decltype(std::invoke_result_t<Ask, Shard&>().get());
  template <class Ask>
  std::vector<base::Result<Answer<Ask>, std::string>> ask_all(Ask question);
  template <class Ask>
  base::Result<Answer<Ask>, std::string> ask(std::size_t shard, Ask question);
  template <class T>
  base::Result<T, std::string> answer_by(base::Instant deadline, std::size_t shard,
                                         std::future<T> answer);
  [[nodiscard]] static std::string does_not_answer(std::size_t shard);
  // Asks all of them. What is wrong, if one does not answer.
  [[nodiscard]] std::optional<std::string> stuck_shard();
  ShardHealth health_of(std::size_t shard);
  // Again and again, so that the process is known to have been stopped when it was.
  void look_at_the_clock();

  // StatusSource
  std::vector<const base::Fd*> flow_regions() const override;
  base::Result<bool, std::string> kill_flow(std::uint64_t id) override;
  base::Result<Explanation, std::string> explain(const ExplainQuery& query) override;
  std::string config() override;
  // CaptureSource
  std::size_t shard_count() const override { return shards_.size(); }
  void start_capture(std::size_t shard, CaptureJob job) override {
    shards_[shard]->start_capture(std::move(job));
  }
  void stop_capture(std::uint64_t id) override;
  base::Result<HookReport, std::string> hooks_of(std::uint64_t flow) override;
  // SeqpacketDoor::Owner
  base::Result<std::uint32_t, ContextRefusal> next_tunnel_id(const std::string& tenant,
                                                             std::uint32_t room) override;
  void tunnel_admitted(base::Fd socket, std::uint32_t id, const TunnelContext& context,
                       const std::string& reply) override;
  void tunnel_refused(ContextError error) override;
  base::Result<TunnelContext, ContextRefusal> read_context(std::span<const std::byte> datagram,
                                                           const UnixPeer& peer) override {
    return app_ == nullptr ? parse_context(datagram) : app_->read_context(datagram, peer);
  }

  void end_shards();
  base::SysResult<void> open_gue_doors(const Onramp& onramp);
  // Where the tenant lives from now on, if nowhere yet.
  std::size_t home_of(const std::string& tenant);
  Shard& shard_of(const std::string& tenant) { return *shards_[home_of(tenant)]; }
  [[nodiscard]] const TenantSettings& settings_of(const std::string& tenant) const;
  // The share of its processor that each shard has used lately.
  std::span<const double> busy();

  asio::io_context& context_;
  asio::steady_timer clock_timer_;
  Awake awake_{base::Clock::now()};
  Settings settings_;  // as it was started
  Settings running_;   // what holds by now
  std::string config_path_;
  LoadSettings load_;
  RuleNames rule_names_;
  Names names_;
  std::uint32_t max_tunnels_ = kMaxTunnels;
  std::atomic<std::uint32_t> last_tunnel_id_ = 0;  // the shard opens GUE peers itself
  std::array<std::uint64_t, kContextErrorCount> refusals_{};
  std::unique_ptr<EventFeed> audit_;
  std::unique_ptr<IpfixExporter> ipfix_;  // of what passes audit_
  FlowQuota quota_;
  std::unique_ptr<AppLife> app_;  // null: there is none
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<GatewayStatus> last_said_;  // by each shard
  Placement placement_;
  std::vector<double> busy_;                    // by shard
  std::vector<base::Duration> processor_time_;  // of each, when that was found
  base::Instant busy_since_ = base::Clock::now();
  std::vector<std::unique_ptr<SeqpacketDoor>> doors_;
  std::vector<OnrampHealth> gue_doors_;
  std::unique_ptr<EventFollowers> followers_;
  std::unique_ptr<CaptureSessions> captures_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<TelemetryServer> telemetry_;
};

}  // namespace gateway
