// The apps of examples/, built from outside the tree against the installed library, each as the
// gateway in front of real programs.
//
//     [client 100.64.0.2] ==SEQPACKET== an app, which is a gateway ==== servers, or another tunnel

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/resolver.h"
#include "integration/support/servers.h"
#include "integration/support/udp_client.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kThere4 = "100.64.0.3";

class Examples : public testing::Test {
 protected:
  // CTest builds them first (cmake/examples.cmake).
  void SetUp() override {
    if (!std::filesystem::exists(app("tarpit"))) {
      ASSERT_EQ(std::getenv("LIFTGATE_REQUIRE_SANDBOX"), nullptr) << "the examples are not built";
      GTEST_SKIP() << "the examples are not built: ctest --test-dir BUILD -R examples";
    }
  }
  static std::string app(const std::string& name) {
    const char* folder = std::getenv("LIFTGATE_EXAMPLES");
    return std::string(folder != nullptr ? folder : LIFTGATE_EXAMPLES) + "/" + name;
  }
};

TEST(ExampleClient, SaysHowItIsCalled) {
  const Finished finished = run({"python3", LIFTGATE_SOURCE_ROOT "/examples/seqpacket_client.py"});
  EXPECT_EQ(finished.status, 1) << finished;
  EXPECT_THAT(finished.err, testing::MatchesRegex("usage: [^\n]* PATH-OF-ONRAMP ADDRESS PORT\n"));
}

TEST_F(Examples, PrivateGuardBlocksPrivatePrefixesUnlessALabelAllows) {
  const GatewayProcess gateway(
      {.more = "app: {prefixes: [192.0.2.0/24], value: \"yes\"}", .program = app("private_guard")});
  const TcpServer server = TcpServer::echo();
  const TcpServer elsewhere = TcpServer::echo(host::kServer6);
  const ClientNetwork plain(gateway.onramp(), {.name = "plain"});
  const ClientNetwork trusted(
      gateway.onramp(),
      {.name = "trusted", .addresses = {"100.64.0.3/32"}, .labels = {{"private", "yes"}}});
  EXPECT_EQ(plain.try_connect(server.endpoint()), std::errc::connection_refused);
  EXPECT_FALSE(plain.try_connect(elsewhere.endpoint()));
  EXPECT_FALSE(trusted.try_connect(server.endpoint()));

  const auto refused = gateway.flowctl({"flows", "tunnel=plain", "action=reject"});
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused.at(0).at("rule"), "hook");
  const auto allowed = gateway.flowctl({"flows", "tunnel=trusted"});
  EXPECT_EQ(allowed.at(0).at("rule"), "default");
}

TEST_F(Examples, SplitHorizonSaysWhatNamesMeanHere) {
  const Program resolver = start_resolver({"--address=/example.test/198.51.100.7"});
  const TcpServer server = TcpServer::echo(host::kServer6);
  const UdpServer echo = UdpServer::echo();
  const GatewayProcess gateway({.more = "app: {hosts: [www.example.test " +
                                        std::string(host::kServer4) + ", \"www.example.test " +
                                        host::kServer6 + "\"]}",
                                .program = app("split_horizon")});
  const ClientNetwork client(gateway.onramp());
  ASSERT_TRUE(looks_up(client, "www.example.test", "A", "198.51.100.7")) << resolver.err();
  const base::IpAddress outside = *base::IpAddress::parse("198.51.100.7");
  for (int i = 0; i < 2; ++i) {  // nobody listens at the other address, whose turn is one of them
    TcpConnection connection = client.connect({outside, server.endpoint().port});
    connection.send("x");
    EXPECT_EQ(connection.receive(1), "x");
  }
  const auto flows = gateway.flowctl({"flows", "protocol=tcp"});
  EXPECT_EQ(flows.at(0).at("upstream"), server.endpoint().to_string());
  const UdpClient udp(client);
  EXPECT_EQ(udp.ask({outside, echo.endpoint().port}, "x").from.address, outside);
}

TEST_F(Examples, PrivateGuardTakesOverItsSettingsWhenTheyAreReloaded) {
  const GatewayProcess gateway(
      {.more = "app: {prefixes: [192.0.2.0/24]}", .program = app("private_guard")});
  const TcpServer server = TcpServer::echo();
  const ClientNetwork client(gateway.onramp());
  EXPECT_EQ(client.try_connect(server.endpoint()), std::errc::connection_refused);

  const std::string path = gateway.file("config.yaml");
  std::ifstream before(path);
  std::string text{std::istreambuf_iterator<char>(before), {}};
  text.replace(text.find("192.0.2.0/24"), 12, "203.0.113.0/24");
  std::ofstream(path) << text;
  const auto reload = [&] {
    return run({app("private_guard"), "reload", "--socket", gateway.control()});
  };
  EXPECT_EQ(reload().status, 0);
  EXPECT_FALSE(client.try_connect(server.endpoint()));

  std::ofstream(path) << text << "\nlog: {level: debug}\n";  // twice
  EXPECT_EQ(reload().status, 1);
  EXPECT_FALSE(client.try_connect(server.endpoint()));
}

