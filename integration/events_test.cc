// `flowctl events`: what happens, as it happens, to as many as follow, and never at the traffic's
// cost.
//
//     client ==SEQPACKET==> gateway ==TCP==> server
//                              |
//                              +--control socket--> flowctl events, one or several

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Program follow(const GatewayProcess& gateway, Program::Words words) {
  words.insert(words.begin(), {flowctl_program(), "--socket", gateway.control()});
  return Program::start(words);
}

std::vector<json> events_in(const std::string& text) {
  std::vector<json> events;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && !lines.eof();) {  // whole lines only
    events.push_back(json::parse(line));
  }
  return events;
}

std::vector<json> of_kind(const std::vector<json>& events, const std::string& kind) {
  std::vector<json> found;
  for (const json& event : events) {
    if (event.at("event") == kind) {
      found.push_back(event);
    }
  }
  return found;
}

// Nothing says when a follower is listening but an event: a tunnel that comes and goes.
void wait_until_heard(const GatewayProcess& gateway, const Program& follower) {
  ASSERT_TRUE(eventually([&] {
    TunnelConnection::open(gateway.onramp(), {.name = "bell", .addresses = {"100.64.9.9/32"}});
    return follower.out().find("tunnel_open") != std::string::npos;
  }));
}

void one_connection(const ClientNetwork& client, const TcpServer& server) {
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("hello");
  EXPECT_EQ(connection.receive(5), "hello");
  connection.close();
}

TEST(Events, AreThoseOfTheAuditLogAndOfTunnels) {
  GatewayProcess gateway({.flows = kQuickTimeWait});
  Program follower = follow(gateway, {"--json", "events"});
  wait_until_heard(gateway, follower);
  {
    const TcpServer server = TcpServer::echo();
    ClientNetwork client(gateway.onramp(), {.name = "laptop-17"});
    one_connection(client, server);
    ASSERT_EQ(gateway.wait_for_audit("flow_end", 1).size(), 1U);
    client.close_tunnel();
  }
  ASSERT_TRUE(eventually([&] {
    return follower.out().find(R"("tunnel_close","tenant":"acme","tunnel":"laptop-17")") !=
           std::string::npos;
  })) << follower.out();
  follower.signal(SIGINT);
  const Finished finished = follower.wait();
  EXPECT_EQ(finished.status, 0) << finished;

  const auto events = events_in(finished.out);
  for (const char* kind : {"flow_start", "flow_end"}) {
    const auto mine = of_kind(events, kind);
    ASSERT_EQ(mine.size(), 1U) << finished;
    json logged = gateway.wait_for_audit(kind, 1).front();
    json followed = mine.front();
    for (const char* passing : {"age_ms", "idle_ms"}) {  // each takes the time for itself
      EXPECT_LE(std::abs(logged.at(passing).get<int>() - followed.at(passing).get<int>()), 100);
      logged.erase(passing);
      followed.erase(passing);
    }
    EXPECT_EQ(followed, logged);
  }
  const json closed = of_kind(events, "tunnel_close").back();
  EXPECT_EQ(closed.at("tunnel"), "laptop-17");
  EXPECT_EQ(closed.at("onramp"), "seqpacket");
  EXPECT_GE(closed.at("up").at("packets"), 5);
}

TEST(Events, NeedNoAuditLogAndMayBeFilteredCountedAndRead) {
  const GatewayProcess gateway({.flows = kQuickTimeWait, .audit = ""});
  Program everything = follow(gateway, {"events"});
  Program starts = follow(gateway, {"events", "destination=192.0.2.1", "--count", "1"});
  wait_until_heard(gateway, everything);
  const TcpServer server = TcpServer::echo();
  const TcpServer other = TcpServer::echo(host::kOtherServer4);
  const ClientNetwork client(gateway.onramp());
  // The second follower may not listen yet: connections are made until it has heard of one.
  ASSERT_TRUE(eventually([&] {
    one_connection(client, other);
    one_connection(client, server);
    return !starts.is_running();
  }));
  const Finished counted = starts.wait();
  EXPECT_EQ(counted.status, 0) << counted;
  EXPECT_THAT(counted.out,
              testing::MatchesRegex("[^\n]*Z flow_start flow=[0-9]+ tenant=acme tunnel=[^\n]* "
                                    "destination=192.0.2.1:[0-9]+ [^\n]*\n"));
  EXPECT_TRUE(eventually([&] {
    return everything.out().find("flow_end") != std::string::npos &&
           everything.out().find("destination=192.0.2.2:") != std::string::npos;
  }));
  everything.signal(SIGTERM);
  EXPECT_EQ(everything.wait().status, 0);
}

