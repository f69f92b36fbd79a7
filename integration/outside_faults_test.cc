// What breaks outside of the gateway: servers, name servers, the disk, the machine itself. After
// each: a message that says it, nothing left behind, and the next connection works.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/descriptors.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/resolver.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

using testing::HasSubstr;

class OutsideFaults : public testing::Test {
 protected:
  void expect_service() {
    TcpConnection connection = client_.connect(echo_.endpoint());
    connection.send("x");
    EXPECT_EQ(connection.receive(1), "x");
    connection.finish_sending();
    EXPECT_EQ(connection.wait_for_end(), End::kFin);
  }
  std::uint64_t stat(const char* name) const { return gateway_.flowctl({"stats"}).at(name); }
  bool says(const std::string& text) const {
    return eventually([&] { return gateway_.log().find(text) != std::string::npos; });
  }
  // Flows, bindings, relays, dials, pipes with bytes in them, and of descriptors at most so many.
  void expect_nothing_left(std::size_t descriptors) {
    EXPECT_TRUE(eventually([&] { return stat("flows") == 0; })) << gateway_.flows();
    EXPECT_EQ(gateway_.flowctl({"nat"}).at("claimed"), 0);
    EXPECT_EQ(stat("relays"), 0U);
    EXPECT_EQ(stat("dials"), 0U);
    EXPECT_EQ(stat("pipes_in_use"), 0U);
    EXPECT_LE(descriptors_of(gateway_.pid()).pipe_ends, kMostPipeEnds);
    EXPECT_TRUE(eventually([&] { return descriptors_of(gateway_.pid()).others <= descriptors; }))
        << descriptors_of(gateway_.pid()).others << " descriptors";
    EXPECT_EQ(gateway_.children().size(), 1U);
  }

  GatewayProcess gateway_{
      {.flows = "{timeouts: {tcp_time_wait: 100ms, tcp_handshake: 3s, udp: 1s, dns: 1s}}"}};
  ClientNetwork client_{gateway_.onramp()};
  TcpServer echo_ = TcpServer::echo();
};

// ---- Upstreams ----

