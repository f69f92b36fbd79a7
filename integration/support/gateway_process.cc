#include "integration/support/gateway_process.h"

#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <sstream>
#include <utility>

#include <gtest/gtest.h>

#include "integration/support/must.h"
#include "integration/support/wait.h"

namespace integration {

using nlohmann::json;

namespace {

namespace fs = std::filesystem;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
  }
}

std::string yaml_of(const GatewayConfig& config, const std::string& directory) {
  std::string yaml;
  const auto add = [&](const std::string& key, const std::string& value) {
    if (!value.empty()) {
      yaml += key + ":\n" + (value.starts_with('{') ? "  " : "") + value + "\n";
    }
  };
  add("onramps", config.onramps);
  add("tenants", config.tenants);
  add("rules", config.rules);
  add("flows", config.flows);
  add("audit", config.audit);
  add("log", config.log);
  yaml += config.more + "\n";
  replace_all(yaml, "{dir}", directory);
  return yaml;
}

// Whether somebody listens there. Without connecting: the gateway would count that as a tunnel that
// said nothing. A line of /proc/net/unix: "address: references protocol flags type state inode
// path".
bool is_listening(const std::string& socket_path) {
  constexpr unsigned kListens = 1U << 16U;  // __SO_ACCEPTCON in linux/net.h
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    std::istringstream fields(line);
    std::string word;
    unsigned flags = 0;
    std::string path;
    fields >> word >> word >> word >> std::hex >> flags >> word >> word >> word >> path;
    if (path == socket_path && (flags & kListens) != 0) {
      return true;
    }
  }
  return false;
}

// Parent of every process, from /proc/PID/stat: "PID (name) state PPID ...". The name may hold
// anything, so that the fields begin behind its last parenthesis.
std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    if (name.find_first_not_of("0123456789") != std::string::npos || !std::getline(file, stat)) {
      continue;
    }
    std::istringstream fields(stat.substr(stat.rfind(')') + 1));
    char state = 0;
    pid_t parent = 0;
    fields >> state >> parent;
    if (state != 'Z') {
      children.emplace(parent, std::stoi(name));
    }
  }
  return children;
}

// What the gateway left behind becomes our child when it goes (host::enter), and we must reap it.
bool is_gone(pid_t pid) {
  ::waitpid(pid, nullptr, WNOHANG);
  return ::kill(pid, 0) != 0;
}

}  // namespace

std::vector<pid_t> descendants_of(pid_t pid) {
  const auto children = children_by_parent();
  std::vector<pid_t> found;
  std::vector<pid_t> unvisited = {pid};
  while (!unvisited.empty()) {
    const pid_t parent = unvisited.back();
    unvisited.pop_back();
    const auto [begin, end] = children.equal_range(parent);
    for (auto child = begin; child != end; ++child) {
      found.push_back(child->second);
      unvisited.push_back(child->second);
    }
  }
  return found;
}

GatewayProcess::GatewayProcess(const GatewayConfig& config)
    : has_onramp_(config.onramps.find("{dir}/onramp.sock") != std::string::npos),
      most_descriptors_(config.most_descriptors),
      app_(config.program.empty() ? liftgate_program() : config.program),
      environment_(config.environment),
      before_exec_(config.before_exec) {
  std::ofstream(file("config.yaml")) << yaml_of(config, directory_.path());
  start();
}

GatewayProcess::~GatewayProcess() {
  if (program_) {
    stop();
  }
  if (testing::Test::HasFailure()) {
    std::cerr << "--- log of the gateway\n" << last_log_ << "---\n";
  }
}

// The environment may name others than those built with the tests: a sanitized build's.
std::string liftgate_program() {
  const char* other = std::getenv("LIFTGATE_PROGRAM");
  return other != nullptr ? other : LIFTGATE_PROGRAM;
}

std::string flowctl_program() {
  const char* other = std::getenv("FLOWCTL_PROGRAM");
  return other != nullptr ? other : FLOWCTL_PROGRAM;
}

