#include "gateway/control/gateway_choice.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "gateway/control/socket_path.h"

namespace gateway {
namespace {

namespace fs = std::filesystem;
using base::Unexpected;

constexpr std::chrono::milliseconds kPingPatience{1'000};

bool answers(const std::string& path) {
  return ask_gateway(path, {.kind = ControlRequest::Kind::kPing}, kPingPatience).has_value();
}

// The sockets of every `liftgate run` that answers, beside the one at `path`.
std::vector<std::string> live_runs_beside(const std::string& path) {
  std::vector<std::string> found;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(fs::path(path).parent_path(), unreadable)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("run-") && name.ends_with(".sock") && answers(entry.path())) {
      found.push_back(entry.path());
    }
  }
  std::ranges::sort(found);
  return found;
}

ControlFailure no_gateway(const ControlFailure& why) {
  return {true, "no liftgate answers (" + why.message +
                    ")\nStart one with `liftgate serve` or `liftgate run -- COMMAND`, or name its "
                    "socket with --socket PATH or $LIFTGATE_SOCKET."};
}

ControlFailure several_runs(const std::vector<std::string>& runs) {
  std::string message = "several `liftgate run` answer; choose one with --socket:";
  for (const std::string& path : runs) {
    message += "\n  " + path;
  }
  return {true, std::move(message)};
}

// `call(path)` is one try at a gateway.
template <class Call>
std::invoke_result_t<Call, const std::string&> call_gateway(const SocketChoice& choice, Call call) {
  auto reply = call(choice.path);
  if (reply || !reply.error().no_daemon) {
    return reply;
  }
  const auto runs =
      choice.or_single_run ? live_runs_beside(choice.path) : std::vector<std::string>();
  if (runs.size() > 1) {
    return Unexpected{several_runs(runs)};
  }
  if (runs.size() == 1) {
    reply = call(runs.front());
  }
  if (!reply && reply.error().no_daemon) {
    return Unexpected{no_gateway(reply.error())};
  }
  return reply;
}

}  // namespace

SocketChoice choose_socket(const std::optional<std::string>& option) {
  if (option) {
    return {.path = *option, .or_single_run = false};
  }
  const char* named = std::getenv("LIFTGATE_SOCKET");
  return {.path = default_control_path(), .or_single_run = named == nullptr || *named == '\0'};
}

base::Result<ControlReply, ControlFailure> ask_chosen(
    const SocketChoice& choice, const ControlRequest& request,
    std::optional<std::chrono::milliseconds> patience) {
  return call_gateway(
      choice, [&](const std::string& path) { return ask_gateway(path, request, patience); });
}

base::Result<ControlStream, ControlFailure> open_chosen_stream(const SocketChoice& choice,
                                                               const ControlRequest& request) {
  return call_gateway(choice, [&](const std::string& path) { return open_stream(path, request); });
}

}  // namespace gateway
