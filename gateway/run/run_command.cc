#include "gateway/run/run_command.h"

#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include "flows/protocol.h"
#include "gateway/confine/confine.h"
#include "gateway/control/control_client.h"
#include "gateway/control/socket_path.h"
#include "gateway/descriptors.h"
#include "gateway/gateway.h"
#include "gateway/log.h"
#include "gateway/run/children.h"
#include "gateway/run/hidden_sockets.h"
#include "gateway/run/ignored_settings.h"
#include "gateway/run/resolvers.h"
#include "gateway/run/supervisor.h"
#include "gateway/upgrade/congestion_control.h"
#include "gateway/upgrade/socket_marks.h"
#include "netns/process.h"
#include "netns/sandbox.h"
#include "netns/spawn.h"

namespace gateway {
namespace {

using base::Fd;
using base::IpAddress;

// As env(1) and the shells have it.
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
constexpr std::chrono::milliseconds kPingPatience{1'000};
constexpr auto kResolvConf = "/etc/resolv.conf";

constexpr std::uint8_t kPrefixV4 = 30;
constexpr std::uint8_t kPrefixV6 = 64;

// The command's network. Addresses for benchmarks (RFC 2544), which nobody wants outside, and a
// ULA, which makes programs prefer IPv4 for names that have both (RFC 6724): the host may have no
// IPv6.
struct Inside {
  IpAddress v4 = *IpAddress::parse("198.18.255.2");
  IpAddress v6 = *IpAddress::parse("fd6c:6966:7467:1::2");
  IpAddress gateway_v4 = *IpAddress::parse("198.18.255.1");
  IpAddress gateway_v6 = *IpAddress::parse("fd6c:6966:7467:1::1");
  std::uint32_t mtu_bytes = 65520;
};

int fail(const base::Error& error, int status = 1) {
  std::fprintf(stderr, "liftgate run: %s\n", with_cure_for_limits(error).message().c_str());
  return status;
}

netns::SandboxConfig sandbox_of(const Inside& inside, const ResolverPlan& resolvers,
                                const Settings& settings) {
  const HiddenSockets hidden = hidden_sockets(settings.control_path);
  netns::SandboxConfig config;
  config.enforcement = enforcement_of(settings.confine);
  config.tun.offload = settings.io.tun_offload;
  config.tun.addresses = {{inside.v4, kPrefixV4}, {inside.v6, kPrefixV6}};
  config.tun.mtu_bytes = inside.mtu_bytes;
  CongestionControl::of_host(settings.io.pace_nearby).add_to(config);
  config.mount_namespace = true;
  if (!resolvers.resolv_conf.empty()) {
    config.files = {{.path = kResolvConf, .content = resolvers.resolv_conf}};
  }
  for (const std::string& socket : hidden.sockets) {
    config.files.push_back({.path = socket, .content = {}});
  }
  config.hidden_directories = hidden.directories;
  return config;
}

// Empty where the host has none.
std::string host_resolv_conf() {
  std::ifstream file(kResolvConf);
  return {std::istreambuf_iterator<char>(file), {}};
}

TunnelInfo tunnel_of(const Inside& inside, bool offload, const std::string& command) {
  TunnelInfo info;
  info.name = std::filesystem::path(command).filename();
  info.addresses = {base::IpPrefix::of(inside.v4, 32), base::IpPrefix::of(inside.v6, 128)};
  info.mtu_bytes = inside.mtu_bytes;
  info.offload = offload;
  return info;
}

// Ours, but for the name of a socket that is not there inside: gateways that the command starts
// itself have their own.
std::vector<std::string> environment_for_command() {
  constexpr std::string_view kHidden = "LIFTGATE_SOCKET=";
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(kHidden)) {
      all.emplace_back(*entry);
    }
  }
  return all;
}

netns::Command command_of(const RunOptions& options, const sigset_t& ignored) {
  netns::Command command;
  command.argv = options.command;
  command.environment = environment_for_command();
  command.ignored_signals = ignored;
  command.keep_signals_inside = options.settings.confine != Confine::kOff;
  return command;
}

bool answers(const std::string& control_path) {
  return ask_gateway(control_path, {.kind = ControlRequest::Kind::kPing}, kPingPatience)
      .has_value();
}

// No daemon is needed, and one that runs keeps its socket: each run has its own beside it, unless
// one was named for it: in its configuration, or by $LIFTGATE_SOCKET where nobody answers yet.
std::string control_path_for_run(const std::string& configured) {
  const bool named = configured != default_control_path();
  if (named || (std::getenv("LIFTGATE_SOCKET") != nullptr && !answers(configured))) {
    return configured;
  }
  const std::filesystem::path daemon(configured);
  return daemon.parent_path() / ("run-" + std::to_string(::getpid()) + ".sock");
}

Settings settings_for_run(const RunOptions& options, Settings settings) {
  if (!options.audit_path.empty()) {
    settings.audit_path = options.audit_path;
  }
  // stderr belongs to the command: only what it must know.
  settings.log.level = std::max(settings.log.level, LogSettings::Level::kWarn);
  return settings;
}

void warn_of_ignored(const RunOptions& options) {
  std::string keys;
  for (const std::string& key : ignored_by_run(options.settings)) {
    keys += (keys.empty() ? "" : ", ") + key;
  }
  if (!keys.empty()) {
    std::fprintf(stderr, "liftgate run: %s: not for `run`, and ignored: %s\n",
                 options.config_path.c_str(), keys.c_str());
  }
}

void say_if_chosen(const OpenedPort& port) {
  if (port.kernel_chose) {
    std::fprintf(stderr, "liftgate run: published %s/%s to %s\n",
                 port.host.local.to_string().c_str(),
                 flows::protocol_name(port.host.protocol).c_str(), port.to.to_string().c_str());
  }
}

// The signals that are meant for the command, as a descriptor. Before there are threads, so that
// none of them takes one.
Fd block_signals_for_command() {
  const sigset_t set = signals_for_command();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return Fd::adopt(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

// Signals to us are signals to the command. What a terminal sends reaches the whole foreground
// group by itself.
class SignalForwarder {
 public:
  /// `pidfd`: of the command; it outlives us.
  SignalForwarder(asio::io_context& context, Fd signals, const Fd& pidfd)
      : descriptor_(context, signals.release()), pidfd_(pidfd) {
    wait();
  }

  /// From now on they are for us.
  void command_has_ended() { command_has_ended_ = true; }
  [[nodiscard]] bool are_we_to_end() const { return we_are_to_end_; }

 private:
  void wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this](std::error_code error) {
                             if (!error) {
                               forward();
                               wait();
                             }
                           });
  }
  void forward() {
    signalfd_siginfo info{};
    while (::read(descriptor_.native_handle(), &info, sizeof(info)) == sizeof(info)) {
      const auto signal = static_cast<int>(info.ssi_signo);
      if (command_has_ended_) {
        we_are_to_end_ |= signal == SIGINT || signal == SIGTERM || signal == SIGHUP;
      } else if (info.ssi_code != SI_KERNEL) {
        netns::send_signal(pidfd_, signal);
      }
    }
  }

