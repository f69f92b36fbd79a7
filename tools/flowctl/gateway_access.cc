#include "tools/flowctl/gateway_access.h"

#include <utility>

namespace flowctl {
namespace {

template <class Value>
base::Result<Value, Failure> with_status(base::Result<Value, gateway::ControlFailure> reply) {
  if (reply) {
    return std::move(reply).value();
  }
  return base::Unexpected{
      Failure{reply.error().no_daemon ? ExitStatus::kNoGateway : ExitStatus::kFailed,
              reply.error().message}};
}

}  // namespace

base::Result<gateway::ControlReply, Failure> ask(
    const SocketChoice& choice, const gateway::ControlRequest& request,
    std::optional<std::chrono::milliseconds> patience) {
  return with_status(gateway::ask_chosen(choice, request, patience));
}

base::Result<gateway::ControlStream, Failure> open_stream(const SocketChoice& choice,
                                                          const gateway::ControlRequest& request) {
  return with_status(gateway::open_chosen_stream(choice, request));
}

}  // namespace flowctl
