// Program: a program that a test has started. Its output is kept, its time is limited, and when the
// test is over it is gone.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/fd.h"
#include "integration/support/wait.h"
#include "netns/process.h"
#include "netns/sandbox.h"

namespace integration {

/// How a program ended. `EXPECT_EQ(finished.status, 0) << finished;` shows everything.
struct Finished {
  static constexpr int kTookTooLong = -1;

  int status = kTookTooLong;  // exit status, 128 + signal, or kTookTooLong: it was killed
  std::string out;
  std::string err;
};
std::ostream& operator<<(std::ostream& stream, const Finished& finished);

struct ProgramOptions {
  std::string input{};                     // what it reads from its standard input
  bool keep_input_open = false;            // then type() adds to it and end_input() ends it
  std::vector<std::string> environment{};  // "NAME=value", in addition to ours
  std::string working_directory{};         // empty: ours
  // On the host side only: with every capability over the host network, as root has it. For
  // programs that shape the network (ip, nft), not for what is tested.
  bool as_network_admin = false;
  const base::Fd* connection =
      nullptr;  // becomes standard input and output, as inetd does it; borrowed
  // On the host side only: called in the child before it executes, where only what a signal handler
  // may do is allowed. False: it is not executed, for the reason in errno.
  bool (*before_exec)() = nullptr;
};

class Program {
 public:
  using Words = std::vector<std::string>;

  /// On the host side, beside the gateway and the servers. Throws when it cannot be executed.
  static Program start(const Words& words, const ProgramOptions& options = {});
  /// Inside `sandbox`.
  static Program start_in(const netns::Sandbox& sandbox, const Words& words,
                          const ProgramOptions& options = {});

  /// Kills it when it still runs.
  ~Program();
  Program(Program&& other) noexcept;
  Program& operator=(Program&&) = delete;

  /// Waits until it ends; kills it after `limit`. May be called once.
  Finished wait(base::Duration limit = kPatience);
  [[nodiscard]] bool is_running() const;
  void signal(int number) const;

  void type(const std::string& text);
  void end_input();

  /// What it has written up to now.
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;

  [[nodiscard]] pid_t pid() const { return process_.pid; }
  [[nodiscard]] const base::Fd& pidfd() const { return process_.pidfd; }

 private:
  struct Streams;
  Program(netns::Process process, Streams streams);

  netns::Process process_;
  base::Fd input_;
  base::Fd out_;  // memory files, so that no pipe can fill up and no thread must empty it
  base::Fd err_;
};

/// start() and wait() in one.
Finished run(const Program::Words& words, base::Duration limit = kPatience,
             const ProgramOptions& options = {});

}  // namespace integration
