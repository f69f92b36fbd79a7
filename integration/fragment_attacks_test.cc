// Attacks with fragments, floods of ICMP and spoofed sources: bounded, counted, and nobody else's
// concern.
//
//     client [MTU 1400] ==> liftgate serve ==> TcpServer          a download, all the while
//     attacker =========/                                         as fast as it can

#include <sys/socket.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using Bytes = TunnelConnection::Bytes;
using test_support::echo_request;
using test_support::udp;

constexpr std::uint64_t kTransferBytes = 32 << 20;

struct Ends {
  std::string from, to;  // addresses
  [[nodiscard]] bool is_v4() const { return from.find(':') == std::string::npos; }
  [[nodiscard]] test_support::PacketBuilder datagram() const {
    return is_v4() ? udp(from + ":5", to + ":6") : udp("[" + from + "]:5", "[" + to + "]:6");
  }
};

// A fragment of TCP with eight bytes of it.
Bytes tiny(const Ends& ends, unsigned offset, bool more, std::uint32_t id) {
  Bytes fragment = ends.datagram().fragment(offset, more, id).build();
  fragment[ends.is_v4() ? 9 : 40] = std::byte{6};
  test_support::fix_ip_checksum(fragment);
  return fragment;
}

// One of everything, of packet `id`.
std::vector<Bytes> attacks(const Ends& ends, std::uint32_t id) {
  const auto piece = [&](unsigned offset, std::size_t size, bool more, std::uint32_t of) {
    return ends.datagram().payload(size - 8).fragment(offset, more, of).build();
  };
  const std::uint32_t a = id * 8;
  return {
      // Overlap; what comes later of the same packet is refused with it.
      piece(0, 64, true, a),
      piece(56, 64, true, a),
      piece(120, 64, false, a),
      // Teardrop: the second lies within the first.
      piece(0, 64, true, a + 1),
      piece(24, 16, false, a + 1),
      // Tiny: the ports in the first fragment, the flags in the second (RFC 1858).
      tiny(ends, 0, true, a + 2),
      tiny(ends, 8, false, a + 2),
      // Endless: never the last, at every page that a packet can have.
      piece(0, 1000, true, a + 3),
      piece(8192, 1000, true, a + 3),
      piece(16384, 1000, true, a + 3),
      piece(65504, 16, true, a + 3),
      // Never the first.
      piece(4096, 1000, true, a + 4),
      piece(61440, 1000, false, a + 4),
      // The ping of death: beyond 65,535 bytes.
      piece(65528, 400, false, a + 5),
      // A flood of ICMP: echoes to server and gateway, and errors about nothing.
      echo_request(ends.from, ends.to, 7, static_cast<std::uint16_t>(id)).payload("flood").build(),
      test_support::icmp(ends.from, ends.to)
          .icmp(ends.is_v4() ? 3 : 1, 1)
          .payload(udp(ends.is_v4() ? "192.0.2.1:1" : "[2001:db8::1]:1",
                       ends.is_v4() ? "192.0.2.2:2" : "[2001:db8::2]:2")
                       .build())
          .build(),
      // Whose address is not the tunnel's.
      udp(ends.is_v4() ? "100.64.0.2:5" : "[fd00:64::2]:5",
          ends.is_v4() ? "192.0.2.1:6" : "[2001:db8::1]:6")
          .fragment(0, true, a)
          .build(),
  };
}

std::uint64_t resident_bytes(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  statm >> all >> resident;
  return resident * 4096;
}

TEST(FragmentAttacks, CostBoundedMemoryAndDisturbNobody) {
  const TcpServer server = TcpServer::source(kTransferBytes);
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  TcpConnection connection = client.connect(server.endpoint());
  const std::uint64_t before = resident_bytes(gateway.pid());

  std::atomic<bool> done = false;
  std::atomic<std::uint32_t> rounds = 0;
  std::thread attacker([&] {
    const auto tunnel = TunnelConnection::open(
        gateway.onramp(), {.addresses = {"100.64.0.66/32", "fd00:64::66/128"}});
    // More that would have to be answered than may be at once.
    const Bytes expired = udp("100.64.0.66:5", "192.0.2.1:6").ttl(1).build();
    for (int i = 0; i < 3000; ++i) {
      tunnel.send(expired);
    }
    // At least as many packets at once as the memory for them holds.
    while (!done || rounds < 2000) {
      for (const Ends& ends :
           {Ends{"100.64.0.66", "192.0.2.1"}, Ends{"fd00:64::66", "2001:db8::1"}}) {
        for (const Bytes& packet : attacks(ends, rounds % 8192)) {
          tunnel.send(packet);
        }
      }
      ++rounds;
    }
  });
  const Pattern pattern(1);
  PatternChecker checker(pattern);
  EXPECT_EQ(connection.drain([&](auto bytes) { checker.take(bytes); }, 60s), End::kFin);
  EXPECT_TRUE(checker.is_right());
  EXPECT_EQ(checker.bytes(), kTransferBytes);
  done = true;
  attacker.join();

  // 4 MiB of fragments of one tenant, what is remembered of others, and flows.
  EXPECT_LT(resident_bytes(gateway.pid()), before + (32U << 20U));
  auto counts = drops(gateway);
  for (const char* reason :
       {"fragment_overlap", "tiny_fragment", "fragment_limit", "bad_fragment",
        "unrelated_icmp_error", "icmp_rate_limited", "ttl_exceeded", "source_not_allowed"}) {
    EXPECT_GT(counts[reason], 0U) << reason;
  }
  // The memory is the tenant's; its next fragments push the attacker's out.
  const Finished ping = client.run({"ping", "-n", "-c1", "-W5", "-s", "8000", host::kServer4});
  EXPECT_EQ(ping.status, 0) << ping;
}

}  // namespace
}  // namespace integration
