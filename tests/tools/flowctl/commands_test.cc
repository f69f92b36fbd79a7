// flowctl's commands against a real control server over a real flow table.
#include "tools/flowctl/commands.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/served_gateway.h"
#include "tests/support/temp_directory.h"
#include "tools/flowctl/stats_facts.h"

namespace flowctl {
namespace {

using nlohmann::json;
using test_support::ServedGateway;
using test_support::TempDirectory;
using testing::HasSubstr;

struct Result {
  ExitStatus status = ExitStatus::kDone;
  std::string text;
  std::string error;
};

// As main() does it, except that the text stays in the buffer.
Result flowctl(std::vector<std::string> words) {
  const auto options = parse_options(words);
  if (!options) {
    return {ExitStatus::kUsage, "", options.error().message};
  }
  Output output(-1);
  const auto done = run(*options, output, false);
  return {done ? ExitStatus::kDone : done.error().status, output.text(),
          done ? "" : done.error().message};
}

class FlowctlTest : public testing::Test {
 protected:
  Result run_here(std::vector<std::string> words) {
    words.insert(words.begin(), {"--socket", path_});
    return flowctl(std::move(words));
  }
  json json_of(std::vector<std::string> words) {
    words.insert(words.begin(), "--json");
    const Result result = run_here(std::move(words));
    EXPECT_EQ(result.status, ExitStatus::kDone) << result.error;
    return json::parse(result.text, nullptr, false);
  }

