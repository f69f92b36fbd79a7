#include "tools/flowctl/explain_command.h"

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "tools/flowctl/gateway_access.h"
#include "tools/flowctl/reply.h"
#include "tools/flowctl/table.h"

namespace flowctl {
namespace {

using gateway::ControlRequest;

std::string text_at(const Json& object, const char* key, const char* when_null) {
  const Json& text = object.at(key);
  return text.is_null() ? when_null : base::printable(text.get<std::string>());
}

std::vector<std::pair<std::string, std::string>> facts_of(const Json& explained) {
  std::vector<std::pair<std::string, std::string>> facts = {
      {"packet", text_at(explained, "packet", "")},
      {"tenant", text_at(explained, "tenant", "")},
      {"tunnel", text_at(explained, "tunnel", "not known; one that may send it")},
      {"name", text_at(explained, "name", "not known")}};
  for (const Json& limit : explained.at("limits")) {
    facts.emplace_back(base::printable(limit.at("of").get<std::string>()),
                       std::to_string(limit.at("used").get<std::uint64_t>()) + " of " +
                           std::to_string(limit.at("most").get<std::uint64_t>()));
  }
  return facts;
}

std::string why_not(const Json& verdict) {
  return text_at(verdict, "key", "") + " is " + text_at(verdict, "found", "") + ", not " +
         text_at(verdict, "wanted", "");
}

// Asked after the rules. Where it has no opinion, or fails, they decide.
Row row_of_app(const Json& app) {
  const std::string name = "app " + text_at(app, "name", "");
  if (app.at("failed").get<bool>()) {
    return {{name}, {"no", Style::kBad}, {"its hook flow_decide fails"}};
  }
  const std::string answer = text_at(app, "answer", "");
  const bool decides = answer != "no_opinion";
  return {{name},
          decides ? Cell{"yes", Style::kGood} : Cell{"no", Style::kFaint},
          {"its hook flow_decide answers " + answer}};
}

std::vector<Row> rows_of(const Json& explained) {
  std::vector<Row> rows;
  for (const Json& verdict : explained.at("rules")) {
    const bool matches = verdict.at("matches").get<bool>();
    rows.push_back({{text_at(verdict, "rule", "")},
                    matches ? Cell{"yes", Style::kGood} : Cell{"no", Style::kFaint},
                    {matches ? "every key holds" : why_not(verdict)}});
  }
  if (explained.at("rules").empty() || !explained.at("rules").back().at("matches").get<bool>()) {
    rows.push_back({{"default"},
                    {"yes", Style::kGood},
                    {"no rule matches: tunnels are forwarded to, the rest is upgraded"}});
  }
  if (const Json& app = explained.at("app"); !app.is_null()) {
    rows.push_back(row_of_app(app));
  }
  return rows;
}

}  // namespace

base::Result<void, Failure> explain(const Options& options, Output& output, bool colours) {
  const auto reply = ask(choose_socket(options.socket),
                         {.kind = ControlRequest::Kind::kExplain, .query = options.query});
  if (!reply) {
    return base::Unexpected{reply.error()};
  }
  const auto granted_reply = granted(reply->line);
  if (!granted_reply) {
    return base::Unexpected{granted_reply.error()};
  }
  const Json& explained = granted_reply->at("explanation");
  if (options.json) {
    output.text() += explained.dump(2) + "\n";
    return {};
  }
  output.text() += facts_text(facts_of(explained), colours) + "\n" +
                   table_text({{"RULE"}, {"MATCHES"}, {"WHY"}}, rows_of(explained), colours) +
                   "\nIt would be " + text_at(explained, "says", "") + ".\n";
  return {};
}

}  // namespace flowctl
