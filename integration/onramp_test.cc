// Who may open a tunnel, and what those hear who may not.
//
//     the test ==SEQPACKET: a context==> gateway

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/must.h"
#include "integration/support/servers.h"
#include "integration/support/tunnel_connection.h"

namespace integration {
namespace {

std::uint64_t refusals(const GatewayProcess& gateway, const std::string& reason) {
  const Finished finished = gateway.run_flowctl({"--json", "drops"});
  for (const auto& entry : nlohmann::json::parse(finished.out)) {
    if (entry.at("name") == reason) {
      return entry.at("count");
    }
  }
  return 0;
}

class Onramp : public testing::Test {
 protected:
  // The context is refused with a message that holds `message`, and counted as `reason`.
  void expect_refused(const std::string& context, const std::string& reason,
                      const std::string& message) {
    const std::uint64_t before = refusals(gateway_, reason);
    const TunnelConnection tunnel(gateway_.onramp());
    ASSERT_TRUE(tunnel.send(context));
    const auto reply = tunnel.receive_reply();
    if (!message.empty()) {
      ASSERT_TRUE(reply.is_object()) << reason << " was not answered";
      EXPECT_EQ(reply.at("ok"), false);
      EXPECT_NE(reply.at("error").get<std::string>().find(message), std::string::npos) << reply;
    }
    EXPECT_TRUE(tunnel.is_closed_by_gateway());
    EXPECT_TRUE(eventually([&] { return refusals(gateway_, reason) == before + 1; }, 5s)) << reason;
  }

  GatewayProcess gateway_{
      {.onramps = "- seqpacket: {path: '{dir}/onramp.sock', context_timeout: 300ms}"}};
};

TEST_F(Onramp, ContextsThatMakeNoSenseAreRefusedEachWithItsReason) {
  expect_refused("not json", "not_json", "");
  expect_refused(R"({"tenant":"acme","reply":true)", "not_json", "");  // half a context
  expect_refused("[1]", "not_an_object", "");
  expect_refused(R"({"reply":true})", "missing_tenant", "tenant");
  expect_refused(R"({"reply":true,"tenant":"nobody"})", "unknown_tenant", "nobody");
  expect_refused(R"({"reply":true,"tenant":"acme","colour":"red"})", "unknown_key", "colour");
  expect_refused(R"({"reply":true,"tenant":"acme","version":9})", "unknown_version", "version");
  expect_refused(R"({"reply":true,"tenant":"acme","mtu":"big"})", "bad_field", "mtu");
  expect_refused(R"({"reply":true,"tenant":"acme","addresses":["10.0.0.300"]})", "bad_address",
                 "10.0.0.300");
  expect_refused(R"({"reply":true,"tenant":"acme","addresses":["8.8.8.8/32"]})",
                 "address_not_allowed", "8.8.8.8");
  expect_refused(R"({"tenant":"acme","name":")" + std::string(17'000, 'x') + "\"}", "too_long", "");
}

TEST_F(Onramp, SilentClientsTimeOutAndDelayNobody) {
  std::vector<TunnelConnection> silent;
  for (int i = 0; i < 100; ++i) {
    silent.emplace_back(gateway_.onramp());
  }
  const TunnelConnection good = TunnelConnection::open(gateway_.onramp());
  EXPECT_EQ(good.reply().at("ok"), true);
  EXPECT_FALSE(silent.front().receive());  // not even why: it has not asked for an answer
  EXPECT_TRUE(silent.front().is_closed_by_gateway());
  EXPECT_TRUE(eventually([&] { return refusals(gateway_, "timeout") == 100; }));
}

TEST_F(Onramp, TunnelsAreShownAsTheyDescribedThemselves) {
  const TunnelConnection tunnel = TunnelConnection::open(
      gateway_.onramp(), {.name = "laptop-17", .mtu = 1'300, .labels = {{"user", "alice"}}});
  EXPECT_EQ(tunnel.reply().at("mtu"), 1'300);
  ASSERT_TRUE(eventually([&] { return gateway_.flowctl({"tunnels"}).size() == 1; }));
  const auto shown = gateway_.flowctl({"tunnels"}).at(0);
  EXPECT_EQ(shown.at("id"), tunnel.reply().at("tunnel"));
  EXPECT_EQ(shown.at("name"), "laptop-17");
  EXPECT_EQ(shown.at("tenant"), "acme");
  EXPECT_EQ(shown.at("labels").at("user"), "alice");
}

// They kept everybody else out until they timed out.
TEST(SilentClients, MakeRoomForOneThatSpeaks) {
  rlimit files{};
  must_call(::getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
  files.rlim_cur = files.rlim_max;
  must_call(::setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
  const GatewayProcess gateway(
      {.onramps = "- seqpacket: {path: '{dir}/onramp.sock', context_timeout: 10m}"});
  constexpr std::size_t kPlaces = 1024;
  std::vector<TunnelConnection> silent;
  for (std::size_t i = 0; i < kPlaces + 50; ++i) {
    silent.emplace_back(gateway.onramp());
  }
  EXPECT_EQ(TunnelConnection::open(gateway.onramp()).reply().value("ok", false), true);
  EXPECT_TRUE(silent.front().is_closed_by_gateway());
  EXPECT_EQ(refusals(gateway, "timeout"), 51U);
}

TEST(OnrampPermission, UidThatMayNotSpeakForTheTenantIsRefused) {
  GatewayProcess gateway({.onramps = "- seqpacket: {path: '{dir}/onramp.sock', "
                                     "allow: [{uid: 4242, tenants: [acme]}]}"});
  const TunnelConnection tunnel(gateway.onramp());
  ASSERT_TRUE(tunnel.send(std::string(R"({"tenant":"acme","reply":true})")));
  const auto reply = tunnel.receive_reply();
  ASSERT_TRUE(reply.is_object());
  EXPECT_NE(reply.at("error").get<std::string>().find(std::to_string(::geteuid())),
            std::string::npos);
  EXPECT_TRUE(eventually([&] { return refusals(gateway, "uid_not_allowed") == 1; }));
}

// The gateway itself: nothing that it runs with is worth having.
TEST(Privilege, GatewayAndHelperHaveNoneAndTheSandboxIsAnotherNetwork) {
  GatewayProcess gateway;
  const auto helpers = gateway.children();
  ASSERT_EQ(helpers.size(), 1U);
  for (const pid_t pid : {gateway.pid(), helpers.front()}) {
    const Finished status =
        run({"sh", "-c", "cat /proc/" + std::to_string(pid) + "/task/*/status"});
    for (const auto* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
      EXPECT_NE(status.out.find(std::string(set) + ":\t0000000000000000"), std::string::npos);
      const Finished others =
          run({"sh", "-c",
               "grep -h '^" + std::string(set) + "' /proc/" + std::to_string(pid) +
                   "/task/*/status | grep -v 0000000000000000"});
      EXPECT_EQ(others.out, "") << set;
    }
    EXPECT_EQ(status.out.find("Uid:\t0\t"), std::string::npos);
  }
  const auto link = [](pid_t pid, const std::string& kind) {
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/" + kind).string();
  };
  EXPECT_NE(link(gateway.pid(), "net"), link(helpers.front(), "net"));
  EXPECT_NE(link(gateway.pid(), "user"), link(helpers.front(), "user"));
}

}  // namespace
}  // namespace integration
