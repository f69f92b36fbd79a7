// Shell completion: what bash offers, asked of a real bash with the script that flowctl prints.

#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

// Splits as readline does, with the word breaks that bash has by default, and asks the function
// that was registered for flowctl.
constexpr auto kAsk = R"(
[[ -n $find_in ]] && PATH=$find_in
set -e
source "$script"
[[ $(complete -p flowctl) == 'complete -F _flowctl flowctl' ]]
set +e
COMP_LINE=$typed COMP_POINT=${#typed}
mapfile -t COMP_WORDS < <(grep -oE '[^[:space:]=:><]+|[=:><]+' <<<"$typed")
[[ $typed == *[[:space:]] ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }  # only readline may call it
_flowctl flowctl
printf '%s\n' "${COMPREPLY[@]}"
)";

class Completion : public testing::Test {
 protected:
  std::vector<std::string> offered(const std::string& typed, const std::string& path = "") {
    const ProgramOptions options{
        .environment = {"typed=" + typed, "script=" + script_, "find_in=" + path}};
    const Finished finished = run({"bash", "--norc", "-c", kAsk}, kPatience, options);
    EXPECT_EQ(finished.status, 0) << finished;
    EXPECT_EQ(finished.err, "");
    std::vector<std::string> words;
    std::istringstream lines(finished.out);
    for (std::string word; std::getline(lines, word);) {
      if (!word.empty()) {
        words.push_back(word);
      }
    }
    return words;
  }

  test_support::TempDirectory directory_;
  const std::string script_ = directory_.file("flowctl.bash");

  void SetUp() override {
    const Finished made = run({"sh", "-c", flowctl_program() + " completion bash > " + script_});
    ASSERT_EQ(made.status, 0) << made;
  }
};

TEST_F(Completion, OfCommandsOptionsAndTheirValues) {
  EXPECT_THAT(offered("flowctl "), Contains("events"));
  EXPECT_THAT(offered("flowctl to"), ElementsAre("top"));
  EXPECT_THAT(offered("flowctl --socket /x --json fl"), ElementsAre("flows", "flow"));
  EXPECT_THAT(offered("flowctl capture --s"),
              testing::UnorderedElementsAre("--seconds", "--snaplen", "--socket"));
  EXPECT_THAT(offered("flowctl top --by "), ElementsAre("flow", "tenant", "tunnel", "rule"));
  EXPECT_THAT(offered("flowctl flows --sort up"), ElementsAre("up", "up_packets"));
  EXPECT_THAT(offered("flowctl completion z"), ElementsAre("zsh"));
  EXPECT_THAT(offered("flowctl nat "), IsEmpty());
  EXPECT_THAT(offered("flowctl capture -w " + script_.substr(0, script_.size() - 3)),
              ElementsAre(script_));
}

TEST_F(Completion, OfFiltersBehindTheirEqualsSign) {
  EXPECT_THAT(offered("flowctl flows te"), ElementsAre("tenant="));
  EXPECT_THAT(offered("flowctl flows tenant=acme state=est"), ElementsAre("established"));
  EXPECT_THAT(offered("flowctl events protocol="), ElementsAre("tcp", "udp", "icmp", "icmpv6"));
  EXPECT_THAT(offered("flowctl top state=x"), IsEmpty());
}

TEST_F(Completion, OfTheFlowsThatThereAre) {
  const GatewayProcess gateway;
  const ClientNetwork client(gateway.onramp());
  const TcpServer server = TcpServer::echo();
  const TcpConnection connection = client.connect(server.endpoint());
  const std::string id = gateway.flows().at(0).at("id").dump();
  // `flowctl` of the script is whatever the PATH finds.
  const std::string bin = directory_.file("flowctl");
  ASSERT_EQ(run({"sh", "-c",
                 "printf '#!/bin/sh\\nexec " + flowctl_program() + " --socket " +
                     gateway.control() + " \"$@\"\\n' > " + bin + "; chmod +x " + bin})
                .status,
            0);
  const std::string path = directory_.path() + ":/usr/bin:/bin";
  EXPECT_THAT(offered("flowctl kill ", path), ElementsAre(id));
  EXPECT_THAT(offered("flowctl flow 999", path), IsEmpty());
}

TEST_F(Completion, OfOtherShellsNamesEveryCommand) {
  for (const std::string shell : {"zsh", "fish"}) {
    const Finished made = run({flowctl_program(), "completion", shell});
    EXPECT_EQ(made.status, 0) << made;
    for (const char* word : {"tunnels", "capture", "snaplen", "state=established", "bytes"}) {
      EXPECT_THAT(made.out, testing::HasSubstr(word)) << shell;
    }
  }
  EXPECT_EQ(run({flowctl_program(), "completion", "tcsh"}).status, 2);
}

}  // namespace
}  // namespace integration
