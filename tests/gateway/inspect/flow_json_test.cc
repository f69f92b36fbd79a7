#include "gateway/inspect/flow_json.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using base::Endpoint;

constexpr std::int64_t kSecond = 1'000'000'000;

flows::Flow tcp_flow() {
  flows::Flow flow;
  flow.id = 17;
  flow.created_ns = 5 * kSecond;
  flow.last_seen_ns = 7 * kSecond;
  flow.up = {.packets = 3, .bytes = 180};
  flow.down = {.packets = 2, .bytes = 3000};
  flow.key = {.source = *Endpoint::parse("100.64.0.2:40000"),
              .destination = *Endpoint::parse("[2001:db8::1]:443"),
              .tenant = 1,
              .protocol = flows::Protocol::kTcp};
  flow.tunnel = 4;
  flow.rule = 0;
  flow.state = flows::FlowState::kSynReceived;
  flow.upstream = *Endpoint::parse("192.0.2.9:8443");
  return flow;
}

std::string facts_of(const flows::Flow& flow, std::int64_t now_ns) {
  std::string out;
  JsonWriter json(out);
  json.open_object();
  write_flow(json, flow, {.tenant = "acme", .tunnel = "laptop", .rule = "web"}, now_ns);
  json.close_object();
  return out;
}

TEST(FlowJson, HasTheNamesOfTheContract) {
  EXPECT_EQ(
      facts_of(tcp_flow(), 8 * kSecond + 1'999'999),
      R"({"id":17,"tenant":"acme","tunnel":"laptop","tunnel_id":4,"protocol":"tcp",)"
      R"("source":"100.64.0.2:40000","destination":"[2001:db8::1]:443","name":null,"action":"upgrade",)"
      R"("rule":"web","state":"syn_received","age_ms":3001,"upstream":"192.0.2.9:8443",)"
      R"("idle_ms":1001,"up":{"packets":3,"bytes":180},"down":{"packets":2,"bytes":3000}})");
}

TEST(FlowJson, UpgradeThatIsDowngradedAgainSaysSo) {
  auto flow = tcp_flow();
  flow.peer_tunnel = 9;
  EXPECT_NE(facts_of(flow, 0).find(R"("action":"upgrade","then":"downgrade","rule":)"),
            std::string::npos);
  flow.action = flows::Action::kForward;
  EXPECT_EQ(facts_of(flow, 0).find("then"), std::string::npos);
}

TEST(FlowJson, MarkAndCodePointAreThereWhereTheRuleHasGivenThem) {
  auto flow = tcp_flow();
  flow.mark = 0xffffffff;
  flow.dscp = flows::Dscp{46};
  EXPECT_NE(facts_of(flow, 0).find(R"("rule":"web","mark":4294967295,"dscp":"ef","state":)"),
            std::string::npos);
  flow.mark = 0;
  flow.dscp = flows::Dscp{0};
  EXPECT_NE(facts_of(flow, 0).find(R"("rule":"web","dscp":"cs0","state":)"), std::string::npos);
}

TEST(FlowJson, MarkReadsInHexadecimal) {
  EXPECT_EQ(mark_text(1), "0x1");
  EXPECT_EQ(mark_text(0xffffffff), "0xffffffff");
}

TEST(FlowJson, FlowWithoutAnUpstreamHasNullThere) {
  auto flow = tcp_flow();
  flow.upstream = {};
  EXPECT_NE(facts_of(flow, 0).find(R"("upstream":null)"), std::string::npos);
}

TEST(FlowJson, FlowOfNoTunnelHasNoTunnelId) {
  auto flow = tcp_flow();
  flow.tunnel = flows::kNone32;
  EXPECT_NE(facts_of(flow, 0).find(R"("tunnel_id":null)"), std::string::npos);
}

TEST(FlowJson, TimeThatWouldBeNegativeIsZero) {
  EXPECT_EQ(milliseconds_between(2 * kSecond, kSecond), 0u);
  EXPECT_EQ(milliseconds_between(INT64_MIN, INT64_MAX), 18446744073709u);
}

TEST(FlowJson, EndpointsReadAsEndpointToStringWritesThem) {
  for (const char* text : {"0.0.0.0:0", "255.255.255.255:65535", "10.20.30.40:5", "[::]:1",
                           "[2001:db8::1]:443", "[fe80::1:2:3:4]:65535"}) {
    std::string out;
    append_endpoint(out, *Endpoint::parse(text));
    EXPECT_EQ(out, text);
  }
}

}  // namespace
}  // namespace gateway
