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

ExitStatus complain(const Failure& failure) {
  std::fprintf(stderr, "flowctl: %s\n", failure.message.c_str());
  if (failure.status == ExitStatus::kUsage) {
    std::fputs("Try 'flowctl --help'.\n", stderr);
  }
  return failure.status;
}

ExitStatus finish(flowctl::Output& output) {
  output.flush();
  return output.error().empty() ? ExitStatus::kDone
                                : complain({ExitStatus::kFailed, output.error()});
}

ExitStatus run(const std::vector<std::string>& words) {
  if (words.empty()) {
    std::fputs(flowctl::short_usage().c_str(), stderr);
    return ExitStatus::kUsage;
  }
  const auto options = flowctl::parse_options(words);
  if (!options) {
    return complain({ExitStatus::kUsage, options.error()});
  }
  flowctl::Output output(STDOUT_FILENO);
  if (options->help) {
    output.text() = flowctl::help(options->command);
    return finish(output);
  }
  if (options->version) {
    output.text() = "flowctl " + std::string(gateway::version()) + "\n";
    return finish(output);
  }
  const auto done = flowctl::run(*options, output, flowctl::wants_colours(STDOUT_FILENO));
  return done ? finish(output) : complain(done.error());
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // Output sees EPIPE: a reader that has gone is no failure
  return static_cast<int>(run(std::vector<std::string>(argv + 1, argv + argc)));
}
