#include "tools/flowctl/hooks_command.h"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "tools/flowctl/gateway_access.h"
#include "tools/flowctl/reply.h"
#include "tools/flowctl/table.h"

namespace flowctl {
namespace {

using gateway::ControlRequest;

Cell answer_of(const Json& call) {
  if (call.at("failed").get<bool>()) {
    return {"failed; the default was taken", Style::kBad};
  }
  const Json& answer = call.at("answer");
  return {answer.is_null() ? "" : base::printable(answer.get<std::string>())};
}

}  // namespace

base::Result<void, Failure> hooks_of_flow(const Options& options, Output& output, bool colours) {
  const auto reply = ask(choose_socket(options.socket),
                         {.kind = ControlRequest::Kind::kHooks, .flow_id = options.flow_id});
  if (!reply) {
    return base::Unexpected{reply.error()};
  }
  const auto granted_reply = granted(reply->line);
  if (!granted_reply) {
    return base::Unexpected{granted_reply.error()};
  }
  const Json& report = granted_reply->at("hooks");
  if (options.json) {
    output.text() += report.dump(2) + "\n";
    return {};
  }
  std::vector<Row> rows;
  for (const Json& call : report.at("calls")) {
    rows.push_back({{std::to_string(call.at("at_us").get<std::uint64_t>())},
                    {base::printable(call.at("app").get<std::string>())},
                    {base::printable(call.at("hook").get<std::string>())},
                    {base::printable(call.at("kind").get<std::string>())},
                    {std::to_string(call.at("took_ns").get<std::uint64_t>())},
                    answer_of(call)});
  }
  output.text() += table_text(
      {{"AT US", true}, {"APP"}, {"HOOK"}, {"KIND"}, {"TOOK NS", true}, {"ANSWER"}}, rows, colours);
  if (const auto count = report.at("count").get<std::uint64_t>(); count > rows.size()) {
    output.text() += "and " + std::to_string(count - rows.size()) + " later calls\n";
  }
  return {};
}

}  // namespace flowctl
