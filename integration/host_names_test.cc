// Flows are shown by the name that their destination was looked up as.
//
//     dig, then a connection [client]==SEQPACKET== gateway ==> dnsmasq on 192.0.2.9:53
//                                                          ==> server  on 192.0.2.1

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/resolver.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

constexpr auto kTwoTenants = "\n  - {name: acme, id: 1}\n  - {name: other, id: 2}";

class HostNames : public testing::Test {
 protected:
  const Program resolver_ = start_resolver({"--address=/example.test/" + host::kServer4,
                                            "--cname=shop.example.test,www.example.test",
                                            "--address=/example.test/" + host::kServer6});
  GatewayProcess gateway_{{.tenants = kTwoTenants, .flows = kQuickTimeWait}};
  ClientNetwork acme_{gateway_.onramp(), {.tenant = "acme"}};
};

TEST_F(HostNames, FlowsAreShownByTheNameThatTheClientLookedUp) {
  const TcpServer server4 = TcpServer::echo(host::kServer4);
  const TcpServer server6 = TcpServer::echo(host::kServer6);
  ASSERT_TRUE(looks_up(acme_, "www.example.test", "A", host::kServer4)) << resolver_.err();
  ASSERT_TRUE(looks_up(acme_, "Six.Example.test", "AAAA", host::kServer6)) << resolver_.err();
  const TcpConnection first = acme_.connect(server4.endpoint());
  const TcpConnection second = acme_.connect(server6.endpoint());

  const auto v4 = gateway_.flowctl({"flows", "name=www.example.test"});
  ASSERT_EQ(v4.size(), 1U) << gateway_.flows();
  EXPECT_EQ(v4[0].at("name"), "www.example.test");
  EXPECT_EQ(v4[0].at("destination"), server4.endpoint().to_string());
  EXPECT_EQ(gateway_.flowctl({"flows", "name=*.example.test", "protocol=tcp"}).size(), 2U);
  EXPECT_EQ(gateway_.flowctl({"flow", v4[0].at("id").dump()}).at("name"), "www.example.test");
  EXPECT_NE(gateway_.run_flowctl({"flows"}).out.find("six.example.test"), std::string::npos);
}

TEST_F(HostNames, AreLearnedFromAnswersOverTcpToo) {
  const TcpServer server4 = TcpServer::echo(host::kServer4);
  const TcpServer server6 = TcpServer::echo(host::kServer6);
  ASSERT_TRUE(looks_up(acme_, "four.example.test", "A", host::kServer4, "+tcp"));
  ASSERT_TRUE(looks_up(acme_, "six.example.test", "AAAA", host::kServer6, "+tcp"));
  const TcpConnection first = acme_.connect(server4.endpoint());
  const TcpConnection second = acme_.connect(server6.endpoint());
  EXPECT_EQ(gateway_.flowctl({"flows", "protocol=udp"}).size(), 0U);
  EXPECT_EQ(gateway_.flowctl({"flows", "name=four.example.test"}).size(), 1U) << gateway_.flows();
  EXPECT_EQ(gateway_.flowctl({"flows", "name=six.example.test"}).size(), 1U);
}

TEST_F(HostNames, TheAuditLogSaysTheNameToo) {
  const TcpServer server = TcpServer::echo();
  ASSERT_TRUE(looks_up(acme_, "www.example.test", "A", host::kServer4)) << resolver_.err();
  acme_.connect(server.endpoint()).close();
  EXPECT_TRUE(eventually([&] {
    std::size_t named = 0;
    for (const auto& line : gateway_.audit()) {
      named += line.at("name") == "www.example.test" ? 1U : 0U;
    }
    return named == 2;
  }));
}

TEST_F(HostNames, OfAnotherTenantAreNotUsed) {
  const TcpServer server = TcpServer::echo();
  const ClientNetwork other(gateway_.onramp(), {.tenant = "other"});
  ASSERT_TRUE(looks_up(acme_, "www.example.test", "A", host::kServer4)) << resolver_.err();
  const TcpConnection connection = other.connect(server.endpoint());
  const auto flows = gateway_.flowctl({"flows", "tenant=other"});
  ASSERT_EQ(flows.size(), 1U);
  EXPECT_TRUE(flows[0].at("name").is_null());
}

}  // namespace
}  // namespace integration