// What a client does, as far as the server lets it, and how that ends for it.
End use(const ClientNetwork& client, const TcpServer& server) {
  base::Fd socket = client.socket(AF_INET, SOCK_STREAM);
  if (TcpConnection::try_connect(socket, server.endpoint())) {
    return End::kReset;  // it came before connect(2) had returned
  }
  TcpConnection connection(std::move(socket));
  try {
    connection.send(std::string(100'000, 'x'));
    connection.finish_sending();
  } catch (const std::runtime_error&) {
    return End::kReset;
  }
  return connection.wait_for_end();
}

TEST_F(OutsideFaults, UpstreamThatIsResetOrKilledAtAnyStepLeavesNothing) {
  const auto read_to_the_end = [](TcpConnection& connection) {
    connection.drain([](std::span<const std::byte>) {});
  };
  std::vector<TcpServer> servers;
  servers.push_back(TcpServer::resetting(0));
  servers.push_back(TcpServer::resetting(1));
  servers.push_back(TcpServer::resetting(50'000));
  servers.emplace_back([&](TcpConnection& connection, Served&) {
    read_to_the_end(connection);
    connection.reset();
  });
  servers.emplace_back([](TcpConnection& connection, Served&) {
    connection.send(std::string(300'000, 'y'));
    connection.reset();
  });
  servers.push_back(TcpServer::program({"sh", "-c", "head -c 10000 >/dev/null; kill -KILL $$"}));
  servers.push_back(TcpServer::program({"sh", "-c", "cat >/dev/null; echo half; kill -KILL $$"}));
  const auto use_all = [&] {
    for (const TcpServer& server : servers) {
      EXPECT_NE(use(client_, server), End::kNone) << server.endpoint().to_string();
    }
    EXPECT_EQ(client_.try_connect(closed_port()).value(), ECONNREFUSED);
  };
  use_all();
  expect_service();
  EXPECT_TRUE(eventually([&] { return stat("flows") == 0; }));
  const std::size_t descriptors = descriptors_of(gateway_.pid()).others;
  for (int round = 0; round < 5; ++round) {
    use_all();
  }
  expect_service();
  expect_nothing_left(descriptors);
}

// A connection needs a source port of its own for as long as it lives, and four are not many.
TEST_F(OutsideFaults, NoPortTowardsAnUpstreamRefusesFlowsToItAndToNoOther) {
  const TcpServer busy = TcpServer::echo();
  host::set_sysctl("net/ipv4/ip_local_port_range", "40000 40003");
  std::vector<TcpConnection> kept;
  std::error_code refused;
  while (!refused && kept.size() < 5) {
    base::Fd socket = client_.socket(AF_INET, SOCK_STREAM);
    refused = TcpConnection::try_connect(socket, busy.endpoint());
    kept.emplace_back(std::move(socket));
  }
  EXPECT_EQ(refused.value(), ECONNREFUSED);
  EXPECT_EQ(client_.try_connect(busy.endpoint()).value(), ECONNREFUSED);
  expect_service();
  kept.front().send("still here");
  EXPECT_EQ(kept.front().receive(10), "still here");

  EXPECT_EQ(drops(gateway_).at("no_upstream_port"), 2U);
  EXPECT_TRUE(eventually([&] {
    return std::ranges::any_of(gateway_.audit(), [](const auto& line) {
      return line.at("event") == "flow_end" && line.at("reason") == "no_upstream_port";
    });
  }));
  host::set_sysctl("net/ipv4/ip_local_port_range", "32768 60999");
  EXPECT_TRUE(eventually([&] { return !client_.try_connect(busy.endpoint()); }));
}

// ---- Name servers ----

TEST_F(OutsideFaults, NameServerThatAnswersRubbishOrDiesIsPassedOnAsItIs) {
  const base::Endpoint resolver{*base::IpAddress::parse(kResolver), base::Port{53}};
  const base::SocketAddress address(resolver);
  host::set_sysctl("net/ipv4/ip_unprivileged_port_start", "53");
  base::Fd server = base::Fd::adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(server.get(), address.data(), address.size()), 0);
  const std::string query("\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01x\x04test\0\0\x01\0\x01", 24);
  const std::string header("\x12\x34\x81\x80\0\x01\xff\xff\0\0\0\0", 12);
  const std::vector<std::string> answers = {
      "",
      "\x12",
      std::string(512, '\xff'),
      header,                                           // 65,535 answers, none of which is there
      header + std::string("\xc0\x0c\0\x01\0\x01", 6),  // a name that points to itself
      header + query.substr(12) + std::string("\xc0\x0c\0\x01\0\x01\0\0\0\0\xff\xff", 12),
      query.substr(0, 2) + std::string("\x81\x80\0\x01\0\x01\0\0\0\0", 10) + query.substr(12) +
          std::string("\x3f", 1) + std::string(40, 'a'),
  };
  UdpClient client(client_);
  for (const std::string& answer : answers) {
    client.send_to(resolver, query);
    std::array<char, 512> heard{};
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    ASSERT_TRUE(ready_within(kPatience, server));
    EXPECT_EQ(::recvfrom(server.get(), heard.data(), heard.size(), 0,
                         reinterpret_cast<sockaddr*>(&from), &size),
              std::ssize(query));
    ::sendto(server.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from),
             size);
    EXPECT_EQ(client.receive().payload, answer);
  }
  for (const auto& flow : gateway_.flows()) {
    EXPECT_TRUE(flow.at("name").is_null()) << "nothing is learned of rubbish";
  }
  server.reset();
  client.connect(resolver);
  EXPECT_EQ(client.ask(resolver, query).error, ECONNREFUSED);
  const Program alive = start_resolver({"--address=/example.test/192.0.2.1"});
  EXPECT_TRUE(looks_up(client_, "example.test", "A", "192.0.2.1"));
  expect_service();
}

// ---- The disk ----

TEST(FullDisk, HoldsAuditLinesBackUntilThereIsRoomAndLosesNone) {
  const test_support::TempDirectory small;
  host::shape({"mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "small", small.path()});
  std::ofstream(small.file("ballast")) << std::string(40'000, 'x');
  {
    GatewayProcess gateway({.flows = kQuickTimeWait, .audit = "{path: '" + small.file("a") + "'}"});
    const ClientNetwork client(gateway.onramp());
    const TcpServer server = TcpServer::echo();
    const auto connect = [&] {
      TcpConnection connection = client.connect(server.endpoint());
      connection.send("x");
      EXPECT_EQ(connection.receive(1), "x");
      connection.finish_sending();
      EXPECT_EQ(connection.wait_for_end(), End::kFin);
    };
    const auto stat = [&](const char* name) {
      return gateway.flowctl({"stats"}).at(name).get<std::uint64_t>();
    };
    while (stat("audit_write_errors") == 0) {
      connect();
    }
    EXPECT_THAT(gateway.log(), HasSubstr("audit log could not be written error="));
    EXPECT_THAT(gateway.log(), HasSubstr("No space left on device"));
    connect();  // while the disk is full
    std::filesystem::remove(small.file("ballast"));
    EXPECT_TRUE(eventually(
        [&] { return gateway.log().find("audit log was written again") != std::string::npos; }));
    connect();
    ASSERT_TRUE(eventually([&] { return stat("flows") == 0; }));
    const std::uint64_t flows = stat("flows_opened");
    std::map<std::uint64_t, std::string> events;
    EXPECT_TRUE(eventually([&] {
      events.clear();
      std::ifstream log(small.file("a"));
      std::size_t ends = 0;
      for (std::string line; std::getline(log, line);) {
        const auto event = nlohmann::json::parse(line);
        events[event.at("id")] += event.at("event").get<std::string>() + " ";
        ends += event.at("event") == "flow_end" ? 1U : 0U;
      }
      return ends == flows;
    }));
    EXPECT_EQ(events.size(), flows);
    for (const auto& [id, of_flow] : events) {
      EXPECT_EQ(of_flow, "flow_start flow_end ") << "flow " << id;
    }
  }
  host::shape({"umount", small.path()});
}

// ---- The machine ----

std::uint32_t retransmits(const TcpConnection& connection) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  EXPECT_EQ(::getsockopt(connection.socket().get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  return info.tcpi_total_retrans;
}

// Until each of its threads has stopped: the signal takes its time.
void suspend(const GatewayProcess& gateway) {
  gateway.signal(SIGSTOP);
  const std::string tasks = "/proc/" + std::to_string(gateway.pid()) + "/task";
  EXPECT_TRUE(eventually([&] {
    return std::ranges::all_of(std::filesystem::directory_iterator(tasks), [](const auto& task) {
      std::ifstream status(task.path() / "status");
      const std::string text{std::istreambuf_iterator<char>(status), {}};
      return text.find("State:\tT") != std::string::npos;
    });
  }));
}

// For the gateway, a clock that jumps: it is stopped, and time goes on.
TEST_F(OutsideFaults, SuspendedGatewayGoesOnWhereItWas) {
  TcpConnection connection = client_.connect(echo_.endpoint());
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");
  suspend(gateway_);
  connection.send("while it is suspended");
  base::Fd late = client_.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
  const base::SocketAddress to(echo_.endpoint());
  EXPECT_EQ(::connect(late.get(), to.data(), to.size()), -1);
  EXPECT_TRUE(eventually([&] { return retransmits(connection) >= 3; }));
  gateway_.signal(SIGCONT);
  EXPECT_EQ(connection.receive(21), "while it is suspended");
  EXPECT_TRUE(ready_within(kPatience, late, POLLOUT));
  EXPECT_EQ(gateway_.flows().size(), 2U);
  expect_service();
}

TEST(SuspendedGateway, EndsWhatWasIdleForTooLongMeanwhile) {
  GatewayProcess gateway({.flows = "{timeouts: {udp: 1s, tcp_time_wait: 100ms}}"});
  const ClientNetwork client(gateway.onramp());
  const UdpServer server = UdpServer::echo();
  const TcpServer echo = TcpServer::echo();
  TcpConnection connection = client.connect(echo.endpoint());
  UdpClient udp(client);
  EXPECT_EQ(udp.ask(server.endpoint(), "x").payload, "x");
  suspend(gateway);
  connection.send("x");
  EXPECT_TRUE(eventually([&] { return retransmits(connection) >= 3; })) << "more than a second";
  gateway.signal(SIGCONT);
  EXPECT_EQ(connection.receive(1), "x");
  EXPECT_TRUE(eventually([&] { return gateway.flows().size() == 1; }));
  EXPECT_EQ(udp.ask(server.endpoint(), "again").payload, "again");
}

// A sandbox that cannot be made again, or only to the half, is tried again until it can.
class SandboxRefused : public OutsideFaults {
 protected:
  template <class Forbid, class Allow>
  void survive(const std::string& why, Forbid forbid, Allow allow) {
    expect_service();
    ASSERT_TRUE(eventually([&] { return stat("flows") == 0; }));
    const std::size_t descriptors = descriptors_of(gateway_.pid()).others;
    const UdpServer server = UdpServer::echo();
    forbid();
    ::kill(gateway_.children().at(0), SIGKILL);
    EXPECT_TRUE(says("sandbox not restarted error=")) << gateway_.log();
    EXPECT_THAT(gateway_.log(), HasSubstr(why));
    EXPECT_TRUE(eventually([&] { return gateway_.children().empty(); })) << "no half of a helper";
    EXPECT_EQ(UdpClient(client_).ask(server.endpoint(), "needs none").payload, "needs none");
    EXPECT_TRUE(client_.try_connect(echo_.endpoint(), 100ms));
    allow();
    EXPECT_TRUE(eventually([&] { return stat("sandbox_restarts") == 1; })) << gateway_.log();
    expect_service();
    expect_nothing_left(descriptors);
  }
};

TEST_F(SandboxRefused, ForWantOfANamespace) {
  const auto limit = [](const char* most) {
    std::ofstream setting("/proc/sys/user/max_user_namespaces");
    setting << most << std::flush;
    ASSERT_TRUE(setting.good());
  };
  survive("max_user_namespaces", [&] { limit("0"); }, [&] { limit("10000"); });
}

TEST_F(SandboxRefused, HalfWayForWantOfATun) {
  survive(
      "TUN", [] { host::shape({"mount", "--bind", "/dev/null", "/dev/net/tun"}); },
      [] { host::shape({"umount", "/dev/net/tun"}); });
}

}  // namespace
}  // namespace integration
