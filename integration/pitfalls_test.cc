// How peers broke, as tests: those rows that have no test elsewhere. tests/repo/pitfalls_test.cc
// says which test stands for which row.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/pattern.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"

namespace integration {
namespace {

base::Endpoint at(const std::string& address, std::uint16_t port = 80) {
  return {*base::IpAddress::parse(address), base::Port{port}};
}

// Row 3: an idle connection lived as long as a UDP mapping.
TEST(Pitfall, AnIdleConnectionOutlivesEveryUdpTimeout) {
  GatewayProcess gateway(
      {.flows = "{timeouts: {udp: 100ms, udp_stream: 100ms, dns: 100ms, icmp: 100ms}}"});
  const ClientNetwork client(gateway.onramp());
  const TcpServer tcp = TcpServer::echo();
  const UdpServer udp = UdpServer::echo();
  TcpConnection connection = client.connect(tcp.endpoint());
  EXPECT_EQ(UdpClient(client).ask(udp.endpoint(), "x").payload, "x");

  // The UDP flow's end shows that its time has passed, and the connection's with it.
  ASSERT_EQ(gateway.wait_for_audit("flow_end", 1).front().at("protocol"), "udp");
  connection.send("still here");
  EXPECT_EQ(connection.receive(10), "still here");
}

// Row 6: the listener stood in the host's network, where a firewall dropped its SYNs.
TEST(Pitfall, AHostThatFiltersItsInputHindersNothing) {
  const TcpServer server = TcpServer::echo();
  host::shape({"nft", "add", "table", "inet", "strict"});
  host::shape(
      {"nft", "add chain inet strict in { type filter hook input priority 0; policy drop; }"});
  for (const std::string& rule : {std::string("ct state established,related accept"),
                                  "tcp dport " + std::to_string(server.port()) + " accept"}) {
    host::shape({"nft", "add rule inet strict in " + rule});
  }
  GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  TcpConnection connection = client.connect(server.endpoint());
  connection.send("through");
  EXPECT_EQ(connection.receive(7), "through");
  host::shape({"nft", "delete", "table", "inet", "strict"});
}

std::uint32_t dials(const GatewayProcess& gateway, const std::string& tenant) {
  for (const auto& shown : gateway.flowctl({"tenants"})) {
    if (shown.at("name") == tenant) {
      return shown.at("dials").get<std::uint32_t>();
    }
  }
  return 0;
}

constexpr auto kTwoTenants =
    "\n  - {name: acme, id: 1, max_dials: 2}\n  - {name: other, id: 2, max_dials: 2}";

class Dials : public testing::Test {
 protected:
  // A connect that nobody ever answers.
  static base::Fd dial_silence(const ClientNetwork& client) {
    base::Fd socket = client.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    const base::SocketAddress silent(at(host::kSilent4));
    EXPECT_EQ(::connect(socket.get(), silent.data(), silent.size()), -1);
    EXPECT_EQ(errno, EINPROGRESS);
    return socket;
  }

