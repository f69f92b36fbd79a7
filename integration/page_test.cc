// The page of the telemetry address, in a real browser, of a gateway that carries real traffic.
//
//   Chromium ----HTTP----> gateway <==SEQPACKET== client ~~~~~> server
//   (chromedriver)

#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/browser.h"
#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "integration/support/tunnels.h"

namespace integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr base::Duration kBrowserPatience = 40s;

// The answer's head and body.
std::string get(const std::string& url, const Program::Words& more = {}) {
  Program::Words words = {"curl", "-sS", "-i", "-m", "10", url};
  words.insert(words.end(), more.begin(), more.end());
  return run(words).out;
}

json api(const std::string& url) {
  return json::parse(run({"curl", "-sS", "-m", "10", url}).out);
}

class Page : public testing::Test {
 protected:
  explicit Page(const std::string& more = "")
      : gateway_({.rules = "- {name: web, match: {protocol: tcp}, action: upgrade}",
                  .more = "telemetry: {listen: '127.0.0.1:0'" + more + "}\n"}),
        url_(gateway_.telemetry_url()) {}

  // Fails the test with what is seen instead.
  static void expect_seen(const Browser& browser, const std::string& selector,
                          const std::string& text) {
    std::string seen;
    EXPECT_TRUE(eventually(
        [&] {
          seen = browser.text_of(selector);
          return seen.find(text) != std::string::npos;
        },
        kBrowserPatience))
        << text << " is not in:\n"
        << seen << "\n"
        << browser.console().dump(1);
  }

  GatewayProcess gateway_;
  std::string url_;
};