TEST_F(Examples, SshAuditorSaysWhatRealSshAgreesUpon) {
  const GatewayProcess gateway({.more = "app: {port: 2222}", .program = app("ssh_auditor")});
  const ClientNetwork here(gateway.onramp(), {.name = "here"});
  const ClientNetwork there(gateway.onramp(), {.name = "there", .addresses = {kThere4 + "/32"}});
  gateway.wait_for_tunnels(2);
  const test_support::TempDirectory directory;
  const auto file = [&](const std::string& name) { return directory.file(name); };
  for (const auto* key : {"host_key", "user_key"}) {
    ASSERT_EQ(run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file(key)}).status, 0);
  }
  std::filesystem::copy_file(file("user_key.pub"), file("authorized_keys"));
  std::ofstream(file("sshd_config"))
      << "HostKey " << file("host_key") << "\nAuthorizedKeysFile " << file("authorized_keys")
      << "\nStrictModes no\nUsePAM no\nPidFile none\n";
  const TcpServer server = TcpServer::program(
      {"/usr/sbin/sshd", "-i", "-e", "-f", file("sshd_config")}, there.listen(kThere4, 2222));
  const Finished session =
      here.run({"ssh", "-v", "-F", "none", "-i", file("user_key"), "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-p", "2222", kThere4,
                "head -c 3000000 /dev/zero; echo ${SSH_CLIENT%% *} >&2"},
               60s);
  ASSERT_EQ(session.status, 0) << session.err;
  EXPECT_EQ(session.out.size(), 3'000'000U);
  EXPECT_THAT(session.err, HasSubstr("100.64.0.2\n"));  // the server sees the client's own address

  const auto end = gateway.wait_for_audit("flow_end", 1).at(0);
  EXPECT_EQ(end.at("action"), "upgrade");
  EXPECT_EQ(end.at("then"), "downgrade");
  EXPECT_EQ(end.at("rule"), "hook");
  ASSERT_TRUE(
      eventually([&] { return gateway.log().find("ssh session over") != std::string::npos; }));
  const std::string log = gateway.log();
  const std::string line = log.substr(log.find("ssh session over"));
  // What ssh -v has seen itself.
  const auto said_by_ssh = [&](const std::string& before) {
    const std::size_t begin = session.err.find(before) + before.size();
    return session.err.substr(begin, session.err.find_first_of(" \r\n", begin) - begin);
  };
  EXPECT_THAT(line, HasSubstr("key_exchange=\"" + said_by_ssh("kex: algorithm: ") + "\""));
  EXPECT_THAT(line, HasSubstr("host_key=\"" + said_by_ssh("host key algorithm: ") + "\""));
  EXPECT_THAT(line, HasSubstr("cipher=\"" + said_by_ssh("client->server cipher: ") + "\""));
  EXPECT_THAT(line, HasSubstr("client=\"" + said_by_ssh("Local version string ")));
  EXPECT_THAT(line, HasSubstr("server=\"SSH-2.0-OpenSSH_"));
  EXPECT_THAT(line, HasSubstr("tenant=\"acme\""));
}

TEST_F(Examples, SshAuditorTakesWhatIsNoSshForNoneAndPassesItOn) {
  const GatewayProcess gateway(
      {.flows = kQuickTimeWait, .more = "app: {port: 2222}", .program = app("ssh_auditor")});
  const ClientNetwork here(gateway.onramp(), {.name = "here"});
  const ClientNetwork there(gateway.onramp(), {.name = "there", .addresses = {kThere4 + "/32"}});
  gateway.wait_for_tunnels(2);
  // Banners, and then key exchanges that lie about their lengths.
  for (const std::string& hostile :
       {std::string("GET / HTTP/1.0\n\n"), std::string(1000, 'x'), std::string("\n\0\0\0\0", 5),
        std::string("SSH-2.0-x\r\n\xff\xff\xff\xff\x14\x14", 17),
        std::string("SSH-2.0-x\r\n\0\0\0\x17\x05\x14", 17) + std::string(17, '\xff'),
        std::string("SSH-2.0-\"\x1b[31m\n\0\0\0\x18\x05\x14", 21) + std::string(40, '\0')}) {
    const TcpServer server = TcpServer::answer_after_end(there.listen(kThere4, 2222));
    TcpConnection connection = here.connect(*base::Endpoint::parse(kThere4 + ":2222"));
    connection.send(hostile);
    connection.finish_sending();
    EXPECT_EQ(connection.receive_all(), hostile);
    static_cast<void>(server.wait_for_connection(0));
  }
  EXPECT_EQ(gateway.wait_for_audit("flow_end", 6).size(), 6U);
  EXPECT_EQ(gateway.log().find('\x1b'), std::string::npos);
}

