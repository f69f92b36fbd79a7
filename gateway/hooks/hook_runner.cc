#include "gateway/hooks/hook_runner.h"

#include <numeric>

#include "base/utf8.h"
#include "gateway/log.h"
#include "gateway/log_value.h"

namespace gateway::hooks {

std::string answer_text(const FlowRuling& ruling) {
  return std::string(name(ruling.kind)) + (ruling.to ? " to " + ruling.to->to_string() : "");
}

std::string answer_text(const EgressRuling& ruling) {
  const std::string kind(name(ruling.kind));
  if (ruling.kind == EgressRuling::Kind::kConnectToName) {
    return kind + " " + base::printable(ruling.name) + ":" + std::to_string(number(ruling.to.port));
  }
  return ruling.kind == EgressRuling::Kind::kConnectTo ? kind + " " + ruling.to.to_string() : kind;
}

std::string answer_text(const Resolution& resolution) {
  return resolution.kind == Resolution::Kind::kAddresses ? answer_text(resolution.addresses)
                                                         : std::string(name(resolution.kind));
}

std::string answer_text(const AddressOrder& order) {
  std::string text;
  for (const base::IpAddress& address : order) {
    text += (text.empty() ? "" : " ") + address.to_string();
  }
  return text.empty() ? "none" : text;
}

std::string answer_text(const DatagramRuling& ruling) {
  const bool elsewhere = ruling.kind == DatagramRuling::Kind::kSendTo;
  return std::string(name(ruling.kind)) + (elsewhere ? " " + ruling.to.to_string() : "");
}

std::string answer_text(IngressRuling ruling) {
  return std::string(name(ruling));
}

std::string answer_text(PacketRuling ruling) {
  return std::string(name(ruling));
}

std::string answer_text(const ContextAnswer& answer) {
  return std::string(name(answer.kind));
}

std::string answer_text(PipelineRuling ruling) {
  return std::string(name(ruling));
}

std::string answer_text(Watching watching) {
  return std::string(name(watching));
}

std::string answer_text(const Refusal& refusal) {
  return refusal ? "refuse" : "agree";
}

void HookRunner::Timing::write(std::uint64_t flow, HookId id, const std::string& answer,
                               bool failed) const {
  HookCall call{.hook = id,
                .app = runner_.app_,
                .failed = failed,
                .at = begin_,
                .took = base::Clock::now() - begin_};
  call.set_text(answer);
  runner_.trace_.add(flow, call);
}

std::uint64_t HookRunner::all_failures() const {
  return std::accumulate(failures_.begin(), failures_.end(), std::uint64_t{0});
}

void HookRunner::failed(std::uint64_t flow, HookId id, const char* why, const Timing& timing) {
  ++failures_[static_cast<std::size_t>(id)];
  if (trace_.is_on()) {
    timing.write(flow, id, "", /*failed=*/true);
  }
  if (lines_.take(base::Clock::now())) {
    log_error("hook failed hook={} flow={} failures={} error={}", info(id).name, flow, failures(id),
              LogValue{base::printable(why)});
  }
}

}  // namespace gateway::hooks
