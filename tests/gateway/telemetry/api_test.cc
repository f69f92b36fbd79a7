#include "gateway/telemetry/api.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/test_gateway.h"

namespace gateway {
namespace {

using nlohmann::json;

class ApiTest : public testing::Test {
 protected:
  HttpReply ask(std::string_view path, std::string_view query = "") {
    view_.refresh(now_ += std::chrono::seconds(1));
    return api_reply(path, query, view_);
  }
  json get(std::string_view path, std::string_view query = "") {
    const HttpReply reply = ask(path, query);
    EXPECT_EQ(reply.status, "200 OK") << reply.body;
    EXPECT_EQ(reply.content_type, "application/json");
    return json::parse(reply.body);
  }

  test_support::TestGateway source_;
  LiveView view_{source_};
  base::Instant now_ = base::Clock::now();
};

TEST_F(ApiTest, OverviewIsAllTheOthers) {
  source_.add_flow("100.64.0.2:4000", "192.0.2.1:443");
  json all = get("/api/overview");
  for (const char* part : {"stats", "rules", "tenants", "tunnels", "flows", "drops"}) {
    const json one = get(std::string("/api/") + part);
    EXPECT_TRUE(one.contains(part)) << one;
    for (const auto& [key, value] : one.items()) {
      EXPECT_TRUE(all.contains(key)) << key;
    }
  }
  EXPECT_EQ(all.size(), 6U + 4U + 2U);  // parts, totals, by and interval_ms
}

TEST_F(ApiTest, FlowsHaveNamesAndRates) {
  source_.add_flow("100.64.0.2:4000", "192.0.2.1:443");
  source_.add_flow("100.64.0.2:4001", "192.0.2.1:443", [](flows::Flow& flow) {
    flow.tunnel = 99;  // has closed
    flow.rule = 7;
  });
  source_.add_flow("100.64.0.2:4002", "192.0.2.1:443",
                   [](flows::Flow& flow) { flow.rule = flows::kHookRule; });
  json said = get("/api/flows", "by=newest");
  EXPECT_EQ(said["flows_total"], 3);
  EXPECT_EQ(said["flows"][0]["rule"], "hook");
  said["flows"].erase(0);
  EXPECT_EQ(said["by"], "newest");
  EXPECT_EQ(said["flows"][1]["tunnel"], "laptop-17");
  EXPECT_EQ(said["flows"][1]["rule"], "web");
  EXPECT_EQ(said["flows"][1]["up_rate"],
            json::parse(R"({"bits_per_second":0,"packets_per_second":0})"));
  EXPECT_EQ(said["flows"][0]["tunnel"], "#99");
  EXPECT_EQ(said["flows"][0]["rule"], "#7");
}

TEST_F(ApiTest, AListIsAsLongAsItsLimit) {
  for (std::uint16_t i = 0; i < 300; ++i) {
    source_.add_flow("100.64.0.2:" + std::to_string(2000 + i), "192.0.2.1:443");
  }
  source_.state.tunnels.resize(1000);
  source_.state.tunnels[777].id = 777;
  source_.state.tunnels[777].up.bytes = 1;
  EXPECT_EQ(get("/api/flows")["flows"].size(), kUsualRows);
  const json most = get("/api/overview", "limit=200");
  EXPECT_EQ(most["flows"].size(), 200U);
  EXPECT_EQ(most["flows_total"], 300);
  EXPECT_EQ(most["tunnels"].size(), 200U);
  EXPECT_EQ(most["tunnels_total"], 1000);
  const json one = get("/api/tunnels", "limit=1");
  ASSERT_EQ(one["tunnels"].size(), 1U);
  EXPECT_EQ(one["tunnels"][0]["id"], 777);  // the one that carries something
}

TEST_F(ApiTest, WhatIsWrongIsSaid) {
  for (const char* query : {"limit=201", "limit=-1", "limit=", "limit=1x", "by=size", "by="}) {
    const HttpReply reply = ask("/api/flows", query);
    EXPECT_EQ(reply.status, "400 Bad Request") << query;
    EXPECT_EQ(json::parse(reply.body)["error"],
              "limit is a number up to 200, by is rate, bytes or newest");
  }
  const HttpReply unknown = ask("/api/flow");
  EXPECT_EQ(unknown.status, "404 Not Found");
  EXPECT_EQ(json::parse(unknown.body)["error"],
            "below /api/ there are overview, stats, rules, tenants, tunnels, flows, drops");
}

TEST_F(ApiTest, HostileNamesAreValidJson) {
  source_.state.tunnels[0].name = "</script>\xff\n\"\\";
  source_.add_flow("100.64.0.2:4000", "192.0.2.1:443");
  EXPECT_EQ(get("/api/flows")["flows"][0]["tunnel"], "</script>\xEF\xBF\xBD\n\"\\");
}

}  // namespace
}  // namespace gateway
