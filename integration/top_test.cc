// `flowctl top` on a real terminal, and as tables.
//
//     client ==SEQPACKET==> gateway ==TCP==> servers
//                              |
//                              +--flow table, mapped--> flowctl top <--pseudo-terminal--> the test

#include <csignal>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/pseudo_terminal.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Top : public testing::Test {
 protected:
  std::unique_ptr<PseudoTerminal> top(const Program::Words& more = {},
                                      const std::vector<std::string>& environment = {
                                          "TERM=xterm", "LC_ALL=C.UTF-8"}) {
    Program::Words words = {flowctl_program(), "--socket", gateway_.control(), "top",
                            "--interval",      "0.1"};
    words.insert(words.end(), more.begin(), more.end());
    return std::make_unique<PseudoTerminal>(words, 140, 12, environment);
  }
  std::string destination(const TcpServer& server) { return server.endpoint().to_string(); }

  GatewayProcess gateway_;
  const ClientNetwork client_{gateway_.onramp(), {.name = "laptop-17"}};
  const TcpServer server_ = TcpServer::echo();
  const TcpServer other_ = TcpServer::echo(host::kOtherServer4);
  TcpConnection busy_ = client_.connect(server_.endpoint());
  TcpConnection idle_ = client_.connect(other_.endpoint());
};