TEST_F(Page, ShowsTheFlowOfARunningDownload) {
  const ClientNetwork client(gateway_.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  connection.send(std::string(200'000, 'x'));
  connection.receive(200'000);
  const json flow = gateway_.flows().at(0);

  Browser browser;
  browser.open(url_ + "/");
  expect_seen(browser, "#state", "live");
  expect_seen(browser, "#flows", flow.at("destination").get<std::string>());
  expect_seen(browser, "#flows", flow.at("source").get<std::string>());
  expect_seen(browser, "#rules", "web");
  expect_seen(browser, "#tunnels", "100.64.0.2/32");
  // With traffic, there are rates.
  std::string rate = "0";
  EXPECT_TRUE(eventually(
      [&] {
        connection.send(std::string(100'000, 'x'));
        connection.receive(100'000);
        rate = browser.text_of("#flows td.up-rate");
        return !rate.empty();
      },
      kBrowserPatience))
      << browser.text_of("#flows");
  EXPECT_TRUE(std::regex_search(rate, std::regex("[0-9.]+ [kM]bit/s"))) << rate;
  EXPECT_EQ(browser.console(), json::array());  // no error, nothing that the policy had to stop
}

TEST_F(Page, ShowsNamesOfTunnelsAsTextWhateverTheyAre) {
  const std::string name = "<script>document.title='run'</script><img src=x onerror=x()>";
  TunnelOptions options;
  options.name = name;
  const ClientNetwork client(gateway_.onramp(), options);
  wait_for_tunnels(gateway_, 1);
  Browser browser;
  browser.open(url_ + "/");
  expect_seen(browser, "#tunnels", name);
  EXPECT_EQ(browser.run_script("return document.title"), "Liftgate");
  EXPECT_EQ(browser.run_script("return document.querySelectorAll('script, img').length"), 1);
  EXPECT_EQ(browser.console(), json::array());
}

TEST_F(Page, FitsAPhone) {
  TunnelOptions options;
  options.name = std::string(64, 'w');
  const ClientNetwork client(gateway_.onramp(), options);
  const TcpServer server = TcpServer::echo();
  const TcpConnection connection = client.connect(server.endpoint());
  Browser browser({.width = 360, .height = 740});
  browser.open(url_ + "/");
  expect_seen(browser, "#flows", server.endpoint().to_string());
  EXPECT_EQ(browser.run_script("return window.innerWidth"), 360);
  browser.run_script("document.querySelector('button.open').click()");
  expect_seen(browser, "#flows", "flowctl kill ");
  EXPECT_LE(browser.run_script("return document.documentElement.scrollWidth").get<int>(), 360);
}

TEST_F(Page, SaysWhenThereIsNothingAndWhenTheGatewayHasGone) {
  Browser browser;
  browser.open(url_ + "/");
  expect_seen(browser, "#flows-empty", "No flows at the moment.");
  expect_seen(browser, "#tunnels-empty", "No tunnel is open.");
  expect_seen(browser, "#drops-empty", "Nothing was dropped.");
  gateway_.stop();
  expect_seen(browser, "#lost", "The gateway does not answer.");
  expect_seen(browser, "#state", "disconnected");
}

class LockedPage : public Page {
 protected:
  LockedPage() : Page(", token: 'open sesame'") {}
};

TEST_F(LockedPage, ShowsNothingUntilItIsGivenTheToken) {
  Browser browser;
  browser.open(url_ + "/");
  expect_seen(browser, "#locked", "This gateway asks for a token.");
  EXPECT_THAT(get(url_ + "/api/overview"), HasSubstr("401 Unauthorized"));
  EXPECT_THAT(get(url_ + "/metrics"), HasSubstr("401 Unauthorized"));
  EXPECT_THAT(get(url_ + "/metrics", {"-H", "Authorization: Bearer open sesamE"}),
              HasSubstr("401 Unauthorized"));
  EXPECT_THAT(get(url_ + "/metrics", {"-H", "Authorization: Bearer open sesame"}),
              HasSubstr("200 OK"));
  EXPECT_THAT(get(url_ + "/health"), HasSubstr("200 OK"));
  browser.run_script(
      "document.querySelector('#token').value = 'open sesame';"
      "document.querySelector('#unlock').requestSubmit()");
  expect_seen(browser, "#state", "live");
}

TEST_F(Page, IsOnlyForThoseWhoAskByAddress) {
  EXPECT_THAT(get(url_ + "/api/overview", {"-H", "Host: rebound.example:9464"}),
              HasSubstr("421 Misdirected Request"));
  EXPECT_THAT(get(url_ + "/api/overview", {"-H", "Host: localhost:9464"}), HasSubstr("200 OK"));
  EXPECT_THAT(get(url_ + "/", {"-X", "POST"}), HasSubstr("405 Method Not Allowed"));
  EXPECT_THAT(get(url_ + "/"), AllOf(HasSubstr("200 OK"), HasSubstr("default-src 'none'"),
                                     HasSubstr("frame-ancestors 'none'"), HasSubstr("nosniff")));
}

TEST_F(Page, ApiHasTheNamesAndFiguresOfFlowctl) {
  const ClientNetwork client(gateway_.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("x");
  connection.receive(1);
  const json said = api(url_ + "/api/overview");
  const auto same = [](json ours, const json& flowctls) {
    for (const char* moving : {"age_ms", "idle_ms", "uptime_ms", "up_rate", "down_rate", "rules"}) {
      ours.erase(moving);
    }
    for (const auto& [key, value] : ours.items()) {
      EXPECT_EQ(value, flowctls.at(key)) << key;
    }
    EXPECT_GT(ours.size(), 5U);
  };
  ASSERT_EQ(said.at("flows").size(), 1U);
  same(said.at("flows").at(0), gateway_.flows().at(0));
  same(said.at("tunnels").at(0), gateway_.flowctl({"tunnels"}).at(0));
  same(said.at("tenants").at(0), gateway_.flowctl({"tenants"}).at(0));
  EXPECT_EQ(said.at("drops"), gateway_.flowctl({"drops"}));
  EXPECT_EQ(said.at("rules"), gateway_.flowctl({"stats"}).at("rules"));
}

}  // namespace
}  // namespace integration
