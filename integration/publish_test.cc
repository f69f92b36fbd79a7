// `liftgate run --publish`: programs on the host reach a server in the command's network.
//
//     curl, sockets of the test            liftgate run --publish 0:8080 -- socat ...
//       at 192.0.2.3, ::1 ...  ==TCP==> 0.0.0.0, [::] : port
//                                             gateway ==TUN==> 198.18.255.2, fd6c:6966:7467:1::2
//
// The host's port is the kernel's choice; those inside are in a network where nobody else is.

#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/must.h"
#include "integration/support/program.h"
#include "integration/support/servers.h"
#include "integration/support/tcp_connection.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

using testing::HasSubstr;

constexpr auto kLong = 100s;
constexpr auto kInside = "8080";

// A command that runs with one port published.
class Published {
 public:
  Published(const std::string& protocol, const Program::Words& command)
      : program_(Program::start(words(protocol, command),
                                {.environment = {"LIFTGATE_SOCKET=" + file("control.sock")}})) {
    static const std::regex kPort(R"(published 0\.0\.0\.0:([0-9]+)/)");
    std::smatch match;
    std::string said;
    const bool ready = eventually([&] {
      said = program_.err();
      return std::regex_search(said, match, kPort) || !program_.is_running();
    });
    if (!ready || match.empty()) {
      give_up("nothing was published: " + said);
    }
    port_ = static_cast<std::uint16_t>(std::stoi(match[1]));
  }
  ~Published() {
    if (program_.is_running()) {
      program_.signal(SIGTERM);
    }
    (void)program_.wait();
  }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  [[nodiscard]] base::Endpoint at(const std::string& host) const {
    return {address(host), base::Port{port_}};
  }
  [[nodiscard]] std::vector<nlohmann::json> audit() const {
    std::vector<nlohmann::json> lines;
    std::ifstream log(file("flows.jsonl"));
    for (std::string line; std::getline(log, line);) {
      lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
  }
  [[nodiscard]] nlohmann::json flowctl(const Program::Words& words) const {
    Program::Words all{flowctl_program(), "--socket", file("control.sock"), "--json"};
    all.insert(all.end(), words.begin(), words.end());
    const Finished finished = run(all);
    return finished.out.empty() ? nlohmann::json() : nlohmann::json::parse(finished.out);
  }
  /// Once the command has said so.
  const Published& when_ready() const {
    if (!eventually([&] { return program_.out().find("ready\n") != std::string::npos; })) {
      give_up("no server came up");
    }
    return *this;
  }

 private:
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.file(name); }
  [[nodiscard]] Program::Words words(const std::string& protocol,
                                     const Program::Words& command) const {
    Program::Words all{liftgate_program(),
                       "run",
                       "--audit",
                       file("flows.jsonl"),
                       "--publish",
                       "0:" + std::string(kInside) + "/" + protocol,
                       "--"};
    all.insert(all.end(), command.begin(), command.end());
    return all;
  }

  test_support::TempDirectory directory_;
  Program program_;
  std::uint16_t port_ = 0;
};

// Clients on the host, and who the server sees: the client as it is, or the gateway where that
// means nothing inside.
const std::vector<std::pair<std::string, std::string>> kClients = {
    {"192.0.2.3", "192.0.2.3"},
    {"127.0.0.1", "198.18.255.1"},
    {"2001:db8::3", "[2001:0db8:0000:0000:0000:0000:0000:0003]"},
    {"::1", "[fd6c:6966:7467:0001:0000:0000:0000:0001]"}};

// A server of both families inside, with `serve` at the other end of each connection. Says "ready".
Program::Words tcp_server(const std::string& serve) {
  const std::string listen = std::string(kInside) + ",fork,reuseaddr,backlog=1000";
  return {"sh", "-c",
          "export SERVE=\"$0\"; socat TCP4-LISTEN:" + listen +
              " 'SYSTEM:eval $SERVE' & a=$!; socat TCP6-LISTEN:" + listen +
              ",ipv6only=1 'SYSTEM:eval $SERVE' & b=$!; trap \"kill $a $b\" TERM; "
              "until [ $(ss -Hltn sport = :" +
              kInside +
              " | wc -l) = 2 ]; do :; done; "
              "echo ready; wait",
          serve};
}

