#include "tools/flowctl/options.h"

#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tools/flowctl/help.h"

namespace flowctl {
namespace {

using Words = std::vector<std::string>;

Options parsed(const Words& words) {
  const auto options = parse_options(words);
  EXPECT_TRUE(options) << options.error().message;
  return options ? *options : Options{};
}

std::string error_of(const Words& words) {
  const auto options = parse_options(words);
  EXPECT_FALSE(options);
  return options ? "" : options.error().message;
}

TEST(FlowctlOptions, MayStandBeforeAndBehindTheCommand) {
  for (const Words& words : {Words{"--json", "--socket", "/x", "flows", "tenant=acme"},
                             Words{"flows", "tenant=acme", "--socket=/x", "--json"}}) {
    const Options options = parsed(words);
    EXPECT_EQ(options.command, Command::kFlows);
    EXPECT_TRUE(options.json);
    EXPECT_EQ(options.socket, "/x");
    EXPECT_EQ(options.filter, Words{"tenant=acme"});
  }
}

TEST(FlowctlOptions, EndAtTwoDashes) {
  EXPECT_EQ(parsed({"flows", "--", "--json"}).filter, Words{"--json"});
}

TEST(FlowctlOptions, CommandsOfOneFlowTakeItsId) {
  EXPECT_EQ(parsed({"flow", "17"}).flow_id, 17u);
  EXPECT_EQ(parsed({"kill", "18446744073709551615"}).flow_id, UINT64_MAX);
  for (const char* bad : {"x", "-", "17x", "1.5", "", "18446744073709551616"}) {
    EXPECT_EQ(error_of({"kill", bad}),
              "'" + std::string(bad) + "' is not the id of a flow, which is a number");
  }
  EXPECT_EQ(error_of({"flow"}), "flow takes the id of one flow, as `flowctl flows` shows it");
  EXPECT_EQ(error_of({"kill", "1", "2"}),
            "kill takes the id of one flow, as `flowctl flows` shows it");
}

TEST(FlowctlOptions, ExplainTakesThePacketInOneWordOrSeveral) {
  const std::string packet = "tcp 10.0.0.2:4000 > 192.0.2.1:443";
  for (const Words& words : {Words{"explain", packet, "--tenant", "acme", "--name=example.com"},
                             Words{"explain", "--tenant=acme", "tcp", "10.0.0.2:4000", ">",
                                   "192.0.2.1:443", "--name", "example.com"}}) {
    const Options options = parsed(words);
    EXPECT_EQ(options.command, Command::kExplain);
    EXPECT_EQ(options.query,
              (gateway::ExplainQuery{
                  .packet = packet, .tenant = "acme", .tunnel = {}, .host = "example.com"}));
  }
  EXPECT_EQ(error_of({"explain"}),
            "packet, column 1: expected tcp, udp, icmp, icmpv6 or an IP protocol number from 0 to "
            "255, got nothing");
  EXPECT_EQ(error_of({"explain", packet, "--tenant"}), "--tenant needs a name");
  EXPECT_EQ(error_of({"flows", "--tenant", "acme"}), "--tenant belongs to explain only");
  EXPECT_EQ(error_of({"log-level", "loud"}),
            "log-level takes one level: trace, debug, info, warn or error");
}

TEST(FlowctlOptions, UnknownCommandIsToldTheKnownOnes) {
  const std::string known = "commands: " + list_of_commands();
  EXPECT_EQ(error_of({"topp"}), "unknown command 'topp'; did you mean 'top'?");
  EXPECT_EQ(error_of({"xyzzy"}), "unknown command 'xyzzy'; " + known);
  EXPECT_EQ(error_of({}), "no command; " + known);
  EXPECT_EQ(error_of({"--json"}), "no command; " + known);
}

TEST(FlowctlOptions, MistakeKnowsTheCommandWhoseHelpSaysMore) {
  const auto command_of = [](const Words& words) { return parse_options(words).error().command; };
  EXPECT_EQ(command_of({"--socket", "stats", "flows", "--watch"}), Command::kFlows);
  EXPECT_EQ(command_of({"topp"}), Command::kNone);
  EXPECT_EQ(full_name(Command::kFlows), "flowctl flows");
  EXPECT_EQ(full_name(Command::kNone), "flowctl");
}

TEST(FlowctlOptions, WhatDoesNotBelongIsRefused) {
  EXPECT_EQ(error_of({"flows", "--colour"}), "unknown option '--colour'");
  EXPECT_EQ(error_of({"stats", "--wach"}), "unknown option '--wach'; did you mean '--watch'?");
  EXPECT_EQ(error_of({"stats", "--count", "3"}), "--count needs --watch");
  EXPECT_EQ(error_of({"stats", "--interval", "3"}), "--interval needs --watch");
  EXPECT_EQ(error_of({"flows", "--all"}), "--all belongs to drops only");
  EXPECT_EQ(error_of({"tunnels", "acme"}), "tunnels takes no 'acme'");
  EXPECT_EQ(error_of({"nat", "--socket"}), "--socket needs a path");
  EXPECT_EQ(error_of({"nat", "--socket="}), "--socket needs a path");
  EXPECT_EQ(error_of({"nat", "--json=1"}), "unknown option '--json=1'; did you mean '--json'?");
  EXPECT_EQ(error_of({"events", "--count"}), "--count needs a number");
  EXPECT_EQ(error_of({"capture"}), "capture needs -w FILE, where - is standard output");
  EXPECT_EQ(error_of({"capture", "-w", "x", "--seconds", "soon"}),
            "--seconds 'soon' is not a number of seconds above 0");
  EXPECT_EQ(error_of({"top", "--by", "host"}), "--by 'host' is not flow, tenant, tunnel or rule");
  EXPECT_EQ(error_of({"top", "--sort", "tenant"}),
            "--sort 'tenant' is not one of rate, up, down, packets, bytes, flows, age, id");
  EXPECT_EQ(error_of({"stats", "--snaplen", "5"}), "--snaplen belongs to capture only");
  EXPECT_EQ(error_of({"flows", "--interval", "5"}), "--interval belongs to stats and top only");
  EXPECT_EQ(error_of({"completion"}), "completion takes the name of a shell: bash, zsh or fish");
  EXPECT_EQ(error_of({"events", "--count=0"}), "--count '0' is not a whole number above 0");
}

TEST(FlowctlOptions, OfCaptureAndTop) {
  const Options capture =
      parsed({"capture", "tenant=acme", "-w", "-", "--snaplen=96", "--seconds", "0.5s"});
  EXPECT_EQ(capture.file, "-");
  EXPECT_EQ(capture.snap_bytes, 96U);
  EXPECT_EQ(capture.seconds, std::chrono::milliseconds(500));
  EXPECT_EQ(capture.filter, Words{"tenant=acme"});
  const Options top =
      parsed({"top", "--by=rule", "--sort", "down", "--interval", "2", "--limit=5"});
  EXPECT_EQ(top.grouping, Grouping::kRule);
  EXPECT_EQ(top.rate_order, RateOrder::kDown);
  EXPECT_EQ(top.interval, std::chrono::milliseconds(2'000));
  EXPECT_EQ(top.limit, 5U);
}

TEST(FlowctlOptions, HelpNeedsNothingElseToBeRight) {
  EXPECT_TRUE(parsed({"--help"}).help);
  EXPECT_EQ(parsed({"kill", "-h"}).command, Command::kKill);
  EXPECT_EQ(parsed({"help", "drops"}).command, Command::kDrops);
  EXPECT_TRUE(parsed({"--version"}).version);
}

TEST(FlowctlHelp, OfEveryCommandHasAnExample) {
  std::vector<Command> commands = {Command::kNone};
  for (const CommandInfo& info : command_table()) {
    commands.push_back(info.command);
  }
  for (const Command command : commands) {
    EXPECT_NE(help(command).find("Example"), std::string_view::npos) << help(command);
    EXPECT_NE(help(command).find("\n  flowctl "), std::string_view::npos) << help(command);
  }
}

TEST(FlowctlHelp, ShowsEveryCommandOptionAndExampleOfTheTable) {
  for (const CommandInfo& info : command_table()) {
    EXPECT_NE(help(Command::kNone).find("\n  " + std::string(info.name)), std::string::npos);
    for (const Option option : info.options) {
      EXPECT_NE(help(info.command).find(info_of(option).name), std::string::npos) << info.name;
    }
  }
}

TEST(FlowctlHelp, FitsATerminal) {
  for (const CommandInfo& info : command_table()) {
    std::istringstream lines(help(info.command) + help(Command::kNone));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 100U) << line;
    }
  }
}

// What the shell gives to flowctl: up to a pipe or a file that is not in quotes.
std::string_view command_of(std::string_view example) {
  bool in_quotes = false;
  for (std::size_t i = 0; i < example.size(); ++i) {
    in_quotes ^= example[i] == '\'';
    if (!in_quotes && (example[i] == '|' || example[i] == '>')) {
      return example.substr(0, i);
    }
  }
  return example;
}

// Whoever copies an example gets no "wrong usage".
TEST(FlowctlHelp, ExamplesAreRightUsage) {
  for (const CommandInfo& info : command_table()) {
    for (const std::string_view example : info.examples) {
      std::istringstream stream{std::string(command_of(example))};
      Words words;
      for (std::string word; stream >> word;) {
        std::erase(word, '\'');
        words.push_back(word);
      }
      ASSERT_EQ(words.front(), "flowctl");
      words.erase(words.begin());
      EXPECT_TRUE(parse_options(words)) << example;
    }
  }
}

}  // namespace
}  // namespace flowctl