  asio::posix::stream_descriptor descriptor_;
  const Fd& pidfd_;
  bool command_has_ended_ = false;
  bool we_are_to_end_ = false;
};

// After the command has ended, what it wrote last may still be on its way: its kernel sends it, and
// closes. Waits until ours has it all, or nothing has moved for a while, or somebody has enough of
// it; and then a moment for the ends of connections, which belong in the audit log.
void let_connections_finish(Gateway& gateway, asio::io_context& context,
                            const SignalForwarder& signals) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kStep = std::chrono::milliseconds(5);
  // Chosen: to an upstream that reads slowly bytes move only when a third of our kernel's buffer
  // (net.ipv4.tcp_wmem) is empty again.
  constexpr auto kStillAtMost = std::chrono::seconds(10);
  constexpr auto kForEnds = std::chrono::seconds(1);
  auto moved_at = Clock::now();
  std::uint64_t moved = 0;
  while (!signals.are_we_to_end()) {
    const GatewayStats stats = gateway.status().stats;
    const auto patience =
        stats.dials + stats.relays_from_client > 0 ? Clock::duration(kStillAtMost) : kForEnds;
    if (stats.relays + stats.dials == 0 || Clock::now() - moved_at >= patience) {
      return;
    }
    const std::uint64_t total =
        stats.up.bytes + stats.down.bytes + stats.relayed_up_bytes + stats.relayed_down_bytes;
    if (total != moved) {
      moved = total;
      moved_at = Clock::now();
    }
    asio::steady_timer timer(context, kStep);
    timer.async_wait([&](std::error_code) { context.stop(); });
    context.restart();
    context.run();
  }
}

void end_or_exit(Gateway& gateway, int wait_status) {
  if (!gateway.end()) {
    std::_Exit(end_like(wait_status));
  }
}