// The same stream at both ends, cheap to make and to check.
std::string stream(std::uint64_t bytes) {
  return "yes 'liftgate carries this' | head -c " + std::to_string(bytes);
}

TEST(Publish, CurlFromTheHostReachesTheCommandAtEveryAddress) {
  const Published published("tcp", tcp_server(R"(read -r _; printf 'HTTP/1.0 200 OK\r\n\r\n'; )"
                                              R"(echo hello $SOCAT_PEERADDR)"));
  published.when_ready();
  for (const auto& [host, seen] : kClients) {
    const Finished finished = run({"curl", "-sS", "-g", url_of(published.at(host))});
    EXPECT_EQ(finished.out, "hello " + seen + "\n") << finished;
  }
}

// Of this network, which is the test's own: the kernel would choose no three in a row.
TEST(Publish, PortsOfARangeLeadToThoseOfTheOther) {
  const test_support::TempDirectory directory;
  const Program published = Program::start(
      {liftgate_program(), "run", "-p", "7001-7003:8001-8003", "--", "sh", "-c",
       "for p in 8001 8002 8003; do socat TCP4-LISTEN:$p,fork,reuseaddr \"SYSTEM:echo $p\" & done; "
       "until [ $(ss -Hltn sport ge :8001 and sport le :8003 | wc -l) = 3 ]; do :; done; "
       "echo ready; wait"},
      {.environment = {"LIFTGATE_SOCKET=" + directory.file("control.sock")}});
  ASSERT_TRUE(eventually([&] { return published.out() == "ready\n"; })) << published.err();
  for (const int n : {1, 2, 3}) {
    const auto port = static_cast<std::uint16_t>(7000 + n);
    TcpConnection connection = TcpConnection::connect({address("192.0.2.3"), base::Port{port}});
    EXPECT_EQ(connection.receive(5), "800" + std::to_string(n) + "\n");
  }
  EXPECT_EQ(published.err(), "") << "the user has chosen them";
  published.signal(SIGTERM);
}

TEST(Publish, ManyBytesArriveAsTheyWereBothWays) {
  constexpr std::uint64_t kBytes = 300'000'000;
  const std::string wanted = run({"sh", "-c", stream(kBytes) + " | sha256sum"}, kLong).out;
  const Published upload("tcp", tcp_server("sha256sum"));
  const Published download("tcp", tcp_server(stream(kBytes)));
  for (const char* host : {"192.0.2.3", "::1"}) {
    const std::string up = upload.when_ready().at(host).to_string();
    const Finished sent = run({"sh", "-c", stream(kBytes) + " | socat -t 60 - TCP:" + up}, kLong);
    EXPECT_EQ(sent.out, wanted) << sent;
    const std::string down = download.when_ready().at(host).to_string();
    const Finished got = run({"sh", "-c", "socat -u TCP:" + down + " - | sha256sum"}, kLong);
    EXPECT_EQ(got.out, wanted) << got;
  }
}

TEST(Publish, HalfClosedConnectionStaysOpenTheOtherWay) {
  const Published published("tcp", tcp_server("cat; echo end"));
  TcpConnection connection = TcpConnection::connect(published.when_ready().at("127.0.0.1"));
  connection.send("question ");
  connection.finish_sending();
  EXPECT_EQ(connection.receive_all(), "question end\n");
}