void GatewayProcess::start() {
  Program::Words words = {app_, "serve", "--config", file("config.yaml")};
  if (most_descriptors_ > 0) {
    words.insert(words.begin(), {"prlimit", "--nofile=" + std::to_string(most_descriptors_)});
  }
  std::vector<std::string> environment = {"LIFTGATE_SOCKET=" + control(),
                                          "XDG_RUNTIME_DIR=" + directory_.path()};
  environment.insert(environment.end(), environment_.begin(), environment_.end());
  program_.emplace(
      Program::start(words, {.environment = environment, .before_exec = before_exec_}));
  const auto is_up = [&] {
    return is_listening(control()) && (!has_onramp_ || is_listening(onramp()));
  };
  const bool ready = eventually([&] { return is_up() || !is_running(); }) && is_running();
  if (!ready) {
    const Finished finished = program_->wait(0ms);
    program_.reset();
    give_up("liftgate serve did not come up: status " + std::to_string(finished.status) + "\n" +
            finished.out + finished.err);
  }
}

std::string GatewayProcess::telemetry_url() const {
  static const std::regex kUrl("telemetry opened url=(http://\\S+)/metrics");
  std::smatch url;
  const std::string log = this->log();
  if (!std::regex_search(log, url, kUrl)) {
    give_up("no telemetry: " + log);
  }
  return url[1].str();
}

json GatewayProcess::flowctl(Program::Words words) const {
  words.insert(words.begin(), "--json");
  const Finished finished = run_flowctl(words);
  if (finished.status != 0) {
    std::ostringstream all;
    all << "flowctl: " << finished;
    give_up(all.str());
  }
  return json::parse(finished.out);
}

Finished GatewayProcess::run_flowctl(Program::Words words) const {
  const Program::Words program = {flowctl_program(), "--socket", control()};
  words.insert(words.begin(), program.begin(), program.end());
  return run(words);
}

std::vector<json> GatewayProcess::audit() const {
  std::vector<json> lines;
  std::ifstream log(file("audit.jsonl"));
  for (std::string line; std::getline(log, line);) {
    if (log.eof()) {
      break;  // no newline yet: it is still being written
    }
    lines.push_back(json::parse(line));
  }
  return lines;
}

std::vector<json> GatewayProcess::wait_for_audit(const std::string& event,
                                                 std::size_t count) const {
  std::vector<json> wanted;
  const bool came = eventually([&] {
    wanted = audit();
    std::erase_if(wanted, [&](const json& line) { return line.at("event") != event; });
    return wanted.size() >= count;
  });
  if (!came) {
    give_up("only " + std::to_string(wanted.size()) + " of " + std::to_string(count) + " " + event +
            " in the audit log");
  }
  return wanted;
}

std::string GatewayProcess::log() const {
  return program_ ? program_->err() : last_log_;
}

std::vector<pid_t> GatewayProcess::children() const {
  return descendants_of(pid());
}

void GatewayProcess::expect_no_process_left(const std::vector<pid_t>& descendants) const {
  for (const pid_t process : descendants) {
    EXPECT_TRUE(eventually([&] { return is_gone(process); }))
        << "process " << process << " of the gateway lives on";
  }
}

void GatewayProcess::wait_for_tunnels(std::size_t count) const {
  if (!eventually([&] { return flowctl({"tunnels"}).size() == count; })) {
    give_up("there are not " + std::to_string(count) + " tunnels");
  }
}

Finished GatewayProcess::end(int signal) {
  const auto descendants = children();
  program_->signal(signal);
  Finished finished = program_->wait();
  last_log_ = finished.err;
  program_.reset();
  expect_no_process_left(descendants);
  return finished;
}

void GatewayProcess::stop() {
  const Finished finished = end(SIGTERM);
  EXPECT_EQ(finished.status, 0) << finished;
  for (const auto& entry : fs::directory_iterator(directory_.path())) {
    EXPECT_FALSE(entry.is_socket()) << entry.path() << " is left behind";
  }
}

void GatewayProcess::kill() {
  (void)end(SIGKILL);
}

}  // namespace integration
