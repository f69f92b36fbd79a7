// Real programs over upgraded UDP: QUIC, STUN, iperf3.
//
//     gtlsclient, stun, iperf3 [client sandbox] --- SEQPACKET --- liftgate serve
//                                                                     |
//                          gtlsserver, stund, iperf3 -s on 192.0.2.1 (2), 2001:db8::1

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

using std::chrono_literals::operator""s;

std::string port_of(const base::Endpoint& endpoint) {
  return std::to_string(base::number(endpoint.port));
}

class UdpPeers : public testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] std::string family() const { return GetParam() == host::kServer4 ? "-4" : "-6"; }

  const base::Endpoint server_at_ = closed_port(GetParam());
  GatewayProcess gateway_;
  ClientNetwork client_{gateway_.onramp()};
};
INSTANTIATE_TEST_SUITE_P(Families, UdpPeers, testing::Values(host::kServer4, host::kServer6),
                         [](const auto& tested) {
                           return tested.param == host::kServer4 ? "IPv4" : "IPv6";
                         });

TEST_P(UdpPeers, AQuicClientDownloadsWithAnEqualDigest) {
  const test_support::TempDirectory directory;
  const auto file = [&](const std::string& name) { return directory.file(name); };
  std::filesystem::create_directory(file("served"));
  std::filesystem::create_directory(file("got"));
  ASSERT_EQ(run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file("key.pem"), "-out",
                 file("cert.pem"), "-subj", "/CN=quic.test", "-days", "2"})
                .status,
            0);
  ASSERT_EQ(
      run({"sh", "-c", "yes 'liftgate carries this' | head -c 5000000 > " + file("served/data")})
          .status,
      0);
  const Program server = Program::start({"/usr/sbin/gtlsserver", "-q", "-d", file("served"),
                                         server_at_.address.to_string(), port_of(server_at_),
                                         file("key.pem"), file("cert.pem")});
  const std::string url = "https://" + server_at_.to_string() + "/data";
  // Until the server listens, an attempt ends with its ICMP error.
  ASSERT_TRUE(eventually([&] {
    const Finished fetched = client_.run(
        {"gtlsclient", "-q", "--exit-on-all-streams-close", "--timeout=5s",
         "--download=" + file("got"), server_at_.address.to_string(), port_of(server_at_), url},
        30s);
    std::error_code missing;
    return fetched.status == 0 &&
           std::filesystem::file_size(file("got/data"), missing) == 5'000'000;
  })) << server.err();
  EXPECT_EQ(run({"cmp", file("served/data"), file("got/data")}).status, 0);

  const auto flows = gateway_.flowctl({"flows", "protocol=udp"});
  ASSERT_FALSE(flows.empty());
  EXPECT_GT(flows.back().at("down").at("bytes").get<std::uint64_t>(), 5'000'000U);
}

TEST_P(UdpPeers, Iperf3SendsBothWays) {
  const Program server = Program::start(
      {"iperf3", "-s", family(), "-B", server_at_.address.to_string(), "-p", port_of(server_at_)});
  for (const std::string way : {"--get-server-output", "--reverse"}) {
    Finished iperf;
    EXPECT_TRUE(eventually([&] {
      iperf =
          client_.run({"iperf3", "-c", server_at_.address.to_string(), "-p", port_of(server_at_),
                       family(), "-u", "-b", "10M", "-l", "1200", "-n", "1M", "--json", way},
                      30s);
      // With --json it ends with 0 although nobody listened yet.
      return iperf.status == 0 && iperf.out.find("\"error\"") == std::string::npos;
    })) << iperf;
    const auto sum = nlohmann::json::parse(iperf.out).at("end").at("sum");
    EXPECT_GT(sum.at("packets").get<int>(), 800) << iperf;
    EXPECT_LT(sum.at("lost_percent").get<double>(), 50.0) << iperf;
  }
}

struct Filter {
  std::string setting;
  std::string as_stun_says;
};

class StunPeer : public testing::TestWithParam<Filter> {};
INSTANTIATE_TEST_SUITE_P(
    Filters, StunPeer,
    testing::Values(Filter{"endpoint_independent", "Independent Mapping, Independent Filter"},
                    Filter{"address_dependent", "Independent Mapping, Address Dependent Filter"},
                    Filter{"address_and_port_dependent",
                           "Independent Mapping, Port Dependent Filter"}),
    [](const auto& tested) { return tested.param.setting; });

// Two addresses on a network of their own: to those of its own machine, the kernel speaks from each
// itself, so that a mapping to them looks dependent on the destination.
class StunServer {
 public:
  static constexpr auto kPrimary = "198.51.101.2";

  StunServer() {
    EXPECT_TRUE(eventually([&] { return server_.out() == "alone\n"; })) << server_.err();
    host::shape({"ip", "link", "add", "stun0", "type", "veth", "peer", "name", "stun1", "netns",
                 std::to_string(server_.pid())});
    host::shape({"ip", "addr", "add", "198.51.101.1/24", "dev", "stun0"});
    host::shape({"ip", "link", "set", "stun0", "up"});
    server_.type("go\n");
  }
  ~StunServer() { host::shape({"ip", "link", "delete", "stun0"}); }
  StunServer(const StunServer&) = delete;
  StunServer& operator=(const StunServer&) = delete;

  [[nodiscard]] std::string err() const { return server_.err(); }

 private:
  Program server_ = Program::start(
      {"unshare", "--net", "sh", "-c",
       "echo alone; read go; ip addr add 198.51.101.2/24 dev stun1; ip addr add 198.51.101.3/24 "
       "dev stun1; ip link set stun1 up; exec stund -h 198.51.101.2 -a 198.51.101.3"},
      {.keep_input_open = true, .as_network_admin = true});
};

TEST_P(StunPeer, ReportsTheConfiguredBehaviour) {
  const StunServer server;
  const GatewayProcess gateway({.more = "udp: {filter: " + GetParam().setting + "}\n"});
  const ClientNetwork client(gateway.onramp());

  std::string last;
  EXPECT_TRUE(eventually([&] {
    last = client.run({"stun", StunServer::kPrimary}, 60s).out;
    return last.find(GetParam().as_stun_says) != std::string::npos;
  })) << last
      << server.err();
}

}  // namespace
}  // namespace integration
