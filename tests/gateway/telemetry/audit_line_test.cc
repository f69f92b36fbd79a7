#include "gateway/telemetry/audit_line.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ns;

constexpr std::int64_t kSecond = 1'000'000'000;

std::string text_of(std::chrono::system_clock::duration since_1970) {
  std::string text;
  append_time(text, std::chrono::system_clock::time_point(since_1970));
  return text;
}

AuditEvent event_of(AuditEvent::Kind kind) {
  AuditEvent event;
  event.kind = kind;
  event.time = std::chrono::system_clock::time_point(1763689463s + 417us);
  event.flow.id = 9;
  event.flow.created_ns = kSecond;
  event.flow.last_seen_ns = 5 * kSecond / 2;
  event.flow.key.source = *base::Endpoint::parse("100.64.0.2:40000");
  event.flow.key.destination = *base::Endpoint::parse("192.0.2.1:443");
  event.flow.key.protocol = flows::Protocol::kTcp;
  event.flow.tunnel = 3;
  event.flow.state = flows::FlowState::kTimeWait;
  event.flow.end_reason = flows::EndReason::kResetByClient;
  event.flow.up = {.packets = 5, .bytes = 500};
  event.flow.down = {.packets = 6, .bytes = 6000};
  return event;
}

std::string line_of(const AuditEvent& event) {
  std::string line;
  append_audit_line(line, event, {.tenant = "acme", .tunnel = "laptop", .rule = "web"},
                    3 * kSecond);
  return line;
}

TEST(AuditTime, IsRfc3339InUtcWithMicroseconds) {
  EXPECT_EQ(text_of(0s), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(text_of(1763689463s + 417us + 999ns), "2025-11-21T01:44:23.000417Z");
  EXPECT_EQ(text_of(951782400s), "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(text_of(4102444799s + 999999us), "2099-12-31T23:59:59.999999Z");
}

TEST(AuditLine, OfAStartHasTheNamesOfFlowctl) {
  EXPECT_EQ(
      line_of(event_of(AuditEvent::Kind::kFlowStart)),
      R"({"time":"2025-11-21T01:44:23.000417Z","event":"flow_start","flow":9,"id":9,)"
      R"("tenant":"acme","tunnel":"laptop","tunnel_id":3,"protocol":"tcp",)"
      R"("source":"100.64.0.2:40000","destination":"192.0.2.1:443","name":null,"action":"upgrade",)"
      R"("rule":"web","state":"time_wait","age_ms":2000,"upstream":null,"idle_ms":500,)"
      R"("up":{"packets":5,"bytes":500},"down":{"packets":6,"bytes":6000}})"
      "\n");
}

TEST(AuditLine, OfAnEndHasTheSameAndWhy) {
  auto event = event_of(AuditEvent::Kind::kFlowEnd);
  event.flow.key.protocol = flows::Protocol::kUdp;
  const std::string line = line_of(event);
  EXPECT_TRUE(line.ends_with(R"("upstream":null,"idle_ms":500,"up":{"packets":5,"bytes":500},)"
                             R"("down":{"packets":6,"bytes":6000},"reason":"reset_by_client"})"
                             "\n"))
      << line;
}

TEST(AuditLine, OfATcpEndHasWhatTheKernelMeasured) {
  auto event = event_of(AuditEvent::Kind::kFlowEnd);
  event.flow.client_rtt_us = 1234;
  event.flow.client_retransmits = 2;
  EXPECT_TRUE(line_of(event).ends_with(R"(,"rtt_us":1234,"retransmits":2})"
                                       "\n"))
      << line_of(event);
}

TEST(AuditLine, OfATcpEndWithoutAConnectionSaysZero) {
  EXPECT_TRUE(line_of(event_of(AuditEvent::Kind::kFlowEnd))
                  .ends_with(R"(,"rtt_us":0,"retransmits":0})"
                             "\n"));
}

}  // namespace
}  // namespace gateway
