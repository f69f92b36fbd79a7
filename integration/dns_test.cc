// Large answers of a name server: over UDP as far as they fit, over TCP beyond.
//
//     dig [client, MTU 1400]==SEQPACKET== liftgate serve ==> dnsmasq on 192.0.2.9:53
//     dig [liftgate run, MTU 65520]======================>

#include <fstream>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/must.h"
#include "integration/support/resolver.h"
#include "integration/support/servers.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

// The strings of a TXT answer: 255 bytes each, no two alike.
std::string text_of(int i) {
  const std::string number = std::to_string(i);
  return number + std::string(255 - number.size(), 'x');
}

class LargeAnswers : public testing::Test {
 protected:
  // An answer of 12 + question + 11 (EDNS) + 268 bytes a record.
  static constexpr int kLarge = 6;      // some 1,650 bytes: beyond the 1232 that everybody allows
  static constexpr int kHuge = 15;      // some 4,060: just what +bufsize=4096 asks for
  static constexpr int kEnormous = 40;  // some 10,700: never over UDP

  static Program start_resolver() {
    Program::Words records = {"--edns-packet-max=4096", "--address=/named.test/" + host::kServer4};
    for (const auto& [name, count] :
         {std::pair{"large.test", kLarge}, {"huge.test", kHuge}, {"enormous.test", kEnormous}}) {
      for (int i = 0; i < count; ++i) {
        records.push_back(std::string("--txt-record=") + name + "," + text_of(i));
      }
    }
    Program dnsmasq = integration::start_resolver(records);
    if (!eventually([&] { return run(dig("named.test", "A")).status == 0; })) {
      give_up("dnsmasq: " + dnsmasq.err());
    }
    return dnsmasq;
  }

  // Of the server that /etc/resolv.conf names.
  static Program::Words dig(const std::string& name, const std::string& type,
                            const Program::Words& options = {"+notcp", "+bufsize=4096"}) {
    Program::Words words = {"dig", "+tries=2", "+time=5", name, type};
    words.insert(words.end(), options.begin(), options.end());
    return words;
  }

  static void expect_answer(const Finished& dig, int strings, const std::string& transport) {
    EXPECT_EQ(dig.status, 0) << dig;
    EXPECT_NE(dig.out.find("status: NOERROR"), std::string::npos) << dig;
    EXPECT_NE(dig.out.find("ANSWER: " + std::to_string(strings) + ","), std::string::npos) << dig;
    EXPECT_NE(dig.out.find("(" + transport + ")"), std::string::npos) << dig;
    for (int i = 0; i < strings; ++i) {
      EXPECT_NE(dig.out.find('"' + text_of(i) + '"'), std::string::npos) << i;
    }
  }
  static int size_of(const Finished& dig) {
    const std::string before = "MSG SIZE  rcvd: ";
    const auto at = dig.out.find(before);
    return at == std::string::npos ? 0 : std::stoi(dig.out.substr(at + before.size()));
  }

  // The same questions by every way; `ask` runs dig there.
  template <class Ask>
  static void expect_every_size_arrives(Ask ask) {
    const Finished large = ask(dig("large.test", "TXT"));
    expect_answer(large, kLarge, "UDP");
    EXPECT_GT(size_of(large), 1232);
    const Finished huge = ask(dig("huge.test", "TXT"));
    expect_answer(huge, kHuge, "UDP");
    EXPECT_GT(size_of(huge), 4000);
    const Finished cut = ask(dig("huge.test", "TXT", {"+notcp", "+bufsize=1232", "+ignore"}));
    EXPECT_NE(cut.out.find(" tc "), std::string::npos) << "truncated, and left at that " << cut;
    const Finished smaller = ask(dig("huge.test", "TXT", {"+notcp", "+bufsize=1232"}));
    EXPECT_NE(smaller.out.find(";; Truncated, retrying in TCP mode."), std::string::npos);
    expect_answer(smaller, kHuge, "TCP");
    const Finished enormous = ask(dig("enormous.test", "TXT"));
    EXPECT_NE(enormous.out.find(";; Truncated, retrying in TCP mode."), std::string::npos);
    expect_answer(enormous, kEnormous, "TCP");
  }

  const host::ResolvConf resolv_conf_{"nameserver " + kResolver + "\n"};
  const Program resolver_ = start_resolver();
};

TEST_F(LargeAnswers, ReachAClientBehindATunnelInFragmentsOrOverTcp) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  expect_every_size_arrives([&](const Program::Words& words) { return client.run(words); });
  EXPECT_TRUE(client.sees([](const SeenPacket& packet) {
    return packet.direction == Direction::kDown && packet.headers.is_fragment;
  }));
}

TEST_F(LargeAnswers, ReachACommandThatIsRun) {
  const test_support::TempDirectory directory;
  expect_every_size_arrives([&](Program::Words words) {
    words.insert(words.begin(), {liftgate_program(), "run", "--"});
    Finished dig =
        run(words, kPatience, {.environment = {"LIFTGATE_SOCKET=" + directory.file("control")}});
    // The name server has the gateway's address inside.
    EXPECT_NE(dig.out.find("SERVER: 198.18.255.1#53"), std::string::npos) << dig;
    return dig;
  });
}

// The resolver forwarder is two sockets of ours, and the name is read from what passes.
TEST_F(LargeAnswers, NamesOfACommandAreLearnedOverTcp) {
  const test_support::TempDirectory directory;
  const TcpServer server = TcpServer::half_closing("x", host::kServer4);
  const std::string log = directory.file("flows.jsonl");
  const Finished finished =
      run({liftgate_program(), "run", "--audit", log, "--", "bash", "-c",
           "dig +short +tcp named.test && cat < /dev/tcp/$0/$1", host::kServer4,
           std::to_string(server.port())},
          kPatience, {.environment = {"LIFTGATE_SOCKET=" + directory.file("control")}});
  EXPECT_EQ(finished.out, host::kServer4 + "\nx") << finished;
  std::ifstream lines(log);
  std::size_t named = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line);
    named += event.at("destination") == server.endpoint().to_string() &&
             event.at("name") == "named.test";
  }
  EXPECT_EQ(named, 2U) << "its start and its end";
}

}  // namespace
}  // namespace integration
