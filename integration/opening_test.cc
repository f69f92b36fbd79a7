// Flows that there is no time to open wait, and are opened as what they are.
//
//     flood  --SYNs, and among them what is to be judged by its ports--> gateway --> other tunnel

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/drops.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using test_support::tcp;
using test_support::udp;

std::string address(std::uint64_t number) {
  return "10.1." + std::to_string(number >> 8U & 0xffU) + "." + std::to_string(number & 0xffU);
}

// A fragment that waited would be parsed again by itself, as one without ports: what a rule refuses
// by its port would be let in, and its NAT would fail.
TEST(Opening, FragmentsDoNotWaitToBeJudgedWithoutTheirPorts) {
  const GatewayProcess gateway(
      {.tenants = "- {name: acme, id: 1}",
       .rules = "\n  - {name: smtp, match: {protocol: tcp, destination_port: 25}, action: reject}"
                "\n  - {name: snmp, match: {protocol: udp, destination_port: 161}, action: reject}"
                "\n  - {name: peers, match: {protocol: udp}, action: forward}"
                "\n  - {name: rest, action: upgrade}",
       .more = "handshake: eager\n"});
  const auto flood =
      TunnelConnection::open(gateway.onramp(), {.addresses = {"10.0.0.0/8", "fd00:1::1/128"}});
  const auto peer = TunnelConnection::open(gateway.onramp(), {.addresses = {"fd00:2::2/128"}});
  gateway.wait_for_tunnels(2);
  const std::string target = host::kServer4 + ":80";
  std::uint32_t id = 0;
  std::uint64_t begun = 0;
  const auto burst = [&] {
    for (const std::uint64_t end = begun + 10'000; begun < end; ++begun) {
      const std::uint64_t i = begun;
      flood.send(tcp(address(i) + ":1024", target).syn().build());
      if (i % 10 == 9) {
        const std::string port = std::to_string(2000 + i % 60'000);
        flood.send(tcp(address(i) + ":" + port, host::kServer4 + ":25")
                       .syn()
                       .payload(4)
                       .fragment(0, true, ++id)
                       .build());
        flood.send(udp("[fd00:1::1]:" + port, "[fd00:2::2]:161").fragment(0, false, ++id).build());
      }
    }
  };
  // Until some had to wait, and one had no place to.
  ASSERT_TRUE(eventually([&] {
    burst();
    return drops(gateway).at("overloaded") > 0;
  }));

  // The first that the peer gets is what it may get.
  const auto allowed = udp("[fd00:1::1]:9", "[fd00:2::2]:162").payload("this").build();
  ASSERT_TRUE(eventually([&] {
    flood.send(allowed);
    return gateway.flowctl({"tunnels"}).at(1).at("down").at("packets") > 0;
  }));
  const auto got = peer.receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->at(42), std::byte{0});
  EXPECT_EQ(got->at(43), std::byte{162});
}

}  // namespace
}  // namespace integration
