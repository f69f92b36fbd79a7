// Path MTUs: packets that do not fit, and paths that become narrower while a transfer is under way.
//
//     client --(router: 1500, then 1280)-- SEQPACKET -- liftgate serve -- TcpServer
//                                                             |
//     peer  --(router: 1500, then 1280)-- SEQPACKET ----------+

#include <algorithm>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "flows/reply.h"
#include "integration/support/accept.h"
#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "integration/support/tunnels.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using test_support::tcp;
using test_support::udp;

constexpr std::uint64_t kTransferBytes = 32 << 20;  // more than every buffer on the way together
constexpr std::uint64_t kBeforeBytes = 1 << 20;
constexpr std::uint32_t kNarrow = 1280;

TunnelOptions wide(const std::string& name, int host) {
  return {.name = name,
          .addresses = {"100.64.0." + std::to_string(host) + "/32",
                        "fd00:64::" + std::to_string(host) + "/128"},
          .mtu = 1500};
}

bool is_too_big(const SeenPacket& seen) {
  const auto& headers = seen.headers;
  return (headers.protocol == flows::Protocol::kIcmp && headers.icmp_type == 3 &&
          headers.icmp_code == 4) ||
         (headers.protocol == flows::Protocol::kIcmpv6 && headers.icmp_type == 2);
}

// Takes a TcpServer::source() to its end; calls `midway()` when some of it has come.
template <class Midway>
void expect_download(TcpConnection& connection, Midway midway) {
  const Pattern pattern(1);
  PatternChecker checker(pattern);
  bool is_midway = false;
  const End end = connection.drain(
      [&](std::span<const std::byte> bytes) {
        checker.take(bytes);
        if (!is_midway && checker.bytes() >= kBeforeBytes) {
          is_midway = true;
          midway();
        }
      },
      60s);
  EXPECT_EQ(end, End::kFin);
  EXPECT_TRUE(is_midway);
  EXPECT_TRUE(checker.is_right());
  EXPECT_EQ(checker.bytes(), kTransferBytes);
}

class PathMtu : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] std::string server_address() const {
    return GetParam() ? host::kServer4 : host::kServer6;
  }
  [[nodiscard]] std::string peer_address() const {
    return GetParam() ? "100.64.0.3" : "fd00:64::3";
  }
  [[nodiscard]] std::string from(int host) const {
    const std::string number = std::to_string(host);
    return GetParam() ? "100.64.0." + number + ":5" : "[fd00:64::" + number + "]:5";
  }

  GatewayProcess gateway_;
};
INSTANTIATE_TEST_SUITE_P(Families, PathMtu, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "IPv4" : "IPv6"; });

TEST_P(PathMtu, UpgradedTransferGoesOnWhenThePathBehindTheClientBecomesNarrower) {
  const TcpServer server = TcpServer::source(kTransferBytes, server_address());
  ClientNetwork client(gateway_.onramp(), wide("", 2));
  TcpConnection connection = client.connect(server.endpoint());

  expect_download(connection, [&] { client.narrow_path(kNarrow); });

  EXPECT_GT(client.tally([](const SeenPacket& seen) { return seen.wire.bytes > kNarrow; }).packets,
            0U);
}

TEST_P(PathMtu, ForwardedTransferGoesOnWhenThePathBehindTheReceiverBecomesNarrower) {
  ClientNetwork client(gateway_.onramp(), wide("", 2));
  ClientNetwork peer(gateway_.onramp(), wide("", 3));
  wait_for_tunnels(gateway_, 2);
  const base::Fd listener = peer.listen(peer_address());
  TcpConnection connection = client.connect(local_endpoint(listener));
  TcpConnection accepted = accept_from(listener);
  std::thread sender([&] {
    const Pattern pattern(1);
    for (std::uint64_t sent = 0; sent < kTransferBytes;) {
      const auto piece = pattern.from(sent).first(
          std::min<std::uint64_t>(Pattern::kPeriodBytes, kTransferBytes - sent));
      accepted.send(piece);
      sent += piece.size();
    }
    accepted.finish_sending();
  });

  expect_download(connection, [&] { client.narrow_path(kNarrow); });
  sender.join();

  EXPECT_GT(peer.tally(is_too_big).packets, 0U) << "it hears of it through the gateway";
  EXPECT_EQ(gateway_.flows().at(0).at("action"), "forward");
}

// The gateway itself is the narrow place: the tunnel comes back with a smaller MTU.
TEST_P(PathMtu, UpgradedTransferGoesOnWhenItsTunnelComesBackNarrower) {
  const TcpServer server = TcpServer::source(kTransferBytes, server_address());
  ClientNetwork client(gateway_.onramp(), wide("laptop", 2));
  TcpConnection connection = client.connect(server.endpoint());

  expect_download(connection, [&] {
    TunnelOptions narrow = wide("laptop", 2);
    narrow.mtu = kNarrow;
    client.reopen_tunnel(gateway_.onramp(), narrow);
  });

  EXPECT_GT(drops(gateway_)["too_big"], 0U);
}

