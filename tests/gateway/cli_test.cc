#include "gateway/cli.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using Command = CommandLine::Command;
using Words = std::vector<std::string>;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What a right command line asks for.
CommandLine parse(const Words& arguments) {
  auto line = parse_command_line(arguments);
  if (!line) {
    ADD_FAILURE() << line.error().text;
    return {};
  }
  return *line;
}

// What a wrong one is told, without "liftgate: " and the end of the line.
std::string usage_error(const Words& arguments) {
  const auto line = parse_command_line(arguments);
  if (line || line.error().status != kExitUsage) {
    return "no usage error";
  }
  const std::string& text = line.error().text;
  EXPECT_EQ(text.find('\n'), text.size() - 1) << "one line: " << text;
  EXPECT_TRUE(text.starts_with("liftgate: ")) << text;
  return text.substr(10, text.size() - 11);
}

std::string help(Words arguments) {
  arguments.emplace_back("--help");
  const auto line = parse_command_line(arguments);
  return line || line.error().status != 0 ? "no help" : line.error().text;
}

TEST(CommandLine, RunTakesItsOptionsAndTheCommand) {
  const CommandLine line = parse({"run", "--config", "gw.yaml", "--audit=flows.jsonl", "--map-host",
                                  "10.0.2.2", "--", "curl", "--config", "x", "--help"});
  EXPECT_EQ(line.command, Command::kRun);
  EXPECT_EQ(line.config_path, "gw.yaml");
  EXPECT_EQ(line.audit_path, "flows.jsonl");
  EXPECT_EQ(line.map_host, base::IpAddress::parse("10.0.2.2"));
  EXPECT_THAT(line.words, ElementsAre("curl", "--config", "x", "--help"));
}

TEST(CommandLine, RunNeedsNoDashes) {
  EXPECT_THAT(parse({"run", "ls", "-l", "--", "a"}).words, ElementsAre("ls", "-l", "--", "a"));
  const CommandLine line = parse({"run", "--audit", "run", "run", "--audit", "x"});
  EXPECT_EQ(line.audit_path, "run");
  EXPECT_THAT(line.words, ElementsAre("run", "--audit", "x"));
}

TEST(CommandLine, CommandOfRunIsNeverParsed) {
  EXPECT_THAT(parse({"run", "--", "--", "--version"}).words, ElementsAre("--", "--version"));
  EXPECT_THAT(parse({"run", "--", "serve", ""}).words, ElementsAre("serve", ""));
}

TEST(CommandLine, OtherCommands) {
  EXPECT_EQ(parse({"serve"}).command, Command::kServe);
  EXPECT_THAT(parse({"serve"}).config_path, IsEmpty());
  EXPECT_EQ(parse({"serve", "--config", "f"}).config_path, "f");
  EXPECT_EQ(parse({"config", "default"}).command, Command::kConfigDefault);
  EXPECT_EQ(parse({"config", "check", "f"}).command, Command::kConfigCheck);
  EXPECT_EQ(parse({"config", "check", "f"}).config_path, "f");
  EXPECT_EQ(parse({"config", "check", "--", "-f"}).config_path, "-f");
  EXPECT_EQ(parse({"doctor"}).command, Command::kDoctor);
  EXPECT_TRUE(parse({"doctor", "--json"}).json);
  EXPECT_EQ(parse({"hooks"}).command, Command::kHooks);
  EXPECT_TRUE(parse({"hooks", "--json"}).json);
}

