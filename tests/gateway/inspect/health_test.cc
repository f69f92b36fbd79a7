#include "gateway/inspect/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

using nlohmann::json;
using testing::HasSubstr;

GatewayHealth sound() {
  GatewayHealth health;
  health.shards.resize(2);
  for (ShardHealth& shard : health.shards) {
    shard.has_sandbox = true;
    shard.helper = 77;
    shard.tick_age_ns = 200'000'000;
  }
  health.flows = 3;
  health.flows_max = 100;
  health.audit.path = "/var/log/liftgate/flows.jsonl";
  health.onramps = {{.kind = "seqpacket", .at = "/run/liftgate/onramp.sock", .is_listening = true}};
  return health;
}

Readiness readiness(const GatewayHealth& health) {
  return readiness_of(problems_of(health));
}

TEST(Health, OfASoundGatewayIsOk) {
  EXPECT_EQ(readiness(sound()), Readiness::kOk);
  EXPECT_EQ(health_text(problems_of(sound())), "ok\n");
}

TEST(Health, ShardWithoutASandboxIsNotReady) {
  GatewayHealth health = sound();
  health.shards[1].has_sandbox = false;
  EXPECT_EQ(readiness(health), Readiness::kUnready);
  const std::string text = health_text(problems_of(health));
  EXPECT_THAT(text, HasSubstr("unready\nshard 1 has no sandbox"));
  EXPECT_THAT(text, HasSubstr("liftgate doctor"));
}

TEST(Health, ShardWhoseTickIsOldIsStuck) {
  GatewayHealth health = sound();
  health.shards[0].tick_age_ns = 5'000'000'000;
  EXPECT_EQ(readiness(health), Readiness::kOk);
  health.shards[0].tick_age_ns = 6'000'000'000;
  EXPECT_EQ(readiness(health), Readiness::kUnready);
  EXPECT_THAT(health_text(problems_of(health)),
              HasSubstr("unready\nshard 0 is stuck: its loop has not turned for 6 s"));
}

TEST(Health, AnAuditLogThatFailsIsSeriousOnceNoFlowMayBegin) {
  GatewayHealth health = sound();
  health.audit.refuses_flows = true;  // it is only behind
  EXPECT_EQ(readiness(health), Readiness::kOk);
  health.audit.refuses_flows = false;
  health.audit.error = "write flows.jsonl: No space left on device";
  EXPECT_EQ(readiness(health), Readiness::kDegraded);
  EXPECT_EQ(health_text(problems_of(health)), "ok\n") << "a load balancer is to go on";
  health.audit.refuses_flows = true;
  EXPECT_EQ(readiness(health), Readiness::kUnready);
}

TEST(Health, WhatItCanServeWithoutDegradesIt) {
  GatewayHealth health = sound();
  health.onramps[0].is_listening = false;
  EXPECT_EQ(readiness(health), Readiness::kDegraded);
  health = sound();
  health.ipfix = IpfixHealth{.collector = "192.0.2.7:4739"};
  EXPECT_EQ(readiness(health), Readiness::kOk);
  health.ipfix->error = "send: Network is unreachable";
  EXPECT_EQ(readiness(health), Readiness::kDegraded);
}

TEST(Health, SeriousProblemsComeFirst) {
  GatewayHealth health = sound();
  health.audit.error = "full";
  health.shards[1].has_sandbox = false;
  health.onramps[0].is_listening = false;
  const auto problems = problems_of(health);
  ASSERT_EQ(problems.size(), 3U);
  EXPECT_TRUE(problems[0].is_serious);
  EXPECT_FALSE(problems[1].is_serious);
}

TEST(Health, InFullSaysEveryPart) {
  GatewayHealth health = sound();
  health.shards[1] = {.has_sandbox = false, .tick_age_ns = 30'000'000, .lag_ns = 4'000'000};
  health.ipfix = IpfixHealth{.collector = "192.0.2.7:4739", .sent = 5, .lost = 1};
  const json said = json::parse(health_json(problems_of(health), &health));
  EXPECT_EQ(said.at("status"), "unready");
  EXPECT_EQ(said.at("problems").size(), 1U);
  EXPECT_EQ(said.at("shards").at(0).at("helper"), 77);
  EXPECT_EQ(said.at("shards").at(0).at("ready"), true);
  EXPECT_EQ(said.at("shards").at(1).at("helper"), nullptr);
  EXPECT_EQ(said.at("shards").at(1).at("tick_age_ms"), 30);
  EXPECT_EQ(said.at("shards").at(1).at("lag_ms"), 4);
  EXPECT_EQ(said.at("flows_max"), 100);
  EXPECT_EQ(said.at("audit").at("writable"), true);
  EXPECT_EQ(said.at("ipfix").at("lost"), 1);
  EXPECT_EQ(said.at("onramps").at(0).at("at"), "/run/liftgate/onramp.sock");
}

TEST(Health, ForStrangersSaysNoPart) {
  const GatewayHealth health = sound();
  EXPECT_EQ(json::parse(health_json(problems_of(health), nullptr)),
            json::parse(R"({"status":"ok","problems":[]})"));
}

// What strangers are told has no path, address or pid in it.
TEST(Health, ProblemsSayNothingThatAStrangerMayNotRead) {
  GatewayHealth health = sound();
  health.audit.error = "write /var/log/liftgate/flows.jsonl: full";
  health.audit.refuses_flows = true;
  health.ipfix = IpfixHealth{.collector = "192.0.2.7:4739", .error = "192.0.2.7"};
  health.onramps[0].is_listening = false;
  for (ShardHealth& shard : health.shards) {
    shard.has_sandbox = false;
  }
  const std::string said =
      health_text(problems_of(health)) + health_json(problems_of(health), nullptr);
  for (const char* secret : {"/var", "/run", "192.0.2", "77"}) {
    EXPECT_EQ(said.find(secret), std::string::npos) << secret;
  }
}

}  // namespace
}  // namespace gateway
