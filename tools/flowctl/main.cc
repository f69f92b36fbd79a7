// flowctl: asks a running liftgate what it does.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "gateway/inspect/version.h"
#include "tools/flowctl/commands.h"
#include "tools/flowctl/help.h"
#include "tools/flowctl/options.h"
#include "tools/flowctl/output.h"

namespace {

using flowctl::ExitStatus;
using flowctl::Failure;

ExitStatus complain(const Failure& failure, flowctl::Command command) {
  std::fprintf(stderr, "flowctl: %s\n", failure.message.c_str());
  if (failure.status == ExitStatus::kUsage) {
    std::fprintf(stderr, "Try '%s --help'.\n", flowctl::full_name(command).c_str());
  }
  return failure.status;
}

ExitStatus finish(flowctl::Output& output, flowctl::Command command) {
  output.flush();
  return output.error().empty() ? ExitStatus::kDone
                                : complain({ExitStatus::kFailed, output.error()}, command);
}

ExitStatus run(const std::vector<std::string>& words) {
  if (words.empty()) {
    std::fputs(flowctl::short_usage().c_str(), stderr);
    return ExitStatus::kUsage;
  }
  const auto options = flowctl::parse_options(words);
  if (!options) {
    const flowctl::UsageError& wrong = options.error();
    return complain({ExitStatus::kUsage, wrong.message}, wrong.command);
  }
  flowctl::Output output(STDOUT_FILENO);
  if (options->help) {
    output.text() = flowctl::help(options->command);
    return finish(output, options->command);
  }
  if (options->version) {
    output.text() = "flowctl " + std::string(gateway::version()) + "\n";
    return finish(output, options->command);
  }
  const auto done = flowctl::run(*options, output, flowctl::wants_colours(STDOUT_FILENO));
  return done ? finish(output, options->command) : complain(done.error(), options->command);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // Output sees EPIPE: a reader that has gone is no failure
  return static_cast<int>(run(std::vector<std::string>(argv + 1, argv + argc)));
}