TEST(CommandLine, UsageErrorsAreOneExactSentence) {
  EXPECT_EQ(usage_error({"serv"}),
            "unknown command \"serv\" (did you mean serve?); see `liftgate --help`");
  EXPECT_EQ(usage_error({"--config", "f", "serve"}),
            "unknown option \"--config\"; see `liftgate --help`");
  EXPECT_EQ(usage_error({"config"}),
            "`liftgate config` needs a command: default or check; see `liftgate config --help`");
  EXPECT_EQ(usage_error({"config", "chekc", "f"}),
            "unknown command \"chekc\" (did you mean check?); see `liftgate config --help`");
  EXPECT_EQ(usage_error({"config", "check"}),
            "`liftgate config check` needs a FILE; see `liftgate config check --help`");
  EXPECT_EQ(usage_error({"config", "check", "a", "b"}),
            "unexpected argument \"b\"; see `liftgate config check --help`");
  EXPECT_EQ(usage_error({"serve", "now"}),
            "unexpected argument \"now\"; see `liftgate serve --help`");
  EXPECT_EQ(usage_error({"serve", "--cofnig=f"}),
            "unknown option \"--cofnig\" (did you mean --config?); see `liftgate serve --help`");
  EXPECT_EQ(usage_error({"serve", "--config"}),
            "--config needs a value; see `liftgate serve --help`");
  EXPECT_EQ(usage_error({"serve", "--config", "a", "--config", "b"}),
            "--config is given twice; see `liftgate serve --help`");
  EXPECT_EQ(usage_error({"doctor", "-j"}), "unknown option \"-j\"; see `liftgate doctor --help`");
}

TEST(CommandLine, NothingAtAllIsToldTheUsage) {
  const auto line = parse_command_line({});
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().status, kExitUsage);
  EXPECT_THAT(line.error().text, testing::StartsWith("Usage: liftgate COMMAND"));
  for (const char* command : {"run", "serve", "config", "doctor", "--help"}) {
    EXPECT_THAT(line.error().text, HasSubstr(command));
  }
}

TEST(CommandLine, HelpMayBeAskedForInEveryWay) {
  for (const Words& words : {Words{"help"}, Words{"-h"}, Words{"--help"}}) {
    const auto line = parse_command_line(words);
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().status, 0);
    EXPECT_THAT(line.error().text, HasSubstr("liftgate doctor"));
  }
  for (const Words& words : {Words{"help", "run"}, Words{"run", "-h"}}) {
    const auto line = parse_command_line(words);
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().status, 0);
    EXPECT_THAT(line.error().text, HasSubstr("--map-host"));
  }
}

TEST(CommandLine, MapHostMustBeAnAddressThatProgramsInsideCanSendTo) {
  for (const char* address : {"127.0.0.1", "0.0.0.0", "::1", "::", "224.0.0.1", "198.18.255.1",
                              "198.18.255.2", "fd6c:6966:7467:1::1", "fd6c:6966:7467:1::2"}) {
    EXPECT_THAT(usage_error({"run", "--map-host", address, "ls"}),
                testing::StartsWith("--map-host cannot be " + std::string(address) + ": "));
  }
  EXPECT_EQ(parse({"run", "--map-host", "fd12::1", "ls"}).map_host,
            base::IpAddress::parse("fd12::1"));
}

TEST(CommandLine, UsageErrorsOfRun) {
  EXPECT_EQ(
      usage_error({"run"}),
      "no command to run: liftgate run [OPTION]... -- CMD [ARG...]; see `liftgate run --help`");
  EXPECT_EQ(
      usage_error({"run", "--audit", "f", "--"}),
      "no command to run: liftgate run [OPTION]... -- CMD [ARG...]; see `liftgate run --help`");
  EXPECT_EQ(usage_error({"run", "--audit"}), "--audit needs a value; see `liftgate run --help`");
  EXPECT_EQ(usage_error({"run", "--nope", "ls"}),
            "unknown option \"--nope\"; see `liftgate run --help`");
  EXPECT_EQ(usage_error({"run", "--map-host", "here", "ls"}),
            "--map-host takes an IP address, got \"here\"; see `liftgate run --help`");
}

TEST(CommandLine, AuditLogIsAFile) {
  EXPECT_EQ(usage_error({"run", "--audit", "-", "ls"}),
            "--audit takes the path of a file, got \"-\"; the terminal is the command's; see "
            "`liftgate run --help`");
}