  TempDirectory directory_;
  const std::string path_ = directory_.file("control.sock");
  ServedGateway served_{path_};
  test_support::TestGateway& gateway_ = served_.gateway;
};

std::vector<std::uint64_t> ids_of(const json& flows) {
  std::vector<std::uint64_t> ids;
  for (const auto& flow : flows) {
    ids.push_back(flow.at("id"));
  }
  return ids;
}

TEST_F(FlowctlTest, FlowsHaveTheFieldsOfTheContract) {
  const auto id = gateway_.add_flow("100.64.0.2:40000", "[2001:db8::1]:443", [](flows::Flow& flow) {
    flow.up = {.packets = 3, .bytes = 180};
    flow.down = {.packets = 2, .bytes = 3000};
    flow.upstream = *base::Endpoint::parse("192.0.2.9:8443");
    flow.state = flows::FlowState::kEstablished;
  });

  json flows = json_of({"flows"});

  ASSERT_EQ(flows.size(), 1u);
  EXPECT_LT(flows[0].at("age_ms"), 60'000);
  EXPECT_LT(flows[0].at("idle_ms"), 60'000);
  flows[0].erase("age_ms");
  flows[0].erase("idle_ms");
  EXPECT_EQ(flows[0], json::parse(R"({
    "tenant": "acme", "tunnel": "laptop-17", "tunnel_id": 4, "protocol": "tcp",
    "source": "100.64.0.2:40000", "destination": "[2001:db8::1]:443", "name": null, "action": "upgrade",
    "rule": "web", "state": "established", "upstream": "192.0.2.9:8443",
    "up": {"packets": 3, "bytes": 180}, "down": {"packets": 2, "bytes": 3000},
    "id": )" + std::to_string(id) +
                                  "}"));
}

TEST_F(FlowctlTest, FlowsComeInTheOrderOfTheirIds) {
  const auto first = gateway_.add_flow("10.0.0.1:1", "10.0.0.2:1");
  const auto second = gateway_.add_flow("10.0.0.1:2", "10.0.0.2:1");
  (void)gateway_.kill_flow(first);
  const auto third = gateway_.add_flow("10.0.0.1:3", "10.0.0.2:1");  // in the place of the first

  EXPECT_EQ(ids_of(json_of({"flows"})), (std::vector{second, third}));
}

TEST_F(FlowctlTest, FilterChoosesFlows) {
  const auto web = gateway_.add_flow("10.0.0.1:1", "10.0.0.2:443");
  const auto dns = gateway_.add_flow("10.0.0.1:2", "10.0.0.2:53");

  EXPECT_EQ(ids_of(json_of({"flows", "tenant=acme", "destination=:53"})), std::vector{dns});
  EXPECT_EQ(ids_of(json_of({"flows", "destination=:443 tunnel=laptop-17"})), std::vector{web});
  EXPECT_EQ(json_of({"flows", "tenant=umbrella"}), json::array());
}

TEST_F(FlowctlTest, FlowsAreSortedByAnyColumnAndEqualOnesByTheirIds) {
  const auto add = [&](const std::string& source, std::uint64_t up, flows::FlowState state) {
    return gateway_.add_flow(source, "10.0.0.9:1", [&](flows::Flow& flow) {
      flow.up.bytes = up;
      flow.state = state;
    });
  };
  const auto one = add("10.0.0.10:1", 5, flows::FlowState::kClosing);
  const auto two = add("10.0.0.9:7", 7, flows::FlowState::kEstablished);
  const auto three = add("10.0.0.9:5", 5, flows::FlowState::kClosing);
  const auto sorted = [&](const std::string& key) {
    return ids_of(json_of({"flows", "--sort", key}));
  };
  EXPECT_EQ(sorted("id"), (std::vector{one, two, three}));
  EXPECT_EQ(sorted("up"), (std::vector{two, one, three}));
  EXPECT_EQ(sorted("source"), (std::vector{three, two, one}));  // by number, not by text
  EXPECT_EQ(sorted("state"), (std::vector{two, one, three}));
  EXPECT_EQ(sorted("tenant"), (std::vector{one, two, three}));
  EXPECT_THAT(run_here({"flows", "--sort", "colour"}).error,
              HasSubstr("--sort 'colour' is not one of id, tenant, tunnel"));
  for (const std::string_view key : flow_order_names()) {
    EXPECT_EQ(sorted(std::string(key)).size(), 3U) << key;
  }
}

TEST_F(FlowctlTest, BadFilterIsWrongUsage) {
  const Result result = run_here({"flows", "tennant=acme"});
  EXPECT_EQ(result.status, ExitStatus::kUsage);
  EXPECT_THAT(result.error, HasSubstr("unknown key 'tennant'; known: tenant, tunnel"));
}

TEST_F(FlowctlTest, NumbersWithoutNamesAreShownAsNumbers) {
  gateway_.add_flow("10.0.0.1:1", "10.0.0.2:1", [](flows::Flow& flow) {
    flow.tunnel = 99;  // has closed since
    flow.rule = flows::kDefaultRule;
  });
  const json flow = json_of({"flows"}).at(0);
  EXPECT_EQ(flow.at("tunnel"), "#99");
  EXPECT_EQ(flow.at("rule"), "default");
  EXPECT_EQ(flow.at("upstream"), nullptr);
}

TEST_F(FlowctlTest, FlowsAsTextLineUp) {
  gateway_.add_flow("10.0.0.1:1", "10.0.0.2:1", [](flows::Flow& flow) { flow.up.bytes = 1536; });
  const Result result = run_here({"flows"});
  EXPECT_THAT(result.text,
              testing::MatchesRegex("ID  TENANT  TUNNEL     PROTOCOL  SOURCE      DESTINATION .*\n"
                                    " 1  acme    laptop-17  tcp       10.0.0.1:1  10.0.0.2:1 .*"
                                    " 1.5 KiB   0 B  -\n"));
}

TEST_F(FlowctlTest, NothingIsSaidInWords) {
  EXPECT_EQ(run_here({"flows"}).text, "There are no flows.\n");
  EXPECT_EQ(run_here({"flows", "tenant=acme"}).text, "No flow matches the filter.\n");
  EXPECT_EQ(run_here({"drops"}).text, "Nothing was dropped, and no tunnel was refused.\n");
  EXPECT_EQ(json_of({"flows"}), json::array());
  gateway_.state.tunnels.clear();
  gateway_.state.tenants.clear();
  EXPECT_EQ(run_here({"tunnels"}).text, "No tunnel is open.\n");
  EXPECT_EQ(run_here({"tenants"}).text, "There are no tenants.\n");
  EXPECT_EQ(json_of({"tunnels"}), json::array());
}

TEST_F(FlowctlTest, OneFlowIsShownWhole) {
  const auto id = gateway_.add_flow("10.0.0.1:1", "10.0.0.2:1");
  const std::string text = std::to_string(id);

  json one = json_of({"flow", text});
  json listed = json_of({"flows"}).at(0);
  for (const char* passing : {"age_ms", "idle_ms"}) {
    EXPECT_EQ(one.erase(passing), 1u);
    EXPECT_EQ(listed.erase(passing), 1u);
  }
  EXPECT_EQ(one.at("bandwidths"),
            json::array());  // of one flow only: the list does not ask its shard
  one.erase("bandwidths");
  EXPECT_EQ(one, listed);
}

TEST_F(FlowctlTest, OneFlowAsTextIsAListOfFacts) {
  const auto id = gateway_.add_flow("10.0.0.1:1", "10.0.0.2:1");
  EXPECT_THAT(run_here({"flow", std::to_string(id)}).text,
              testing::AllOf(HasSubstr("id           1\n"), HasSubstr("source       10.0.0.1:1\n"),
                             HasSubstr("upstream     none\n")));
}

TEST_F(FlowctlTest, UnknownFlowFails) {
  for (const char* command : {"flow", "kill"}) {
    const Result result = run_here({command, "99"});
    EXPECT_EQ(result.status, ExitStatus::kFailed);
    EXPECT_EQ(result.error, "no flow has the id 99");
  }
}

TEST_F(FlowctlTest, KillEndsTheFlow) {
  const auto id = gateway_.add_flow("10.0.0.1:1", "10.0.0.2:1");
  const auto other = gateway_.add_flow("10.0.0.1:2", "10.0.0.2:1");
  EXPECT_EQ(run_here({"kill", std::to_string(id)}).text,
            "Flow " + std::to_string(id) + " was killed.\n");
  EXPECT_EQ(ids_of(json_of({"flows"})), std::vector{other});
}

TEST_F(FlowctlTest, DropsAreThoseThatHappenedUnlessAllAreAskedFor) {
  gateway_.state.drops = {{.name = "no_flow", .meaning = "a flow we do not know", .count = 5},
                          {.name = "empty", .meaning = "no byte at all", .count = 0}};
  gateway_.state.refusals = {{.name = "not_json", .meaning = "not JSON", .count = 1}};
  EXPECT_EQ(run_here({"drops"}).text,
            "COUNT  OF      REASON    MEANING\n"
            "    5  packet  no_flow   a flow we do not know\n"
            "    1  tunnel  not_json  not JSON\n");
  EXPECT_THAT(run_here({"drops", "--all"}).text, HasSubstr("    0  packet  empty     no byte at"));
  EXPECT_EQ(json_of({"drops"}).size(), 3u);
}

TEST_F(FlowctlTest, TunnelsShowAddressesAndLabels) {
  auto& tunnel = gateway_.state.tunnels[0];
  EXPECT_THAT(run_here({"tunnels"}).text, HasSubstr(" any "));
  tunnel.addresses = {*base::IpPrefix::parse("10.0.0.1/32"), *base::IpPrefix::parse("fd00::/8"),
                      *base::IpPrefix::parse("10.0.0.2/32")};
  tunnel.labels = {{"user", "alice"}, {"site", "b"}};
  EXPECT_THAT(run_here({"tunnels"}).text,
              testing::AllOf(HasSubstr("10.0.0.1/32, fd00::/8 and 1 more"),
                             HasSubstr("site=b user=alice")));
  EXPECT_EQ(json_of({"tunnels"}).at(0).at("addresses").size(), 3u);
}

TEST_F(FlowctlTest, TenantsNatAndStatsAreShown) {
  gateway_.state.tenants[0].flows = 3;
  gateway_.state.tenants[0].max_flows = 100;
  gateway_.state.nat.claimed = 7;
  gateway_.state.nat.capacity = 1000;
  gateway_.state.stats.relayed_up_bytes = 2048;
  EXPECT_THAT(run_here({"tenants"}).text, HasSubstr("3 of 100"));
  EXPECT_THAT(run_here({"nat"}).text, HasSubstr("slots claimed  7 of 1000\n"));
  EXPECT_THAT(run_here({"stats"}).text, HasSubstr("relayed up          2.0 KiB\n"));
  EXPECT_EQ(json_of({"tenants"}).at(0).at("flows"), 3);
  EXPECT_EQ(json_of({"nat"}).at("claimed"), 7);
  EXPECT_EQ(json_of({"stats"}).at("relayed_up_bytes"), 2048);
}

TEST_F(FlowctlTest, TenantThatDoesNotExistIsSaid) {
  EXPECT_EQ(run_here({"flows", "tenant=nope"}).text,
            "No flow matches the filter: there is no tenant 'nope' (there is: acme, umbrella).\n");
  EXPECT_EQ(run_here({"flows", "tenant=acme"}).text, "No flow matches the filter.\n");
  EXPECT_EQ(json_of({"flows", "tenant=nope"}), json::array());
}

TEST(StatsFact, CountersChangePerSecondAndGaugesSinceTheLastTime) {
  using Kind = StatsFact::Kind;
  const auto change = [](Kind kind, std::uint64_t before, std::uint64_t now) {
    return change_text({"x", "", kind, now}, {"x", "", kind, before}, 2);
  };
  EXPECT_EQ(change(Kind::kCounter, 5, 25), "+10/s");
  EXPECT_EQ(change(Kind::kBytes, 0, 4'096), "+2.0 KiB/s");
  EXPECT_EQ(change(Kind::kGauge, 5, 25), "+20");
  EXPECT_EQ(change(Kind::kGauge, 25, 5), "-20");
  EXPECT_EQ(change(Kind::kGauge, 5, 5), "");
  EXPECT_EQ(change(Kind::kText, 5, 6), "");
  EXPECT_EQ(change(Kind::kCounter, 25, 5), "") << "the gateway began anew";
}

TEST_F(FlowctlTest, NamesCannotWriteToTheTerminal) {
  gateway_.state.rules = {"web\x1b[2J"};
  gateway_.add_flow("10.0.0.1:1", "10.0.0.2:1");
  const Result result = run_here({"flows"});
  EXPECT_EQ(result.text.find('\x1b'), std::string::npos);
  EXPECT_THAT(result.text, HasSubstr("web?[2J"));
}

// Nobody serves at the default path; a `liftgate run` may have its socket beside it.
class FlowctlWithoutADaemon : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("LIFTGATE_SOCKET");
    ::setenv("XDG_RUNTIME_DIR", directory_.path().c_str(), 1);
  }
  void TearDown() override { ::unsetenv("XDG_RUNTIME_DIR"); }
  std::string beside(const std::string& name) { return directory_.file("liftgate/" + name); }

  TempDirectory directory_;
};

TEST_F(FlowctlWithoutADaemon, SaysWhereItLookedAndHowToStartOne) {
  const Result result = flowctl({"flows"});
  EXPECT_EQ(result.status, ExitStatus::kNoGateway);
  EXPECT_EQ(result.error,
            "no liftgate answers (connect " + beside("control.sock") +
                ": No such file or directory)\nStart one with `liftgate serve` or `liftgate run "
                "-- COMMAND`, or name its socket with --socket PATH or $LIFTGATE_SOCKET.");
}

TEST_F(FlowctlWithoutADaemon, TakesTheOneRunThatAnswers) {
  const ServedGateway run(beside("run-17.sock"));
  std::ofstream(beside("run-18.sock")) << "no socket, so not alive";
  EXPECT_EQ(flowctl({"flows"}).text, "There are no flows.\n");
}

TEST_F(FlowctlWithoutADaemon, AsksWhichOfSeveralRuns) {
  const ServedGateway one(beside("run-17.sock"));
  const ServedGateway another(beside("run-18.sock"));
  const Result result = flowctl({"flows"});
  EXPECT_EQ(result.status, ExitStatus::kNoGateway);
  EXPECT_EQ(result.error, "several `liftgate run` answer; choose one with --socket:\n  " +
                              beside("run-17.sock") + "\n  " + beside("run-18.sock"));
}

TEST_F(FlowctlWithoutADaemon, NamedSocketIsTheOnlyOneTried) {
  const ServedGateway run(beside("run-17.sock"));
  EXPECT_EQ(flowctl({"--socket", beside("control.sock"), "flows"}).status, ExitStatus::kNoGateway);
  ::setenv("LIFTGATE_SOCKET", beside("control.sock").c_str(), 1);
  EXPECT_EQ(flowctl({"flows"}).status, ExitStatus::kNoGateway);
  ::unsetenv("LIFTGATE_SOCKET");
}

}  // namespace
}  // namespace flowctl
