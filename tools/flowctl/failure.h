// Failure: why a command was not done, and the exit status that says so to scripts.
#pragma once

#include <string>

namespace flowctl {

enum class ExitStatus : int { kDone = 0, kFailed = 1, kUsage = 2, kNoGateway = 3 };

struct Failure {
  ExitStatus status = ExitStatus::kFailed;
  std::string message;
};

}  // namespace flowctl
