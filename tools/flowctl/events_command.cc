#include "tools/flowctl/events_command.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "gateway/control/control_protocol.h"
#include "gateway/inspect/flow_filter.h"
#include "tools/flowctl/gateway_access.h"
#include "tools/flowctl/interruption.h"
#include "tools/flowctl/reply.h"

namespace flowctl {
namespace {

using base::Unexpected;
using gateway::ControlRequest;

std::string value_text(const Json& value) {
  if (value.is_string()) {
    return base::printable(value.get<std::string>());
  }
  if (value.is_object()) {  // a count of packets and bytes
    std::string text;
    for (const auto& [key, member] : value.items()) {
      text += (text.empty() ? "" : "/") + member.dump();
    }
    return text;
  }
  return value.dump();
}

// Prints whole lines, each as it is complete.
class Printer {
 public:
  Printer(const Options& options, Output& output) : options_(options), output_(output) {}

  void take(std::string_view text) {
    pending_ += text;
    std::size_t from = 0;
    for (std::size_t end = pending_.find('\n'); end != std::string::npos && !is_done();
         end = pending_.find('\n', from)) {
      print(std::string_view(pending_).substr(from, end - from));
      from = end + 1;
    }
    pending_.erase(0, from);
    output_.flush();
  }
  [[nodiscard]] bool is_done() const {
    return !output_.is_open() || (options_.count && printed_ >= *options_.count);
  }

 private:
  void print(std::string_view line) {
    output_.text() += options_.json ? std::string(line) : event_text(line);
    output_.text() += '\n';
    ++printed_;
  }

  const Options& options_;
  Output& output_;
  std::string pending_;  // the beginning of a line
  std::uint64_t printed_ = 0;
};

}  // namespace

std::string event_text(std::string_view line) {
  const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object() || !event.contains("time") || !event.contains("event")) {
    return base::printable(line);
  }
  std::string text = value_text(event["time"]) + " " + value_text(event["event"]);
  for (const auto& [key, value] : event.items()) {
    if (key != "time" && key != "event" && key != "id" && !value.is_null()) {  // id: that is flow
      text += " " + base::printable(key) + "=" + value_text(value);
    }
  }
  return text;
}

base::Result<void, Failure> follow_events(const Options& options, Output& output) {
  if (const auto filter = gateway::FlowFilter::parse(options.filter); !filter) {
    return Unexpected{Failure{ExitStatus::kUsage, filter.error()}};
  }
  const Interruption interruption;
  const auto stream =
      open_stream(choose_socket(options.socket),
                  {.kind = ControlRequest::Kind::kEvents, .filter = options.filter});
  if (!stream) {
    return Unexpected{stream.error()};
  }
  if (const auto reply = granted(stream->line); !reply) {
    return Unexpected{reply.error()};
  }
  Printer printer(options, output);
  printer.take(stream->rest);
  std::array<char, 65536> buffer;
  while (!printer.is_done()) {
    const auto woke =
        interruption.wait({.readable = stream->socket, .written_to = output.descriptor()});
    if (woke == Interruption::Woke::kSignal || woke == Interruption::Woke::kReaderGone) {
      return {};
    }
    const ssize_t bytes = ::recv(stream->socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (bytes > 0) {
      printer.take({buffer.data(), static_cast<std::size_t>(bytes)});
    } else if (bytes == 0 || (errno != EAGAIN && errno != EINTR)) {
      std::fputs("flowctl: the gateway has ended\n", stderr);
      return {};
    }
  }
  return {};
}

}  // namespace flowctl
