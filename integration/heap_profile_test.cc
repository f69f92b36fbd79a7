// The heap profile of a gateway that was started with jemalloc: jeprof reads it, and confinement
// does not mind.

#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

using testing::HasSubstr;

constexpr auto kTelemetry = "telemetry: {listen: '127.0.0.1:0', token: horse}\n";

Finished ask(const GatewayProcess& gateway, const Program::Words& more) {
  Program::Words words = {"curl", "-sS", "-m", "10", gateway.telemetry_url() + "/debug/heap"};
  words.insert(words.end(), more.begin(), more.end());
  return run(words);
}

TEST(HeapProfile, OfAConfinedGatewayIsReadByJeprof) {
  const GatewayProcess gateway(
      {.flows = kQuickTimeWait,
       .more = kTelemetry,
       .environment = {"LD_PRELOAD=libjemalloc.so.2", "MALLOC_CONF=prof:true,lg_prof_sample:10"}});
  EXPECT_TRUE(eventually([&] {
    return gateway.log().find("system call filter") != std::string::npos;
  })) << gateway.log();
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");

  EXPECT_THAT(ask(gateway, {}).out, HasSubstr("token"));
  const std::string file = gateway.file("heap");
  const Finished asked =
      ask(gateway, {"-o", file, "-w", "%{http_code}", "-H", "Authorization: Bearer horse"});
  EXPECT_EQ(asked.out, "200") << asked;
  const Finished read = run({"jeprof", "--text", "--cum", liftgate_program(), file}, 60s,
                            {.environment = {"HOME=/tmp"}});
  EXPECT_EQ(read.status, 0) << read;
  EXPECT_THAT(read.out, HasSubstr("gateway::Gateway::create")) << read;

  // It goes on, and what it starts anew, with jemalloc as well, works under its filter, too.
  connection.send("y");
  EXPECT_EQ(connection.receive(1), "y");
  ::kill(gateway.children().front(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return gateway.flowctl({"stats"}).at("sandbox_restarts") == 1; }))
      << gateway.log();
  TcpConnection again = client.connect(server.endpoint());
  again.send("z");
  EXPECT_EQ(again.receive(1), "z");
}

TEST(HeapProfile, ThatIsNotKeptIsNotImplementedAndSaysTheCure) {
  const auto expect_lack = [](const Program::Words& environment, const std::string& what) {
    const GatewayProcess gateway({.more = kTelemetry, .environment = environment});
    const Finished asked =
        ask(gateway, {"-w", "%{http_code}", "-H", "Authorization: Bearer horse"});
    EXPECT_THAT(asked.out, testing::MatchesRegex("a heap profile: " + what +
                                                 ": [^\n]*LD_PRELOAD=libjemalloc\\.so\\.2 "
                                                 "MALLOC_CONF=prof:true[^\n]*\n501"));
  };
  expect_lack({}, "memory is not jemalloc's");
  expect_lack({"LD_PRELOAD=libjemalloc.so.2"}, "jemalloc was not told to sample \\(prof:true\\)");
}

}  // namespace
}  // namespace integration