TEST_P(PathMtu, ForwardedPacketThatDoesNotFitIsAnsweredWithTheMtuThatWould) {
  TunnelOptions narrow = wide("", 3);
  narrow.mtu = kNarrow;
  const auto sender = TunnelConnection::open(gateway_.onramp(), wide("", 2));
  const auto receiver = TunnelConnection::open(gateway_.onramp(), narrow);
  wait_for_tunnels(gateway_, 2);
  const std::size_t headers = GetParam() ? 28 : 48;
  const auto packet = [&](std::size_t size) {
    auto builder = udp(from(2), from(3)).payload(size - headers);
    return (GetParam() ? builder.dont_fragment() : builder).build();
  };

  sender.send(packet(kNarrow + 1));
  const auto answer = sender.receive();
  ASSERT_TRUE(answer);
  const auto error = flows::parse(*answer, {});
  ASSERT_TRUE(error);
  EXPECT_EQ(error->icmp_type, GetParam() ? 3 : 2);
  EXPECT_EQ(error->icmp_code, GetParam() ? 4 : 0);
  EXPECT_EQ(test_support::get32(*answer, error->transport_offset + 4U), kNarrow);  // pitfall 29
  EXPECT_EQ(drops(gateway_)["too_big"], 1U);

  sender.send(packet(kNarrow));
  const auto passed = receiver.receive();
  ASSERT_TRUE(passed);
  EXPECT_EQ(passed->size(), kNarrow);
}

TEST(PathMtuV4, ForwardedPacketThatMayBeCutIsCut) {
  const GatewayProcess gateway;
  TunnelOptions narrow = wide("", 3);
  narrow.mtu = 600;
  narrow.addresses = {"100.64.0.3/32"};
  const auto sender = TunnelConnection::open(gateway.onramp(), wide("", 2));
  const auto receiver = TunnelConnection::open(gateway.onramp(), narrow);
  wait_for_tunnels(gateway, 2);

  sender.send(udp("100.64.0.2:5", "100.64.0.3:6").payload(std::size_t{1400}).id(77).build());

  std::size_t offset = 0;
  for (const bool more : {true, true, false}) {
    const auto got = receiver.receive();
    ASSERT_TRUE(got);
    const auto fragment = flows::parse(*got, {});
    ASSERT_TRUE(fragment);
    EXPECT_LE(got->size(), 600U);
    EXPECT_EQ(fragment->fragment_id, 77U);
    EXPECT_EQ(fragment->fragment_offset, offset);
    EXPECT_EQ(fragment->more_fragments, more);
    offset += fragment->total_bytes - fragment->transport_offset;
  }
  EXPECT_EQ(offset, 1408U);
}

TEST_P(PathMtu, SegmentsOfForwardedConnectionsFitBothTunnels) {
  TunnelOptions narrow = wide("", 3);
  narrow.mtu = kNarrow;
  const auto one = TunnelConnection::open(gateway_.onramp(), wide("", 2));
  const auto other = TunnelConnection::open(gateway_.onramp(), narrow);
  wait_for_tunnels(gateway_, 2);
  const auto mss_of = [](const TunnelConnection::Bytes& syn) {
    const auto packet = flows::parse(syn, {});  // which checks the checksum
    EXPECT_TRUE(packet);
    return test_support::get16(syn, packet->transport_offset + 22U);
  };
  const unsigned expected = GetParam() ? 1240 : 1220;

  one.send(tcp(from(2), from(3)).syn().mss(1460).build());
  const auto syn = other.receive();
  ASSERT_TRUE(syn);
  EXPECT_EQ(mss_of(*syn), expected);
  other.send(tcp(from(3), from(2)).syn().ack(1001).mss(1460).build());
  const auto answer = one.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(mss_of(*answer), expected);
}

// Pitfall 30: 64 KiB at once are not too long when each of their segments fits.
TEST_P(PathMtu, SuperSegmentsAreJudgedByTheirSegments) {
  TunnelOptions with_offload = wide("", 2);
  with_offload.offload = true;
  TunnelOptions narrow = wide("", 3);
  narrow.mtu = kNarrow;
  const ClientNetwork client(gateway_.onramp(), with_offload);
  const ClientNetwork peer(gateway_.onramp(), narrow);
  wait_for_tunnels(gateway_, 2);
  const base::Fd listener = peer.listen(peer_address());
  TcpConnection connection = client.connect(local_endpoint(listener));
  TcpConnection accepted = accept_from(listener);
  const std::string sent(300'000, 'x');

  std::thread sender([&] { connection.send(sent); });
  EXPECT_EQ(accepted.receive(sent.size()), sent);
  sender.join();

  EXPECT_GT(client.tally([](const SeenPacket& seen) { return seen.wire.packets > 1; }).packets, 0U);
  EXPECT_EQ(drops(gateway_)["too_big"], 0U);
}

}  // namespace
}  // namespace integration