  GatewayProcess gateway_{{.tenants = kTwoTenants, .flows = kQuickTimeWait}};
  ClientNetwork acme_{gateway_.onramp(), {.tenant = "acme"}};
};

// Row 10: a retransmitted SYN counted as another connect under way, until there were too many.
TEST_F(Dials, ARetransmittedSynIsNotAnother) {
  const base::Fd first = dial_silence(acme_);
  const auto is_syn = [](const SeenPacket& packet) {
    return packet.direction == Direction::kUp && packet.headers.tcp_flags.opens();
  };
  ASSERT_TRUE(eventually([&] { return acme_.tally(is_syn).packets >= 2; }));
  EXPECT_EQ(dials(gateway_, "acme"), 1U);
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = acme_.connect(server.endpoint());
  connection.send("room");
  EXPECT_EQ(connection.receive(4), "room");
}

// Row 11: one client that dialled dead hosts kept everybody from connecting.
TEST_F(Dials, ATenantThatDialsDeadHostsHindersNoOther) {
  const std::vector<base::Fd> dead = [&] {
    std::vector<base::Fd> sockets;
    sockets.push_back(dial_silence(acme_));
    sockets.push_back(dial_silence(acme_));
    return sockets;
  }();
  ASSERT_TRUE(eventually([&] { return dials(gateway_, "acme") == 2; }));
  const ClientNetwork other(gateway_.onramp(), {.tenant = "other"});
  const TcpServer server = TcpServer::echo();
  TcpConnection connection = other.connect(server.endpoint());
  connection.send("free");
  EXPECT_EQ(connection.receive(4), "free");
}

// Row 24: a queue of 1000 packets in front of a TUN, and a window of several thousand.
TEST(Pitfall, TheQueueOfTheSandboxesDeviceHoldsAWindow) {
  const GatewayProcess gateway;
  const Finished link = run({"nsenter", "--preserve-credentials", "-U", "--net", "-t",
                             std::to_string(gateway.children().front()), "ip", "-o", "link"},
                            kPatience, {.as_network_admin = true});
  EXPECT_THAT(link.out, testing::HasSubstr("qlen 10000")) << link;
}

void send_pattern(TcpConnection& connection, std::uint64_t bytes) {
  const Pattern pattern;
  for (std::uint64_t sent = 0; sent < bytes;) {
    const auto piece = pattern.from(sent);
    const auto now = piece.first(std::min<std::uint64_t>(piece.size(), bytes - sent));
    connection.send(now);
    sent += now.size();
  }
  connection.finish_sending();
}

// Row 25: a window worked out from socket buffers, and buffers of a fixed size, left 5 to 10 Mbit/s
// at some round-trip times. 8 MB at 10 Mbit/s are 6.4 s.
TEST(Pitfall, AtNoRoundTripTimeIsTheWindowTooSmall) {
  constexpr std::uint64_t kBytes = 8'000'000;
  const GatewayProcess gateway;
  ClientNetwork client(gateway.onramp());
  const TcpServer source = TcpServer::source(kBytes);
  const TcpServer sink = TcpServer::discard();
  for (std::size_t i = 0; const auto one_way : {5ms, 20ms, 60ms}) {
    client.delay_path(one_way);
    const auto began = base::Clock::now();
    TcpConnection down = client.connect(source.endpoint());
    std::uint64_t received = 0;
    EXPECT_EQ(down.drain([&](auto bytes) { received += bytes.size(); }), End::kFin);
    EXPECT_EQ(received, kBytes);
    const auto turned = base::Clock::now();
    EXPECT_GE(turned - began, 4 * one_way) << "the path is as long as it should be";
    EXPECT_LT(turned - began, 6s) << "down, " << one_way.count() << " ms each way";
    TcpConnection up = client.connect(sink.endpoint());
    send_pattern(up, kBytes);
    EXPECT_EQ(sink.wait_for_connection(i++).received_bytes, kBytes);
    EXPECT_LT(base::Clock::now() - turned, 6s) << "up, " << one_way.count() << " ms each way";
  }
}

// Row 26: a send buffer that was smaller than the MSS of a large MTU: a window of 0, for ever.
TEST(Pitfall, AWindowIsNotClosedBecauseItIsSmallerThanASegment) {
  constexpr std::uint64_t kBytes = 1'000'000;
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp(), {.mtu = 65'520});
  for (const std::string& address : {host::kServer4, host::kServer6}) {
    // As small as the kernel lets it be.
    base::Fd listener = listen_on({*base::IpAddress::parse(address), base::Port{0}});
    const int least = 1;
    ASSERT_EQ(::setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
    ASSERT_EQ(::setsockopt(listener.get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
    const TcpServer sink = TcpServer::discard(std::move(listener));
    TcpConnection connection = client.connect(sink.endpoint());
    EXPECT_TRUE(client.sees([&](const SeenPacket& packet) {
      return packet.direction == Direction::kDown && packet.headers.tcp_flags.syn() &&
             packet.headers.source == sink.endpoint();
    }));
    EXPECT_FALSE(client.sees(
        [&](const SeenPacket& packet) {
          return packet.direction == Direction::kDown && packet.headers.source == sink.endpoint() &&
                 packet.headers.window == 0;
        },
        0ms))
        << "closed with nothing sent";
    send_pattern(connection, kBytes);
    const Served served = sink.wait_for_connection(0);
    EXPECT_EQ(served.received_bytes, kBytes);
    EXPECT_TRUE(served.pattern_is_right);
    EXPECT_EQ(connection.wait_for_end(), End::kFin);
  }
}

// A kernel that takes packets one by one only: a write of more pieces than a packet's offload
// header and the packet is answered with EINVAL, as Linux 6.6.44 and others answered it.
bool refuse_merged_writes() {
  std::array<sock_filter, 6> program{
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_writev, 0, 3),
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 2, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = program.size(), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

// Row 34: kernels that refused valid offload headers, and the packets behind them were lost.
TEST(Pitfall, AKernelThatRefusesMergedPacketsGetsThemOneByOne) {
  constexpr std::uint64_t kBytes = 10'000'000;
  const GatewayProcess gateway({.before_exec = refuse_merged_writes});
  const ClientNetwork client(gateway.onramp());
  const TcpServer sink = TcpServer::discard();
  for (std::size_t i = 0; i < 2; ++i) {
    TcpConnection connection = client.connect(sink.endpoint());
    send_pattern(connection, kBytes);
    const Served served = sink.wait_for_connection(i);
    EXPECT_EQ(served.received_bytes, kBytes);
    EXPECT_TRUE(served.pattern_is_right);
  }
  EXPECT_THAT(gateway.log(), testing::HasSubstr("coalescing no more"));
  for (const auto& drop : gateway.flowctl({"drops"})) {
    if (drop.at("name") == "sandbox_write_failed") {
      EXPECT_EQ(drop.at("count"), 0) << "what was refused together went alone";
    }
  }
}

// Row 39: with offload on, everything but TCP was dead.
TEST(Pitfall, EveryProtocolPassesATunnelWithOffload) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp(), {.offload = true});
  for (const std::string& address : {host::kServer4, host::kServer6}) {
    const TcpServer tcp = TcpServer::echo(address);
    TcpConnection connection = client.connect(tcp.endpoint());
    connection.send(std::string(200'000, 'x'));
    EXPECT_EQ(connection.receive(200'000).size(), 200'000U);
    const UdpServer udp = UdpServer::echo(address);
    const int family = address == host::kServer4 ? AF_INET : AF_INET6;
    EXPECT_EQ(UdpClient(client, family).ask(udp.endpoint(), "datagram").payload, "datagram");
    const Finished ping = client.run({"ping", "-n", "-c1", "-W5", address});
    EXPECT_EQ(ping.status, 0) << ping;
    EXPECT_EQ(client.try_connect(closed_port(address)).value(), ECONNREFUSED);
  }
}

// Row 44: thousands of sockets for name servers' answers that had long come.
TEST(Pitfall, ALookupsSocketIsSoonGone) {
  GatewayProcess gateway({.flows = "{timeouts: {dns: 100ms, udp: 1h, udp_stream: 1h}}"});
  const ClientNetwork client(gateway.onramp());
  UdpClient(client).send_to(at(host::kServer4, 53), "?");
  const auto ended = gateway.wait_for_audit("flow_end", 1).front();
  EXPECT_EQ(ended.at("destination"), host::kServer4 + ":53");
  EXPECT_EQ(ended.at("reason"), "timed_out");
}

// Row 54b: SIGHUP built everything anew, and every client's connections were reset.
TEST(Pitfall, SighupLeavesTunnelsFlowsAndSandboxAlone) {
  GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp(), {.name = "laptop"});
  const ClientNetwork neighbour(gateway.onramp(),
                                {.name = "neighbour", .addresses = {"100.64.0.3/32"}});
  const TcpServer server = TcpServer::echo();
  const TcpServer behind_tunnel = TcpServer::echo(neighbour.listen("100.64.0.3"));
  const UdpServer udp = UdpServer::echo();
  TcpConnection upgraded = client.connect(server.endpoint());
  TcpConnection forwarded = client.connect(behind_tunnel.endpoint());
  const UdpClient datagrams(client);
  const auto expect_echoes = [&](const std::string& text) {
    for (TcpConnection* connection : {&upgraded, &forwarded}) {
      connection->send(text);
      EXPECT_EQ(connection->receive(text.size()), text);
    }
    EXPECT_EQ(datagrams.ask(udp.endpoint(), text).payload, text);
  };
  const auto ids = [&] {
    std::set<std::string> all;
    for (const auto* list : {"flows", "tunnels"}) {
      for (const auto& shown : gateway.flowctl({list})) {
        all.insert(list + shown.at("id").dump());
      }
    }
    return all;
  };
  expect_echoes("before");
  const auto before = ids();
  EXPECT_EQ(before.size(), 3U + 2U);
  const auto helper = gateway.children();

  // The audit log is opened again, which shows that the signal has been heard.
  for (int i = 0; i < 3; ++i) {
    std::filesystem::rename(gateway.file("audit.jsonl"), gateway.file("audit.old"));
    gateway.signal(SIGHUP);
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(gateway.file("audit.jsonl")); }));
    expect_echoes("after");
  }
  EXPECT_EQ(ids(), before);
  EXPECT_EQ(gateway.children(), helper);
  EXPECT_EQ(udp.received().front().from, udp.received().back().from) << "the same mapping";
}

}  // namespace
}  // namespace integration
