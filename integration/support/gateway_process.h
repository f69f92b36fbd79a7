// GatewayProcess: the real `liftgate serve`, with a directory, a configuration and a log of its
// own.
//
//     GatewayProcess gateway({.rules = "- {name: no, match: {destination_port: [25]}, action:
//     reject}"}); ClientNetwork client(gateway.onramp());
//     ...
//     EXPECT_EQ(gateway.flows().size(), 1U);
//
// When it goes, it has ended as it should: exit status 0 after SIGTERM, no process and no socket
// file left behind. Anything else fails the test, and so every test tests it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "integration/support/program.h"
#include "tests/support/temp_directory.h"

namespace integration {

/// YAML below the key of the same name; an empty one leaves the key out. `{dir}` stands for the
/// gateway's directory.
struct GatewayConfig {
  std::string onramps = "- seqpacket: {path: '{dir}/onramp.sock'}";
  std::string tenants = "- {name: acme, id: 1001, sources: [100.64.0.0/10, 'fd00:64::/48']}";
  std::string rules{};
  std::string flows{};
  std::string audit = "{path: '{dir}/audit.jsonl'}";
  std::string log = "{level: debug}";
  std::string more{};                      // whole top-level keys
  int most_descriptors = 0;                // not of the file: the process's limit; 0: as ours
  std::string program{};                   // not of the file: an app to run; empty: liftgate
  std::vector<std::string> environment{};  // not of the file: "NAME=value", in addition to ours
  bool (*before_exec)() = nullptr;         // not of the file: ProgramOptions has it
};

/// For tests that wait for the end of flows: stragglers are answered for a moment only.
inline constexpr auto kQuickTimeWait = "{timeouts: {tcp_time_wait: 100ms}}";

class GatewayProcess {
 public:
  /// Returns once the control socket and the on-ramp listen. Throws, with the log, when the gateway
  /// ends instead.
  explicit GatewayProcess(const GatewayConfig& config = {});
  ~GatewayProcess();
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;

  [[nodiscard]] std::string onramp() const { return file("onramp.sock"); }
  [[nodiscard]] std::string control() const { return file("control.sock"); }
  /// "http://127.0.0.1:9464". Throws when the configuration has no telemetry.listen.
  [[nodiscard]] std::string telemetry_url() const;
  /// A path in the gateway's directory.
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.file(name); }

  /// What `flowctl --json <words>` prints. Throws when flowctl fails.
  [[nodiscard]] nlohmann::json flowctl(Program::Words words) const;
  /// flowctl as people call it.
  [[nodiscard]] Finished run_flowctl(Program::Words words) const;
  [[nodiscard]] nlohmann::json flows() const { return flowctl({"flows"}); }
  /// Waits until so many tunnels are open: what a tunnel sends itself waits for that, but what is
  /// sent to it does not.
  void wait_for_tunnels(std::size_t count) const;

  /// The audit log's lines up to now.
  [[nodiscard]] std::vector<nlohmann::json> audit() const;
  /// Waits until there are so many lines with `"event": event`. Throws when they do not come.
  [[nodiscard]] std::vector<nlohmann::json> wait_for_audit(const std::string& event,
                                                           std::size_t count) const;
  /// What it wrote to stderr up to now.
  [[nodiscard]] std::string log() const;

  [[nodiscard]] pid_t pid() const { return program_->pid(); }
  [[nodiscard]] bool is_running() const { return program_->is_running(); }
  /// The processes that it has started and that live, its sandbox's helper among them.
  [[nodiscard]] std::vector<pid_t> children() const;
  void signal(int number) const { program_->signal(number); }

  /// `signal` is its end; expects that no process of it lives on.
  Finished end(int signal);
  /// SIGTERM; expects exit status 0 and nothing left behind. The destructor does it, too.
  void stop();
  /// SIGKILL, as a crash would; expects that no process of it lives on.
  void kill();

 private:
  void start();
  void expect_no_process_left(const std::vector<pid_t>& descendants) const;

  test_support::TempDirectory directory_;
  bool has_onramp_;
  int most_descriptors_;
  std::string app_;  // empty: liftgate
  std::vector<std::string> environment_;
  bool (*before_exec_)();
  std::optional<Program> program_;  // until it is stopped
  std::string last_log_;
};

/// The programs under test.
std::string liftgate_program();
std::string flowctl_program();

/// The processes below `pid`, at any depth, without itself.
std::vector<pid_t> descendants_of(pid_t pid);

}  // namespace integration