TEST(Publish, NobodyListensInsideIsAReset) {
  const Published published("tcp", {"sleep", "1000"});
  for (const char* host : {"192.0.2.3", "127.0.0.1", "::1"}) {
    EXPECT_EQ(end_of_new_connection(published.at(host)), End::kReset) << host;
  }
  EXPECT_TRUE(eventually([&] {
    const auto lines = published.audit();
    return std::ranges::count_if(lines, [](const auto& line) {
             return line.at("event") == "flow_end" && line.at("reason") == "refused" &&
                    line.at("action") == "downgrade";
           }) == 3;
  }));
}

// As on any other machine: its loopback is its own.
TEST(Publish, ServerOnTheCommandsLoopbackIsNotReached) {
  const Published published(
      "tcp", {"sh", "-c",
              "socat TCP4-LISTEN:8080,bind=127.0.0.1,fork EXEC:cat & a=$!; trap \"kill $a\" TERM; "
              "until ss -Hltn | grep -q 127.0.0.1:8080; do :; done; echo ready; wait"});
  published.when_ready();
  EXPECT_EQ(end_of_new_connection(published.at("192.0.2.3")), End::kReset);
}

TEST(Publish, ConnectionIsOneFlowOfTheClientAndCanBeKilled) {
  const Published published("tcp", tcp_server("cat"));
  TcpConnection connection = TcpConnection::connect(published.when_ready().at("192.0.2.3"));
  connection.send("x");
  EXPECT_EQ(connection.receive(1), "x");

  const auto flows = published.flowctl({"flows"});
  ASSERT_EQ(flows.size(), 1U);
  EXPECT_EQ(flows[0].at("action"), "downgrade");
  EXPECT_EQ(flows[0].at("state"), "established");
  EXPECT_EQ(flows[0].at("source"), connection.local().to_string());
  EXPECT_EQ(flows[0].at("destination"), "198.18.255.2:8080");
  EXPECT_FALSE(flows[0].contains("then"));
  EXPECT_GE(flows[0].at("up").at("packets"), 3) << "SYN, ACK, data";
  EXPECT_GE(flows[0].at("down").at("packets"), 2) << "SYN with ACK, data";

  (void)published.flowctl({"kill", flows[0].at("id").dump()});

  EXPECT_EQ(connection.wait_for_end(), End::kReset);
  EXPECT_TRUE(eventually([&] {
    const auto lines = published.audit();
    return lines.size() == 2 && lines[1].at("reason") == "killed";
  }));
}

TEST(Publish, DatagramsFromTheHostReachTheCommandAtEveryAddress) {
  const Published published(
      "udp", {"sh", "-c",
              "socat UDP4-RECVFROM:8080,fork 'SYSTEM:cat; echo $SOCAT_PEERADDR' & a=$!; "
              "socat UDP6-RECVFROM:8080,fork,ipv6only=1 'SYSTEM:cat; echo $SOCAT_PEERADDR' & b=$!; "
              "trap \"kill $a $b\" TERM; "
              "until [ $(ss -Hlun sport = :8080 | wc -l) = 2 ]; do :; done; echo ready; wait"});
  published.when_ready();
  for (const auto& [host, seen] : kClients) {
    Program client =
        Program::start({"socat", "-t", "15", "-", "UDP:" + published.at(host).to_string()},
                       {.keep_input_open = true});
    client.type("hello ");
    EXPECT_TRUE(eventually([&] { return client.out() == "hello " + seen + "\n"; }))
        << host << ": " << client.out() << client.err();
  }
}

TEST(Publish, PortInUseIsSaidWithTheCureBeforeTheCommandStarts) {
  for (const char* taken : {"0.0.0.0", "::"}) {
    const TcpServer other = TcpServer::echo(taken);
    const std::string port = std::to_string(other.port());
    const Finished finished =
        run({liftgate_program(), "run", "--publish", port + ":80", "--", "echo", "started"});
    EXPECT_EQ(finished.status, 1) << finished;
    EXPECT_EQ(finished.out, "");
    EXPECT_THAT(finished.err, HasSubstr(":" + port +
                                        "/tcp: Address already in use. Publish "
                                        "another port, or end the program"));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  }
}

}  // namespace
}  // namespace integration
