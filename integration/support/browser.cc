#include "integration/support/browser.h"

#include <csignal>
#include <regex>

#include "integration/support/must.h"
#include "integration/support/wait.h"

namespace integration {
namespace {

using nlohmann::json;

constexpr base::Duration kSlow = 60s;  // a browser's start, on a machine that is busy

json chrome(const std::string& profile) {
  const json words = {
      "--headless",
      "--no-sandbox",  // which needs namespaces inside those of the tests
      "--disable-gpu",  "--disable-dev-shm-usage",         "--disable-quic",
      "--no-first-run", "--disable-background-networking", "--disable-component-update",
      "--disable-sync", "--user-data-dir=" + profile};
  return {{"capabilities",
           {{"alwaysMatch",
             {{"goog:chromeOptions", {{"args", words}}},
              {"goog:loggingPrefs", {{"browser", "ALL"}}}}}}}};
}

}  // namespace

Browser::Browser(const BrowserOptions& options) {
  driver_.emplace(Program::start({"chromedriver", "--port=0"},
                                 {.environment = {"HOME=" + directory_.file("home")}}));
  static const std::regex kPort("started successfully on port ([0-9]+)");
  std::smatch port;
  std::string said;
  const bool started = eventually(
      [&] {
        said = driver_->out();
        return std::regex_search(said, port, kPort);
      },
      kSlow);
  if (!started) {
    give_up("chromedriver did not start: " + said + driver_->err());
  }
  driver_url_ = "http://127.0.0.1:" + port[1].str();
  const json session = ask("POST", "/session", chrome(directory_.file("profile")));
  session_ = "/session/" + session.at("sessionId").get<std::string>();
  const json metrics = {{"width", options.width},
                        {"height", options.height},
                        {"deviceScaleFactor", 1},
                        {"mobile", options.width < 600}};
  ask("POST", session_ + "/goog/cdp/execute",
      {{"cmd", "Emulation.setDeviceMetricsOverride"}, {"params", metrics}});
}

Browser::~Browser() {
  try {
    ask("DELETE", session_, nullptr);  // ends the browser, which the driver alone would leave
  } catch (const std::exception&) {
    // There is none, or it has ended.
  }
  driver_->signal(SIGTERM);
  driver_->wait();
}

json Browser::ask(const std::string& method, const std::string& path, const json& body) const {
  std::vector<std::string> words = {"curl", "-sS", "-m", "60", "-X", method, driver_url_ + path};
  if (!body.is_null()) {
    words.insert(words.end(), {"-H", "Content-Type: application/json", "--data-binary", "@-"});
  }
  const Finished finished = run(words, kSlow, {.input = body.is_null() ? "" : body.dump()});
  const json reply = json::parse(finished.out, nullptr, false);
  if (reply.is_discarded() || !reply.contains("value") ||
      (reply["value"].is_object() && reply["value"].contains("error"))) {
    give_up("chromedriver, " + path + ": " + finished.out + finished.err);
  }
  return reply["value"];
}

void Browser::open(const std::string& url) {
  ask("POST", session_ + "/url", {{"url", url}});
}

json Browser::run_script(const std::string& body) const {
  return ask("POST", session_ + "/execute/sync", {{"script", body}, {"args", json::array()}});
}

std::string Browser::text_of(const std::string& selector) const {
  const json body = {{"script",
                      "const found = document.querySelector(arguments[0]);"
                      "return found === null ? '' : found.innerText;"},
                     {"args", {selector}}};
  return ask("POST", session_ + "/execute/sync", body).get<std::string>();
}

json Browser::console() const {
  return ask("POST", session_ + "/se/log", {{"type", "browser"}});
}

}  // namespace integration
