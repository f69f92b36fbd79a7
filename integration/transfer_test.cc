// Much data, many connections, and a real session: nothing is lost, doubled or moved.

#include <unistd.h>

#include <vector>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/servers.h"
#include "integration/support/ssh.h"

namespace integration {
namespace {

constexpr auto kLong = 100s;

struct Path {
  const char* name;
  std::string server;
  bool offload;
  std::uint64_t bytes;
  const char* settings = "";
};
constexpr auto kNothingFast =
    "io: {busy_poll: 0s, coalesce: false, tun_offload: false, udp_offload: false}";
const Path kPaths[] = {{"V4Offload", host::kServer4, true, 1ULL << 30U},
                       {"V6Offload", host::kServer6, true, 1ULL << 30U},
                       {"V4Mtu1400", host::kServer4, false, 200'000'000},
                       {"V6Mtu1400", host::kServer6, false, 200'000'000},
                       {"V4NothingFast", host::kServer4, true, 20'000'000, kNothingFast},
                       {"V6NothingFast", host::kServer6, false, 20'000'000, kNothingFast}};

class Transfer : public testing::TestWithParam<Path> {
 protected:
  GatewayProcess gateway_{{.more = GetParam().settings}};
  ClientNetwork client_{gateway_.onramp(), {.offload = GetParam().offload}};
};
void PrintTo(const Path& path, std::ostream* stream) {
  *stream << path.name;
}
INSTANTIATE_TEST_SUITE_P(Paths, Transfer, testing::ValuesIn(kPaths),
                         [](const auto& tested) { return tested.param.name; });

// A server that speaks just enough HTTP for curl, with `serve` at the other end of a shell.
TcpServer http(const std::string& serve, const std::string& address) {
  return TcpServer::program({"bash", "-c", serve}, address);
}
// Reads the request's head, byte by byte so that nothing behind it is taken.
constexpr auto kReadHead = R"(while IFS= read -r line && [ "$line" != $'\r' ]; do
  case "$line" in Content-Length:*) n=${line#*: }; n=${n%$'\r'};; esac; done; )";
// The same stream at both ends, cheap to make and to check.
std::string stream(std::uint64_t bytes) {
  return "yes 'liftgate carries this' | head -c " + std::to_string(bytes);
}

TEST_P(Transfer, CurlDownloadsWithEqualDigests) {
  const std::string bytes = std::to_string(GetParam().bytes);
  const TcpServer server =
      http(std::string(kReadHead) + R"(printf 'HTTP/1.1 200 OK\r\nContent-Length: )" + bytes +
               R"(\r\nConnection: close\r\n\r\n'; )" + stream(GetParam().bytes),
           GetParam().server);
  const Finished there = run({"sh", "-c", stream(GetParam().bytes) + " | sha256sum"}, kLong);
  const Finished here =
      client_.run({"sh", "-c", "curl -sS '" + url_of(server.endpoint()) + "' | sha256sum"}, kLong);
  EXPECT_EQ(here.out, there.out) << here;
}

TEST_P(Transfer, CurlUploadsWithEqualDigests) {
  const std::string bytes = std::to_string(GetParam().bytes);
  const TcpServer server = http(
      std::string(kReadHead) +
          R"(sum=$(head -c "$n" | sha256sum); )"
          R"(printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s\n' $((${#sum} + 1)) "$sum")",
      GetParam().server);
  const Finished there = run({"sh", "-c", stream(GetParam().bytes) + " | sha256sum"}, kLong);
  const Finished here =
      client_.run({"sh", "-c",
                   stream(GetParam().bytes) +
                       " | curl -sS -H 'Expect:' -H 'Transfer-Encoding:' -H "
                       "'Content-Length: " +
                       bytes + "' -X PUT -T - '" + url_of(server.endpoint(), "/x") + "'"},
                  kLong);
  EXPECT_EQ(here.out, there.out) << here;
}

TEST(Parallel, AThousandConnectionsEachGetTheirOwnBytesBack) {
  GatewayProcess gateway;
  ClientNetwork client(gateway.onramp(), {.offload = true});
  const TcpServer server = TcpServer::echo();
  std::vector<TcpConnection> connections;
  for (int i = 0; i < 1'000; ++i) {
    connections.push_back(client.connect(server.endpoint()));
  }
  const auto text = [](std::size_t i) {
    return std::string(1'000 + i, static_cast<char>('a' + i % 26)) + std::to_string(i);
  };
  for (std::size_t i = 0; i < connections.size(); ++i) {
    connections[i].send(text(i));
  }
  for (std::size_t i = 0; i < connections.size(); ++i) {
    EXPECT_EQ(connections[i].receive(text(i).size()), text(i)) << "connection " << i;
  }
}

TEST(Session, SshRunsAShellAndCarriesAFile) {
  const SshFiles ssh;
  const TcpServer server = TcpServer::program(ssh.server());
  GatewayProcess gateway;
  ClientNetwork client(gateway.onramp());
  const Finished session =
      client.run({"sh", "-c",
                  "head -c 20000000 /dev/zero | " + ssh.client(server.port()) + " " +
                      host::kServer4 + " 'echo hello from $(id -u); sha256sum'"},
                 60s);
  const Finished sum = run({"sh", "-c", "head -c 20000000 /dev/zero | sha256sum"});
  EXPECT_EQ(session.status, 0) << session;
  EXPECT_EQ(session.out, "hello from " + std::to_string(::getuid()) + "\n" + sum.out) << session;
}

}  // namespace
}  // namespace integration