TEST_F(Top, ShowsRatesSortsGroupsFiltersAndGivesTheTerminalBack) {
  const auto terminal = top({"--sort", "id"});
  ASSERT_TRUE(terminal->shows("2 flows")) << terminal->screen().text();
  EXPECT_TRUE(terminal->screen().is_alternate());
  EXPECT_THAT(terminal->screen().line(2), HasSubstr("SOURCE"));
  EXPECT_THAT(terminal->screen().line(3), HasSubstr(destination(server_)));
  EXPECT_THAT(terminal->screen().line(4), HasSubstr(destination(other_)));
  EXPECT_THAT(terminal->screen().selected(), HasSubstr(destination(server_)));

  // What runs is at the top, with a rate and a line of its own.
  terminal->type("s");
  idle_.send("x");
  EXPECT_TRUE(terminal->shows([&](const Screen& screen) {
    busy_.send(std::string(10'000, 'x'));
    busy_.receive(10'000);
    return screen.line(1).find("sorted by rate") != std::string::npos &&
           screen.line(3).find(destination(server_)) != std::string::npos &&
           screen.line(3).find("█") != std::string::npos;
  })) << terminal->screen().text();

  terminal->type("t");
  EXPECT_TRUE(terminal->shows("TENANT  FLOWS")) << terminal->screen().text();
  EXPECT_THAT(terminal->screen().line(3), HasSubstr("acme        2"));
  terminal->type("f/destination=192.0.2.2\r");
  EXPECT_TRUE(terminal->shows([&](const Screen& screen) {
    return screen.text().find("1 flows") != std::string::npos &&
           screen.text().find(destination(server_)) == std::string::npos;
  })) << terminal->screen().text();
  terminal->type("/ x=y\r");
  EXPECT_TRUE(terminal->shows("unknown key 'x'")) << terminal->screen().text();

  terminal->type("q");
  EXPECT_EQ(terminal->wait(), 0);
  EXPECT_TRUE(terminal->is_restored());
}

TEST_F(Top, KillsTheSelectedFlowOnceItIsMeant) {
  const auto terminal = top({"--sort", "id"});
  ASSERT_TRUE(terminal->shows("2 flows"));
  terminal->type("\x1b[B");
  EXPECT_TRUE(terminal->shows([&](const Screen& screen) {
    return screen.selected().find(destination(other_)) != std::string::npos;
  })) << terminal->screen().text();
  terminal->type("k");
  EXPECT_TRUE(terminal->shows("? Both of its ends are reset. y/n"));
  terminal->type("n");
  EXPECT_TRUE(terminal->shows("Not killed."));
  idle_.send("x");
  EXPECT_EQ(idle_.receive(1), "x");
  terminal->type("ky");
  EXPECT_TRUE(terminal->shows("was killed.")) << terminal->screen().text();
  EXPECT_EQ(idle_.wait_for_end(), End::kReset);
  busy_.send("x");
  EXPECT_EQ(busy_.receive(1), "x");
  terminal->type("\x03");
  EXPECT_EQ(terminal->wait(), 0);
}

TEST_F(Top, FollowsTheSizeOfItsTerminal) {
  const auto terminal = top();
  ASSERT_TRUE(terminal->shows("2 flows"));
  terminal->resize(40, 6);
  EXPECT_TRUE(terminal->shows([](const Screen& screen) {
    return screen.line(5).starts_with("q quit") && screen.line(2).size() <= 40;
  })) << terminal->screen().text();
  terminal->resize(100, 20);
  EXPECT_TRUE(terminal->shows([](const Screen& screen) {
    return screen.line(19).starts_with("q quit") && screen.line(5).empty();
  })) << terminal->screen().text();
}

TEST_F(Top, SignalsAndTheGatewaysEndGiveTheTerminalBack) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const auto terminal = top();
    ASSERT_TRUE(terminal->shows("2 flows"));
    EXPECT_FALSE(terminal->is_restored());
    terminal->signal(signal);
    EXPECT_EQ(terminal->wait(), 0) << signal;
    EXPECT_TRUE(terminal->is_restored()) << signal;
  }
  const auto terminal = top();
  ASSERT_TRUE(terminal->shows("2 flows"));
  gateway_.kill();
  EXPECT_EQ(terminal->wait(), 0);
  EXPECT_TRUE(terminal->is_restored());
  EXPECT_THAT(terminal->screen().text(), HasSubstr("flowctl: the gateway has ended"));
}

TEST_F(Top, HasColoursOnlyWhereTheyAreWanted) {
  const auto coloured = top();
  ASSERT_TRUE(coloured->shows("2 flows"));
  EXPECT_TRUE(coloured->screen().has_colour());
  const auto plain = top({}, {"TERM=xterm", "NO_COLOR=1", "LC_ALL=C"});
  ASSERT_TRUE(plain->shows("2 flows"));
  EXPECT_FALSE(plain->screen().has_colour());
}

TEST_F(Top, IsATableWhereThereIsNoTerminal) {
  const Finished once = gateway_.run_flowctl({"top", "--once", "--interval", "0.1"});
  EXPECT_EQ(once.status, 0) << once;
  EXPECT_THAT(once.out, HasSubstr("UP bit/s"));
  EXPECT_THAT(once.out, HasSubstr(destination(server_)));
  EXPECT_EQ(once.out.find('\x1b'), std::string::npos);

  Program program = Program::start({flowctl_program(), "--socket", gateway_.control(), "--json",
                                    "top", "--interval", "0.2", "--count", "3", "--by", "tunnel"});
  while (program.is_running()) {
    busy_.send(std::string(10'000, 'x'));
    busy_.receive(10'000);
  }
  const Finished finished = program.wait();
  EXPECT_EQ(finished.status, 0) << finished;
  std::istringstream lines(finished.out);
  double most = 0;
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const json interval = json::parse(line);
    EXPECT_GE(interval.at("interval_ms"), 200);
    EXPECT_EQ(interval.at("flows"), 2);
    ASSERT_EQ(interval.at("rows").size(), 1U);
    EXPECT_EQ(interval.at("rows").at(0).at("tunnel"), "laptop-17");
    EXPECT_EQ(interval.at("rows").at(0).at("up"), interval.at("up"));
    most = std::max(most, interval.at("up").at("bits_per_second").get<double>());
  }
  EXPECT_EQ(count, 3U);
  EXPECT_GT(most, 80'000);  // one round of the loop at least
}

}  // namespace
}  // namespace integration
