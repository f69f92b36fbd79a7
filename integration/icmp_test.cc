// ICMP through the real gateway: echo, TTLs that run out, and errors about upgraded TCP flows.
//
//     ping, traceroute [client sandbox] --- SEQPACKET --- liftgate serve --- 192.0.2.1, 2001:db8::1

#include <fcntl.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flows/reply.h"
#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using testing::HasSubstr;

constexpr auto kGateway4 = "192.0.0.8", kGateway6 = "fd6c:6966:7467::1";

class Icmp : public testing::Test {
 protected:
  GatewayProcess gateway_;
  ClientNetwork client_{gateway_.onramp()};
};

TEST_F(Icmp, PingIsAnsweredAtEverySizeThatFits) {
  for (const std::string& address : {host::kServer4, host::kServer6}) {
    for (const std::string size : {"0", "56", "1352"}) {
      const Finished ping = client_.run({"ping", "-n", "-c1", "-W5", "-s", size, address});
      EXPECT_EQ(ping.status, 0) << ping;
    }
  }
}

TEST_F(Icmp, TwoPingsAtOnceKeepTheirIdentifiersApart) {
  const Program::Words words = {"ping", "-n", "-c5", "-i0.01", "-W5", host::kServer4};
  Program one = client_.start(words);
  Program other = client_.start(words);

  EXPECT_THAT(one.wait().out, HasSubstr("5 received"));
  EXPECT_THAT(other.wait().out, HasSubstr("5 received"));
}

TEST_F(Icmp, GatewayAnswersForItself) {
  for (const std::string address : {kGateway4, kGateway6}) {
    const Finished ping = client_.run({"ping", "-n", "-c1", "-W5", address});
    EXPECT_EQ(ping.status, 0) << ping;
  }
  EXPECT_TRUE(gateway_.flows().empty()) << "it is no flow";
}

TEST_F(Icmp, UnreachableDestinationSaysSo) {
  const Finished ping = client_.run({"ping", "-n", "-c1", "-W5", host::kUnreachable4});
  EXPECT_THAT(ping.out, HasSubstr("Destination Host Unreachable"));
}

TEST_F(Icmp, TracerouteShowsTheGatewayAndThenTheServer) {
  struct Case {
    std::string family, gateway, server;
  };
  for (const auto& [family, gateway, server] :
       {Case{"-4", kGateway4, host::kServer4}, Case{"-6", kGateway6, host::kServer6}}) {
    for (const std::string how : {"-U", "-I"}) {
      // One probe at a time: the error about one would make the client's kernel fail the next.
      const Finished trace =
          client_.run({"traceroute", family, "-n", how, "-q1", "-N1", "-m3", "-w5", server});
      EXPECT_EQ(trace.status, 0) << trace;
      EXPECT_THAT(trace.out, HasSubstr(" 1  " + gateway)) << how;
      EXPECT_THAT(trace.out, HasSubstr(" 2  " + server)) << how;
    }
  }
}

}  // namespace
}  // namespace integration