TEST(CommandLine, PublishIsRead) {
  const auto published = [](const char* text) {
    return parse({"run", "--publish", text, "ls"}).publish;
  };
  using flows::Protocol;
  const auto port = [](std::uint16_t number) { return base::Port{number}; };
  EXPECT_THAT(published("8080:80"), ElementsAre(PublishedPorts{{}, port(8080), port(80)}));
  EXPECT_THAT(published("8080:80/tcp"), ElementsAre(PublishedPorts{{}, port(8080), port(80)}));
  EXPECT_THAT(published("0:80"), ElementsAre(PublishedPorts{{}, port(0), port(80)}));
  EXPECT_THAT(published("53:5353/udp"),
              ElementsAre(PublishedPorts{{}, port(53), port(5353), Protocol::kUdp}));
  EXPECT_THAT(
      published("127.0.0.1:8080:80"),
      ElementsAre(PublishedPorts{base::IpAddress::parse("127.0.0.1"), port(8080), port(80)}));
  EXPECT_THAT(published("[::1]:8080:80"),
              ElementsAre(PublishedPorts{base::IpAddress::parse("::1"), port(8080), port(80)}));
  EXPECT_THAT(published("8000-8009:9000-9009/udp"),
              ElementsAre(PublishedPorts{{}, port(8000), port(9000), Protocol::kUdp, 10}));
  EXPECT_THAT(parse({"run", "-p", "1-65535:1-65535", "ls"}).publish,
              ElementsAre(PublishedPorts{{}, port(1), port(1), Protocol::kTcp, 65535}));
}

TEST(CommandLine, PublishThatIsNoPairOfPortsIsAUsageError) {
  for (const char* wrong :
       {"80",        "80:0",          "80:65536",     "80:80/sctp",   ":80",
        "80:",       "a:b",           "-1:80",        "::1:80:80",    "1.2.3:80:80",
        "65536:80",  "80:80/tcp/udp", "8000-8009:80", "80:8000-8009", "8009-8000:8009-8000",
        "0-9:80-89", "80-:80-",       "-:-",          "1-2-3:1-2-3",  "[127.0.0.1]:80:80"}) {
    EXPECT_THAT(usage_error({"run", "--publish", wrong, "ls"}),
                HasSubstr("--publish takes [ADDR:]HOSTPORT:PORT[/tcp|/udp]"))
        << wrong;
  }
}

TEST(CommandLine, PortOfThisHostIsPublishedOnce) {
  const auto both = [](const char* one, const char* other) {
    return usage_error({"run", "--publish", one, "--publish", other, "ls"});
  };
  EXPECT_EQ(
      both("18083:80", "18083:81"),
      "--publish \"18083:81\" and \"18083:80\" are the same port of this host; choose another "
      "for one of them, or 0; see `liftgate run --help`");
  EXPECT_THAT(both("127.0.0.1:8080:80", "8080:80"), HasSubstr("the same port"));
  EXPECT_THAT(both("127.0.0.1:8080:80", "0.0.0.0:8080:80"), HasSubstr("the same port"));
  EXPECT_THAT(both("8000-8009:1-10", "8009:80"), HasSubstr("the same port"));
  EXPECT_THAT(both("8009:80", "8000-8009:1-10"), HasSubstr("the same port"));
  for (const auto& [one, other] : {std::pair{"53:53/tcp", "53:53/udp"},
                                   {"0:80", "0:80"},
                                   {"8080:80", "8081:80"},
                                   {"8000-8009:1-10", "8010-8019:1-10"},
                                   {"127.0.0.1:80:80", "127.0.0.2:80:80"},
                                   {"127.0.0.1:80:80", "[::]:80:80"}}) {
    EXPECT_EQ(parse({"run", "--publish", one, "--publish", other, "ls"}).publish.size(), 2U);
  }
}

TEST(CommandLine, EveryHelpHasExamples) {
  for (const Words& command :
       {Words{}, Words{"run"}, Words{"serve"}, Words{"config"}, Words{"config", "default"},
        Words{"config", "check"}, Words{"doctor"}}) {
    EXPECT_THAT(help(command), HasSubstr("Examples:\n  liftgate "));
    EXPECT_THAT(help(command), HasSubstr("Usage: liftgate "));
  }
}

TEST(CommandLine, VersionIsAskedForByName) {
  const auto line = parse_command_line({"--version"});
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().status, 0);
  EXPECT_THAT(line.error().text, testing::MatchesRegex("liftgate [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

}  // namespace
}  // namespace gateway