TEST_F(Examples, BillerWritesWhatTheAuditLogSays) {
  test_support::TempDirectory directory;
  const std::string bill = directory.file("bill.csv");
  std::uint64_t up = 0;
  std::uint64_t down = 0;
  {
    GatewayProcess gateway(
        {.flows = kQuickTimeWait, .more = "app: {path: '" + bill + "'}", .program = app("biller")});
    const ClientNetwork client(gateway.onramp());
    const TcpServer server = TcpServer::source(1'000'000);
    EXPECT_EQ(client.connect(server.endpoint()).receive_all().size(), 1'000'000U);
    const UdpServer echo = UdpServer::echo();
    UdpClient(client).send_to(echo.endpoint(), "hello");
    static_cast<void>(echo.wait_for_datagrams(1));
    static_cast<void>(gateway.wait_for_audit("flow_end", 1));
    gateway.stop();
    for (const auto& line : gateway.wait_for_audit("flow_end", 2)) {
      up += line.at("up").at("bytes").get<std::uint64_t>();
      down += line.at("down").at("bytes").get<std::uint64_t>();
    }
  }
  EXPECT_GT(down, 1'000'000U);
  std::ifstream file(bill);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, "tenant,flows,up_bytes,down_bytes\nacme,2," + std::to_string(up) + "," +
                      std::to_string(down) + "\n");
}

TEST_F(Examples, BillerDoesNotStartWhereItCannotWrite) {
  const Finished refused = run({"sh", "-c",
                                "echo 'app: {path: /no/such/folder/bill.csv}' > $0/c.yaml && "
                                "exec $1 serve --config $0/c.yaml",
                                test_support::TempDirectory().path(), app("biller")});
  EXPECT_NE(refused.status, 0);
}

TEST_F(Examples, TarpitHoldsWhoWalksIntoATrap) {
  const GatewayProcess gateway({.more = "app: {traps: [203.0.113.0/24], pause: 50ms, line: wait}",
                                .program = app("tarpit")});
  const TcpServer server = TcpServer::echo();
  const ClientNetwork client(gateway.onramp());
  TcpConnection held = client.connect(*base::Endpoint::parse(host::kSilent4 + ":22"));
  EXPECT_EQ(held.receive(15), "wait\nwait\nwait\n");
  EXPECT_EQ(gateway.flows().size(), 1U);

  TcpConnection other = client.connect(server.endpoint());
  other.send("x");
  EXPECT_EQ(other.receive(1), "x");
  // Who gives up is let go.
  held.close();
  EXPECT_TRUE(eventually([&] {
    return gateway.flowctl({"flows", "destination=203.0.113.0/24", "state=established"}).empty();
  }));
}

TEST_F(Examples, AreGatewaysWithEveryCommand) {
  const Finished version = run({app("tarpit"), "--version"});
  EXPECT_THAT(version.out, StartsWith("tarpit 1 (liftgate "));
  const Finished help = run({app("tarpit"), "--help"});
  EXPECT_THAT(help.out, HasSubstr("Usage: tarpit COMMAND"));
  EXPECT_EQ(help.out.find("liftgate"), std::string::npos);
  const Finished config = run({app("tarpit"), "config", "default"});
  EXPECT_THAT(config.out, HasSubstr("\napp:\n  # Where nobody has any business.\n  traps: []\n"));
  const auto table = nlohmann::json::parse(run({app("tarpit"), "hooks", "--json"}).out);
  for (const auto& hook : table.at("hooks")) {
    const std::string name = hook.at("name");
    EXPECT_EQ(hook.at("present"), name == "flow_decide" || name == "egress_decide") << name;
  }
  const Finished inside = run({app("private_guard"), "run", "--", "sh", "-c", "exit 7"});
  EXPECT_EQ(inside.status, 7) << inside.err;
}

}  // namespace
}  // namespace integration
