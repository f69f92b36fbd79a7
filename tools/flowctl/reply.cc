#include "tools/flowctl/reply.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace flowctl {
namespace {

NameBook::Names names_by_id(const Json& list) {
  NameBook::Names names;
  for (const Json& one : list) {
    const auto id = one.at("id").get<std::uint32_t>();
    const auto name = one.at("name").get<std::string>();
    names.emplace(id, name.empty() ? "#" + std::to_string(id) : name);
  }
  return names;
}

NameBook::Names names_by_position(const Json& list) {
  NameBook::Names names;
  for (const Json& one : list) {
    names.emplace(names.size(), one.get<std::string>());
  }
  return names;
}

}  // namespace

base::Result<Json, Failure> granted(const std::string& line) {
  Json reply = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!reply.is_object() || !reply.contains("ok") || !reply["ok"].is_boolean()) {
    return base::Unexpected{
        Failure{ExitStatus::kFailed, "what answers is no liftgate: " + base::printable(line, 64)}};
  }
  if (!reply["ok"].get<bool>()) {
    return base::Unexpected{
        Failure{ExitStatus::kFailed, base::printable(reply.value("error", "refused"))}};
  }
  return reply;
}

NameBook names_in(const Json& reply) {
  return {names_by_id(reply.at("tenants")), names_by_id(reply.at("tunnels")),
          names_by_position(reply.at("rules"))};
}

}  // namespace flowctl