TEST(Events, OfTheEndAreHeardAndTheEndIsSaid) {
  GatewayProcess gateway;
  Program follower = follow(gateway, {"--json", "events"});
  wait_until_heard(gateway, follower);
  const TcpServer server = TcpServer::holding();
  const ClientNetwork client(gateway.onramp());
  const TcpConnection connection = client.connect(server.endpoint());
  gateway.stop();
  const Finished finished = follower.wait();
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(finished.err, "flowctl: the gateway has ended\n");
  const auto ends = of_kind(events_in(finished.out), "flow_end");
  ASSERT_EQ(ends.size(), 1U) << finished;
  EXPECT_EQ(ends.front().at("reason"), "shutdown");
}

TEST(Events, BadFilterIsTold) {
  const GatewayProcess gateway;
  const Finished finished = gateway.run_flowctl({"events", "tennant=acme"});
  EXPECT_EQ(finished.status, 2) << finished;
  EXPECT_THAT(finished.err, HasSubstr("unknown key 'tennant'"));
}

TEST(Events, FollowerEndsWithItsReader) {
  const GatewayProcess gateway;
  // Without any event.
  const Finished finished = run(
      {"sh", "-c", flowctl_program() + " --socket " + gateway.control() + " events | head -n 0"});
  EXPECT_EQ(finished.status, 0) << finished;
  EXPECT_EQ(finished.err, "");
}

// A client that asks and then does not read.
base::Fd standing_follower(const std::string& path) {
  base::Fd socket = base::Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int small = 4096;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  must_call(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            "connect");
  const std::string request = "{\"request\":\"events\"}\n";
  must_call(::send(socket.get(), request.data(), request.size(), 0), "send");
  char reply[13] = {};
  must_call(::recv(socket.get(), reply, 12, MSG_WAITALL), "receive the reply");
  EXPECT_STREQ(reply, "{\"ok\":true}\n");
  return socket;
}

// Exactly what is missing is said to be missing.
TEST(Events, WhoStandsStillLosesEventsIsToldHowManyAndHoldsNobodyUp) {
  const GatewayProcess gateway({.rules = "- {name: all, action: drop}", .log = "{level: warn}"});
  const base::Fd standing = standing_follower(gateway.control());
  const TunnelConnection tunnel = TunnelConnection::open(gateway.onramp());
  constexpr int kFlows = 4'000;   // 2 MB of lines, of which some 500 KB fit
  constexpr int kAtOnce = 1'000;  // fewer than may wait until there is time to open them
  for (int i = 0; i < kFlows; ++i) {
    tunnel.send(test_support::udp("100.64.0.2:" + std::to_string(10'000 + i), "192.0.2.1:9")
                    .payload("x")
                    .build());
    if ((i + 1) % kAtOnce == 0) {
      (void)gateway.wait_for_audit("flow_start", static_cast<std::size_t>(i) + 1);
    }
  }

  std::string text;
  std::uint64_t heard = 0;
  std::uint64_t lost = 0;
  ASSERT_TRUE(eventually([&] {
    char buffer[65536];
    for (ssize_t bytes = 0;
         (bytes = ::recv(standing.get(), buffer, sizeof(buffer), MSG_DONTWAIT)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(bytes));
    }
    return text.find("\"lost\"") != std::string::npos && text.ends_with('\n');
  }));
  for (const json& event : events_in(text)) {
    if (event.at("event") == "lost") {
      lost += event.at("count").get<std::uint64_t>();
    } else if (event.at("event") == "flow_start") {
      ++heard;
    }
  }
  EXPECT_GT(lost, 100U);
  EXPECT_GT(heard, 100U);
  EXPECT_EQ(heard + lost, std::uint64_t{kFlows});
}

}  // namespace
}  // namespace integration
