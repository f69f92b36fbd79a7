#include "gateway/reload/reload_command.h"

#include <cstdio>
#include <filesystem>
#include <system_error>

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "gateway/control/gateway_choice.h"

namespace gateway {
namespace {

constexpr int kFailed = 1;
constexpr int kNobodyThere = 3;

using nlohmann::json;

int complain(const std::string& what, int status = kFailed) {
  std::fprintf(stderr, "liftgate reload: %s\n", what.c_str());
  return status;
}

int refused(const json& reply) {
  const json problems = reply.value("problems", json::array());
  if (problems.empty()) {
    return complain(base::printable(reply.value("error", "refused")));
  }
  for (const json& problem : problems) {
    std::fprintf(stderr, "%s\n", base::printable(problem.get<std::string>()).c_str());
  }
  return complain("nothing has changed");
}

void report(const json& done) {
  std::printf("%llu rules are in force; %llu flows have ended that they forbid\n",
              done.at("rules").get<unsigned long long>(),
              done.at("flows_ended").get<unsigned long long>());
  if (const auto late = done.value("shards_late", 0ULL); late > 0) {
    std::printf("%llu shards are busy, and take them over as soon as they get to it\n", late);
  }
  for (const json& key : done.at("after_restart")) {
    std::printf("%s: holds after a restart\n", base::printable(key.get<std::string>()).c_str());
  }
}

}  // namespace

int reload(const std::string& config_path, const std::optional<std::string>& socket) {
  std::error_code failed;
  const std::string absolute =
      config_path.empty() ? "" : std::filesystem::absolute(config_path, failed).string();
  if (failed) {
    return complain(config_path + ": " + failed.message());
  }
  const auto reply = ask_chosen(choose_socket(socket),
                                {.kind = ControlRequest::Kind::kReload, .config = absolute});
  if (!reply) {
    return complain(reply.error().message, reply.error().no_daemon ? kNobodyThere : kFailed);
  }
  try {
    const json answer = json::parse(reply->line);
    if (!answer.at("ok").get<bool>()) {
      return refused(answer);
    }
    report(answer.at("reload"));
    return 0;
  } catch (const json::exception& why) {
    return complain(std::string("the gateway's reply is not what we expect (") + why.what() + ")");
  }
}

}  // namespace gateway