int status_of_spawn_error(const base::Error& error) {
  if (!netns::is_of_exec(error)) {
    return 1;
  }
  return error.code.value() == ENOENT ? kNotFound : kNotExecutable;
}

}  // namespace

std::optional<std::string> why_no_map_host(const base::IpAddress& address) {
  const Inside inside;
  if (flows::is_martian_destination(address)) {
    return "no program would send there";
  }
  if (base::IpPrefix::of(inside.v4, kPrefixV4).contains(address) ||
      base::IpPrefix::of(inside.v6, kPrefixV6).contains(address)) {
    return "it is of the network inside itself";
  }
  return std::nullopt;
}

int run(const RunOptions& options) {
  Settings settings = settings_for_run(options, options.settings);
  settings.control_path = control_path_for_run(settings.control_path);
  const sigset_t ignored = netns::ignored_signals();
  auto supervised = supervise(settings.confine);
  if (!supervised) {
    return fail(supervised.error());
  }
  if (supervised->status) {
    return *supervised->status;
  }
  configure_log(settings.log);
  warn_of_ignored(options);
  std::signal(SIGPIPE, SIG_IGN);
  Fd signals = block_signals_for_command();
  const Inside inside;
  auto published = open_published_ports(options.publish, {inside.v4, inside.v6});
  if (!published) {
    return fail(published.error());
  }
  const ResolverPlan resolvers =
      plan_resolvers(host_resolv_conf(), inside.gateway_v4, inside.gateway_v6);
  asio::io_context context;
  auto created = Gateway::create(context, settings,
                                 {.v4 = inside.gateway_v4,
                                  .v6 = inside.gateway_v6,
                                  .map_host = options.map_host,
                                  .stand_ins = resolvers.stand_ins},
                                 options.app);
  if (!created) {
    return fail(created.error());
  }
  Gateway& gateway = **created;
  gateway.set_configuration(
      options.config_path, [&](const std::string& path) -> base::Result<Settings, ConfigProblems> {
        auto loaded = load_config_while_confined(path, hooks::default_settings(options.app));
        if (!loaded) {
          return loaded;
        }
        Settings again = settings_for_run(options, std::move(*loaded));
        again.control_path = settings.control_path;
        return again;
      });
  if (const auto opened = gateway.open_control(ControlClients::kOwnNetwork); !opened) {
    return fail(opened.error());
  }
  auto sandbox = netns::Sandbox::start(sandbox_of(inside, resolvers, settings));
  if (!sandbox) {
    return fail(sandbox.error());
  }
  if (const auto opened = gateway.open_published_ports(); !opened) {
    return fail(opened.error());
  }
  gateway.add_tun(std::move(sandbox->tun()),
                  tunnel_of(inside, sandbox->offload(), options.command.front()),
                  settings.tenants.front().name);
  for (OpenedPort& port : *published) {
    say_if_chosen(port);
    gateway.publish(std::move(port.host), settings.tenants.front().name, port.to);
  }
  const auto process = netns::spawn(*sandbox, command_of(options, ignored));
  if (!process) {
    return fail(process.error(), status_of_spawn_error(process.error()));
  }
  raise_descriptor_limit();  // ours; the command has been started with what the user set
  if (hooks::may_be_confined(options.app)) {
    confine_gateway(netns::Role::kRun, settings, options.config_path);
  }
  say_if_marks_stay_inside(settings.rules, LogLevel::kInfo);  // stderr is the command's
  SignalForwarder forwarder(context, std::move(signals), process->pidfd);
  asio::posix::stream_descriptor abandoned(context, supervised->supervisor.release());
  abandoned.async_wait(asio::posix::stream_descriptor::wait_read, [&](std::error_code error) {
    if (!error) {
      netns::send_signal(process->pidfd, SIGKILL);
    }
  });
  asio::posix::stream_descriptor ended(context, process->pidfd.get());
  ended.async_wait(asio::posix::stream_descriptor::wait_read,
                   [&](std::error_code) { context.stop(); });
  context.run();
  (void)ended.release();
  int wait_status = 0;
  while (::waitpid(process->pid, &wait_status, 0) < 0 && errno == EINTR) {
  }
  end_children([&](pid_t pid) { return pid == sandbox->pid() || gateway.is_sandbox_helper(pid); });
  forwarder.command_has_ended();
  let_connections_finish(gateway, context, forwarder);
  end_or_exit(gateway, wait_status);
  created->reset();
  return end_like(wait_status);
}

}  // namespace gateway
