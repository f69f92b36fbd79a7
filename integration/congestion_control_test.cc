// Who sends how towards clients: as the host does to those who are far, without pacing to those who
// are here. Where the host itself does not pace, as it does to all.

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/program.h"
#include "integration/support/servers.h"
#include "integration/support/tcp_connection.h"
#include "integration/support/wait.h"

namespace integration {
namespace {

std::string hosts_own() {
  std::ifstream setting("/proc/sys/net/ipv4/tcp_congestion_control");
  std::string name;
  setting >> name;
  return name;
}
bool paces(const std::string& name) {
  return name.starts_with("bbr");
}

// What sends to the one client that is connected; empty while there is none. The namespace can be
// entered because the gateway is not confined.
std::string inside(const GatewayProcess& gateway) {
  const Finished sockets =
      run({"nsenter", "--preserve-credentials", "-U", "--net", "-t",
           std::to_string(gateway.children().front()), "ss", "-tinH", "state", "established"},
          kPatience, {.as_network_admin = true});
  for (const std::string& name :
       {std::string("bbr"), std::string("cubic"), std::string("reno"), hosts_own()}) {
    if (sockets.out.find(" " + name + " ") != std::string::npos) {
      return name;
    }
  }
  return {};
}

class Congestion : public testing::Test {
 protected:
  std::string towards(const ClientNetwork& client, const GatewayProcess& gateway) const {
    TcpConnection connection = client.connect(server_.endpoint());
    connection.send("x");
    EXPECT_EQ(connection.receive(1), "x");
    return inside(gateway);
  }

  const TcpServer server_ = TcpServer::echo();
};

TEST_F(Congestion, WhoIsHereIsNotPaced) {
  const GatewayProcess gateway({.more = "confine: off"});
  const ClientNetwork client(gateway.onramp());
  // A handshake may take longer than it should on a busy machine, but not each.
  EXPECT_TRUE(eventually([&] {
    const std::string name = towards(client, gateway);
    return !name.empty() && !paces(name);
  }));
}

TEST_F(Congestion, WhoIsFarGetsTheHostsChoice) {
  const GatewayProcess gateway({.more = "confine: off"});
  ClientNetwork client(gateway.onramp());
  client.delay_path(5ms);
  EXPECT_EQ(towards(client, gateway), hosts_own());
}

TEST_F(Congestion, AllGetTheHostsChoiceWherePacingIsOnForAll) {
  const GatewayProcess gateway({.more = "confine: off\nio: {pace_nearby: true}"});
  const ClientNetwork client(gateway.onramp());
  EXPECT_EQ(towards(client, gateway), hosts_own());
}

TEST_F(Congestion, CommandOfRunDoesNotPace) {
  const test_support::TempDirectory directory;
  const Finished command =
      run({liftgate_program(), "run", "--", "cat", "/proc/sys/net/ipv4/tcp_congestion_control"},
          kPatience, {.environment = {"LIFTGATE_SOCKET=" + directory.file("control.sock")}});
  EXPECT_EQ(command.status, 0) << command;
  EXPECT_FALSE(paces(command.out)) << command;
}

}  // namespace
}  // namespace integration
