#include "gateway/config/config_loader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""min;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> texts(const ConfigProblems& problems) {
  std::vector<std::string> lines;
  for (const ConfigProblem& problem : problems) {
    lines.push_back(problem.to_string());
  }
  return lines;
}

// The settings of a text that must be right.
Settings load(std::string_view text) {
  auto loaded = load_config(text, "gw.yaml");
  if (!loaded) {
    ADD_FAILURE() << testing::PrintToString(texts(loaded.error()));
    return {};
  }
  return *loaded;
}

// Its problems, without the name of the file; none when the text is right.
std::vector<std::string> problems_of(std::string_view text) {
  const auto loaded = load_config(text, "f");
  if (loaded) {
    return {};
  }
  std::vector<std::string> lines;
  for (const std::string& line : texts(loaded.error())) {
    lines.push_back(line.substr(2));
  }
  return lines;
}

base::IpPrefix prefix(const char* text) {
  return *base::IpPrefix::parse(text);
}

TEST(ConfigLoader, NothingIsTheDefaults) {
  for (const char* text : {"", "\n# only a comment\n", "---\n", "{}", "rules:\nflows:\n"}) {
    EXPECT_EQ(load(text), default_settings()) << text;
  }
}

TEST(ConfigLoader, ReadsEverySettingOfTheContract) {
  const Settings settings = load(R"(
workers: auto
control: {path: /run/gw/control.sock}
onramps:
  - seqpacket: {path: /run/gw/onramp.sock, mode: 0660, allow: [{uid: 1000, tenants: [acme]}],
                context_timeout: 1500ms}
tenants:
  - {name: acme, id: 1001, sources: [100.64.0.0/10, "fd00:64::/48"], max_flows: 7, max_dials: 8}
rules:
  - {name: no-metadata,   match: {destination: [169.254.0.0/16, "fe80::/10"]}, action: reject}
  - {name: peers,         match: {to_tunnel: true, tenant: acme}, action: forward}
  - {name: dns-and-web,   match: {protocol: [tcp, udp], destination_port: [53, 8000-8080]}, action: upgrade}
  - {name: rest,          action: drop}
flows: {max: 1000, timeouts: {tcp_established: 2m, tcp_time_wait: 1s}}
nat: {bindings: 4096}
handshake: eager
confine: log
audit: {path: /var/log/flows.jsonl}
log: {format: json, level: debug}
)");
  EXPECT_EQ(settings.control_path, "/run/gw/control.sock");
  ASSERT_EQ(settings.onramps.size(), 1u);
  EXPECT_EQ(*settings.onramps[0].seqpacket,
            (SeqpacketOnramp{"/run/gw/onramp.sock", 0660, {{1000, {"acme"}}}, 1500ms}));
  EXPECT_EQ(
      settings.tenants,
      (std::vector<TenantSettings>{{.name = "acme",
                                    .id = 1001,
                                    .sources = {prefix("100.64.0.0/10"), prefix("fd00:64::/48")},
                                    .max_flows = 7,
                                    .max_dials = 8,
                                    .routes = {}}}));
  ASSERT_EQ(settings.rules.size(), 4u);
  EXPECT_EQ(settings.rules[0].match.destination,
            (std::vector{prefix("169.254.0.0/16"), prefix("fe80::/10")}));
  EXPECT_EQ(settings.rules[1].match.to_tunnel, true);
  EXPECT_THAT(settings.rules[1].match.tenant, ElementsAre("acme"));
  EXPECT_THAT(settings.rules[2].match.protocol,
              ElementsAre(flows::Protocol::kTcp, flows::Protocol::kUdp));
  EXPECT_THAT(settings.rules[2].match.destination_port,
              ElementsAre(PortRange{base::Port{53}, base::Port{53}},
                          PortRange{base::Port{8000}, base::Port{8080}}));
  EXPECT_EQ(settings.rules[3], (Rule{"rest", {}, flows::Action::kDrop}));
  EXPECT_EQ(settings.flows.max, 1000u);
  EXPECT_EQ(settings.flows.timeouts.tcp_established, 2min);
  EXPECT_EQ(settings.flows.timeouts.udp, Timeouts{}.udp) << "a timeout that is not given stays";
  EXPECT_EQ(settings.nat.bindings, 4096u);
  EXPECT_EQ(settings.handshake, Handshake::kEager);
  EXPECT_EQ(settings.confine, Confine::kLog);
  EXPECT_EQ(settings.audit_path, "/var/log/flows.jsonl");
  EXPECT_EQ(settings.log, (LogSettings{LogSettings::Format::kJson, LogSettings::Level::kDebug}));
}

TEST(ConfigLoader, ReadsGueOnrampsAndRoutes) {
  const Settings settings = load(R"(
onramps:
  - gue: {listen: "127.0.0.1:6080", reply_port: 6080, peers: [{prefix: 127.0.0.0/8, tenant: acme, may_name: [acme]}]}
  - gue:
      listen: "[::]:0"
      reply_port: source
      peers: [{prefix: "2001:db8::/32", tenant: acme}, {prefix: "::/0", tenant: other, may_name: acme}]
      mtu: 1420
      max_peers: 7
      peer_timeout: 5s
tenants:
  - name: acme
    routes:
      - {prefix: 10.9.0.0/16, gue: 127.0.0.2}
      - {prefix: 10.8.0.0/16, gue: "127.0.0.3:7000"}
      - {prefix: "fd00:9::/48", gue: "[2001:db8::1]"}
      - {prefix: 10.10.0.0/16, tunnel: the office}
  - {name: other}
)");
  ASSERT_EQ(settings.onramps.size(), 2u);
  const auto address = [](const char* text) { return *base::IpAddress::parse(text); };
  GueOnramp first;
  first.peers = {{prefix("127.0.0.0/8"), "acme", {"acme"}}};
  EXPECT_EQ(settings.onramps[0], (Onramp{{}, first}));
  const GueOnramp second{
      .listen = {base::IpAddress(), base::Port{0}},
      .reply_port = base::Port{0},
      .peers = {{prefix("2001:db8::/32"), "acme", {}}, {prefix("::/0"), "other", {"acme"}}},
      .mtu_bytes = 1420,
      .max_peers = 7,
      .peer_timeout = 5s};
  EXPECT_EQ(settings.onramps[1], (Onramp{{}, second}));
  EXPECT_THAT(
      settings.tenants[0].routes,
      ElementsAre(
          TenantRoute{prefix("10.9.0.0/16"), base::Endpoint{address("127.0.0.2"), kGuePort}, {}},
          TenantRoute{
              prefix("10.8.0.0/16"), base::Endpoint{address("127.0.0.3"), base::Port{7000}}, {}},
          TenantRoute{prefix("fd00:9::/48"), base::Endpoint{address("2001:db8::1"), kGuePort}, {}},
          TenantRoute{prefix("10.10.0.0/16"), {}, "the office"}));
}

TEST(ConfigLoader, SaysEveryMistakeAboutGue) {
  EXPECT_THAT(
      problems_of(R"(onramps:
  - gue: {listen: "6080", peers: [{prefix: 127.0.0.0/8, tenant: acme, may_name: [acme, oter]}]}
  - gue: {listen: 127.0.0.1, peers: [{prefix: ::1/128}, {prefix: 10.0.0.0/8, tenant: other}, {prefix: 10.0.0.0/8, tenant: other}]}
  - gue: {reply_port: 0, mtu: 1279, peers: []}
  - gue: {listen: 192.0.2.300}
    seqpacket: {}
  - {}
tenants:
  - name: acme
    routes:
      - {prefix: 10.9.0.0/16, gue: 10.0.0.1}
      - {prefix: 10.9.0.0/16}
      - {prefix: 10.9.0.0/16, gue: "127.0.0.3:0", tunnel: x}
  - {name: other, routes: [{prefix: 10.8.0.0/16, gue: 10.0.0.1}, {prefix: 10.7.0.0/16, gue: "10.0.0.1:7"}]}
)"),
      ElementsAre(
          "2:19: onramps[0].gue.listen: expected an address and a port such as 192.0.2.1:6080 or "
          "\"[2001:db8::1]:6080\", got \"6080\"",
          "2:88: onramps[0].gue.peers[0].may_name[1]: no tenant has the name \"oter\", did you "
          "mean "
          "\"other\"?",
          "3:19: onramps[1].gue.listen: another on-ramp of this file listens there; choose another "
          "port",
          "3:38: onramps[1].gue.peers[0].tenant: missing; it must be given",
          "3:103: onramps[1].gue.peers[2].prefix: another of these peers has the prefix; write "
          "them as one",
          "4:10: onramps[2].gue.listen: another on-ramp of this file listens there; choose another "
          "port",
          "4:23: onramps[2].gue.reply_port: expected source, or a port from 1 to 65535, got \"0\"",
          "4:31: onramps[2].gue.mtu: expected a whole number from 1280 to 65495, got \"1279\"",
          "4:37: onramps[2].gue.peers: needs at least one: nobody else is heard",
          "5:5: onramps[3]: needs one of the keys seqpacket or gue, and has more than one",
          "5:10: onramps[3].gue.peers: needs at least one: nobody else is heard",
          "5:19: onramps[3].gue.listen: another on-ramp of this file listens there; choose another "
          "port",
          "5:19: onramps[3].gue.listen: expected an address and a port such as 192.0.2.1:6080 or "
          "\"[2001:db8::1]:6080\", got \"192.0.2.300\"",
          "7:5: onramps[4]: needs one of the keys seqpacket or gue, and has none",
          "11:36: tenants[0].routes[0].gue: no gue on-ramp of the address's family has it among "
          "its "
          "peers for tenant \"acme\", so that its answers would not be heard; add it there",
          "12:9: tenants[0].routes[1]: needs one of the keys gue or tunnel, and has none",
          "13:9: tenants[0].routes[2]: needs one of the keys gue or tunnel, and has more than one",
          "13:36: tenants[0].routes[2].gue: expected an address and a port such as 192.0.2.1:6080 "
          "or "
          "\"[2001:db8::1]:6080\", got \"127.0.0.3:0\"",
          "14:93: tenants[1].routes[1].gue: another route of the tenant has this peer at another "
          "port; write the same"));
}

TEST(ConfigLoader, SaysEveryMistakeOfAFileAtOnce) {
  constexpr const char* kWrong = R"(workers: 0
onramps:
  - seqpacket:
      mode: 600
      allow: [{uid: 1000, tenants: [acmee]}]
      pth: /tmp/x
  - gue: {listen: "127.0.0.1"}
tenants:
  - {name: acme, id: 1, sources: [10.0.0.1/8], max_flows: many}
  - {name: acme, max_flows: 010}
  - {id: 1}
rules:
  - name: web
    match: {protocol: [tcp, tpc], destination_port: [0, 90-80], destination: 10.0.0.0/33}
    action: upgarde
  - {name: web, match: {protocol: icmp, destination_port: 53}, action: drop}
  - {name: default, action: drop, match: {tenant: other, sni: x}}
flows:
  max: 0
  timeouts: {udp: 30, dns: 5 s, icmp: 0s, tcp_establised: 2h, udp: 1s}
handshake: hold
telemetry: {listen: "9464"}
log: [json]
<<: {}
)";
  const auto loaded = load_config(kWrong, "gw.yaml");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(
      texts(loaded.error()),
      ElementsAre(
          "gw.yaml:1:10: workers: expected auto or a whole number from 1 to 128, got \"0\"",
          "gw.yaml:4:13: onramps[0].seqpacket.mode: expected a file mode in octal from 0000 to "
          "0777, such as 0600, got \"600\"",
          "gw.yaml:5:37: onramps[0].seqpacket.allow[0].tenants[0]: no tenant has the name "
          "\"acmee\", did you mean \"acme\"?",
          "gw.yaml:6:7: onramps[0].seqpacket.pth: unknown key, did you mean \"path\"?",
          "gw.yaml:7:10: onramps[1].gue.peers: needs at least one: nobody else is heard",
          "gw.yaml:9:35: tenants[0].sources[0]: \"10.0.0.1/8\" has bits set behind its prefix; did "
          "you mean 10.0.0.0/8 or 10.0.0.1?",
          "gw.yaml:9:59: tenants[0].max_flows: expected a whole number from 1 to 67108864, got "
          "\"many\"",
          "gw.yaml:10:12: tenants[1].name: another tenant has this name: tenants[0]; choose "
          "another",
          "gw.yaml:10:29: tenants[1].max_flows: expected a whole number from 1 to 67108864, "
          "without leading zeros, got \"010\"",
          "gw.yaml:11:5: tenants[2].name: missing; it must be given",
          "gw.yaml:11:10: tenants[2].id: another tenant has the id 1: tenants[0]; choose another",
          "gw.yaml:14:29: rules[0].match.protocol[1]: expected tcp, udp, icmp, icmpv6 or an IP "
          "protocol number from 0 to 255, got \"tpc\"",
          "gw.yaml:14:54: rules[0].match.destination_port[0]: expected a port from 1 to 65535, or "
          "a range such as 8000-8080, got \"0\"",
          "gw.yaml:14:57: rules[0].match.destination_port[1]: the range runs backwards; did you "
          "mean 80-90?",
          "gw.yaml:14:78: rules[0].match.destination: expected a prefix length from 0 to 32, got "
          "\"10.0.0.0/33\"",
          "gw.yaml:15:13: rules[0].action: expected upgrade, forward, reject or drop, got "
          "\"upgarde\"",
          "gw.yaml:16:12: rules[1].name: another rule has this name: rules[0]; choose another",
          "gw.yaml:16:41: rules[1].match.destination_port: can never match: none of the rule's "
          "protocols has ports; leave it out, or add tcp or udp there",
          "gw.yaml:17:12: rules[2].name: \"default\" is what decides when nothing matches; choose "
          "another name",
          "gw.yaml:17:51: rules[2].match.tenant: no tenant has the name \"other\"; add it to "
          "`tenants`, or name one of those",
          "gw.yaml:17:58: rules[2].match.sni: not supported by this version yet; leave it out",
          "gw.yaml:19:8: flows.max: expected a whole number from 1 to 67108864, got \"0\"",
          "gw.yaml:20:19: flows.timeouts.udp: a duration needs its unit: 30s, or with ms, m, h, d",
          "gw.yaml:20:28: flows.timeouts.dns: expected a duration such as 1500ms, 30s, 2m or 2h, "
          "got \"5 s\"",
          "gw.yaml:20:39: flows.timeouts.icmp: expected a duration from 1ms to 30d, got \"0s\"",
          "gw.yaml:20:43: flows.timeouts.tcp_establised: unknown key, did you mean "
          "\"tcp_established\"?",
          "gw.yaml:20:63: flows.timeouts.udp: given twice, first in line 20; remove one",
          "gw.yaml:21:12: handshake: expected held or eager, got \"hold\"",
          "gw.yaml:22:21: telemetry.listen: expected an address and a port such as 192.0.2.1:9464 "
          "or \"[2001:db8::1]:9464\", got \"9464\"",
          "gw.yaml:23:6: log: expected a map of keys such as {key: value}, got a list",
          "gw.yaml:24:1: <<: merge keys are not supported; write the keys out"));
}

TEST(ConfigLoader, WorkersAreANumberOrAsTheMachineHas) {
  EXPECT_EQ(load("workers: auto").workers, 0U);
  EXPECT_EQ(load("workers: 1").workers, 1U);
  EXPECT_EQ(load("workers: 128").workers, 128U);
  EXPECT_THAT(problems_of("workers: two"),
              ElementsAre("1:10: workers: expected auto or a whole number from 1 to 128, got "
                          "\"two\""));
  EXPECT_THAT(problems_of("workers: 129"),
              ElementsAre("1:10: workers: expected auto or a whole number from 1 to 128, got "
                          "\"129\""));
}

TEST(ConfigLoader, MetricsAreServedWhereItSays) {
  EXPECT_EQ(load("{}").telemetry.listen, std::nullopt);
  EXPECT_EQ(load("telemetry: {listen: ''}").telemetry.listen, std::nullopt);
  EXPECT_EQ(load("telemetry: {listen: '127.0.0.1:9000'}").telemetry.listen,
            base::Endpoint::parse("127.0.0.1:9000"));
  EXPECT_EQ(load("telemetry: {listen: '[::1]'}").telemetry.listen,
            base::Endpoint::parse("[::1]:9464"));
}

TEST(ConfigLoader, OnrampFollowsTheControlSocketOfTheFile) {
  const Settings settings = load("control: {path: /tmp/gw/control.sock}");
  ASSERT_EQ(settings.onramps.size(), 1u);
  EXPECT_EQ(settings.onramps[0].seqpacket->path, "/tmp/gw/onramp.sock");
}

TEST(ConfigLoader, TwoSocketsMayNotShareAPath) {
  EXPECT_THAT(problems_of("control: {path: /a}\nonramps: [seqpacket: {path: /a}]"),
              ElementsAre("2:22: onramps[0].seqpacket: another socket of this file has the path "
                          "\"/a\"; choose another"));
  EXPECT_THAT(problems_of("onramps: [seqpacket: {}, seqpacket: {}]"), testing::SizeIs(1));
}

TEST(ConfigLoader, SocketPathMustFitItsAddress) {
  const std::string path = "/" + std::string(107, 'x');
  EXPECT_THAT(problems_of("control: {path: " + path + "}"),
              ElementsAre("1:17: control.path: a path here has at most 107 bytes, this has 108; "
                          "choose a shorter one"));
  EXPECT_THAT(problems_of("control: {path: " + path.substr(0, 103) + "/c}"),
              ElementsAre(HasSubstr("its default, beside the control socket, is too long")));
}

TEST(ConfigLoader, TenantIdDefaultsToItsPosition) {
  const Settings settings = load("tenants: [{name: a, id: 9}, {name: b}]");
  EXPECT_EQ(settings.tenants[1].id, 2u);
  EXPECT_THAT(
      problems_of("tenants: [{name: a, id: 2}, {name: b}]"),
      ElementsAre("1:29: tenants[1].id: another tenant has the id 2: tenants[0]; choose another"));
}

TEST(ConfigLoader, OneTenantIsTheLeast) {
  EXPECT_THAT(
      problems_of("tenants: []"),
      ElementsAre("1:1: tenants: at least one tenant is needed; add one, or leave the key out"));
}

TEST(ConfigLoader, FileModeIsOctal) {
  for (const char* mode : {"0640", "\"0640\"", "0o640"}) {
    EXPECT_EQ(
        load(std::string("onramps: [seqpacket: {mode: ") + mode + "}]").onramps[0].seqpacket->mode,
        0640u)
        << mode;
  }
  for (const char* mode : {"640", "0680", "01777", "-0640", "0x1f", "rw", "\"\""}) {
    EXPECT_THAT(problems_of(std::string("onramps: [seqpacket: {mode: ") + mode + "}]"),
                ElementsAre(HasSubstr("expected a file mode in octal")))
        << mode;
  }
}

TEST(ConfigLoader, UidMayBeTheNameOfAUser) {
  const auto uid_of = [](const std::string& who) {
    return load("onramps: [seqpacket: {allow: [{uid: " + who + "}]}]")
        .onramps[0]
        .seqpacket->allow[0]
        .uid;
  };
  EXPECT_EQ(uid_of("root"), 0u);
  EXPECT_EQ(uid_of("4294967294"), 4294967294u);
  for (const char* who : {"4294967295", "no-such-user", "-1", "\"\"", "a b"}) {
    EXPECT_THAT(problems_of(std::string("onramps: [seqpacket: {allow: [{uid: ") + who + "}]}]"),
                ElementsAre(HasSubstr("uid: expected a uid")))
        << who;
  }
}

TEST(ConfigLoader, DurationsHaveUnits) {
  const auto udp = [](const std::string& text) {
    return load("flows: {timeouts: {udp: " + text + "}}").flows.timeouts.udp;
  };
  EXPECT_EQ(udp("1500ms"), 1500ms);
  EXPECT_EQ(udp("2m"), 2min);
  EXPECT_EQ(udp("1d"), 24h);
  EXPECT_EQ(udp("1000000ns"), 1ms);
  for (const char* text : {"30", "s", "-1s", "1.5s", "1w", "99999999999999999999s", "9999999999h",
                           "31d", "0s", "~", "[1s]"}) {
    EXPECT_THAT(problems_of(std::string("flows: {timeouts: {udp: ") + text + "}}"),
                testing::SizeIs(1))
        << text;
  }
}

TEST(ConfigLoader, NumbersAreWholeDecimalAndWithinTheirBounds) {
  EXPECT_EQ(load("flows: {max: 67108864}").flows.max, 67108864u);
  for (const char* text : {"0", "67108865", "4294967297", "-1", "1e3", "0x10", "010", "\"10\"",
                           "1_0", "", "{}", "true"}) {
    EXPECT_THAT(problems_of(std::string("flows: {max: ") + text + "}"), testing::SizeIs(1)) << text;
  }
}

TEST(ConfigLoader, OneWordIsAListOfOne) {
  const Settings settings =
      load("rules: [{name: a, action: drop, match: {source: 10.0.0.7, protocol: 47}}]");
  EXPECT_THAT(settings.rules[0].match.source, ElementsAre(prefix("10.0.0.7/32")));
  EXPECT_THAT(settings.rules[0].match.protocol, ElementsAre(flows::Protocol{47}));
}

// It would match everything: `destination: []` on a rule that rejects would cut everybody off.
TEST(ConfigLoader, EmptyListInAMatchIsRefused) {
  constexpr auto kWhy =
      "names nothing, so it could match nothing; leave the key out to match everything";
  for (const std::string key :
       {"tenant", "protocol", "source", "destination", "source_port", "destination_port"}) {
    EXPECT_THAT(problems_of("rules: [{action: drop, match: {" + key + ": []}}]"),
                ElementsAre("1:32: rules[0].match." + key + ": " + kWhy));
    EXPECT_THAT(problems_of("rules: [{action: drop, match: {" + key + ": }}]"),
                ElementsAre("1:32: rules[0].match." + key + ": " + kWhy));
  }
  EXPECT_THAT(problems_of("tenants: [{name: a, sources: []}]"), testing::IsEmpty());
}

TEST(ConfigLoader, RuleWithoutANameIsCalledByItsPosition) {
  const Settings settings =
      load("rules: [{action: drop}, {name: b, action: drop}, {action: drop}]");
  EXPECT_EQ(settings.rules[0].name, "rule-1");
  EXPECT_EQ(settings.rules[2].name, "rule-3");
  EXPECT_THAT(
      problems_of("rules: [{name: rule-2, action: drop}, {action: drop}]"),
      ElementsAre("1:39: rules[1].name: another rule has this name: rules[0]; choose another"));
}

TEST(ConfigLoader, RuleNeedsAnAction) {
  EXPECT_THAT(problems_of("rules: [{}]"),
              ElementsAre("1:9: rules[0].action: missing; it must be given"));
}

TEST(ConfigLoader, AliasesMayRepeatAValue) {
  const Settings settings = load(
      "tenants: [{name: a, sources: &mine [10.0.0.0/8]}]\n"
      "rules: [{name: r, action: drop, match: {source: *mine}}]");
  EXPECT_THAT(settings.rules[0].match.source, ElementsAre(prefix("10.0.0.0/8")));
}

TEST(ConfigLoader, ProblemsShowNoControlCharacters) {
  EXPECT_THAT(
      problems_of("\"a\\e[31m\\nb\": 1\nhandshake: \"\\e]0;x\\a\""),
      ElementsAre(HasSubstr("1:1: a?[31m?b: unknown key; here there are workers, control, "),
                  "2:12: handshake: expected held or eager, got \"?]0;x?\""));
}

TEST(ConfigLoader, SyntaxErrorHasItsPlace) {
  EXPECT_THAT(problems_of("flows: {max: 1\nnat: ["), ElementsAre(HasSubstr("not YAML: ")));
  EXPECT_THAT(problems_of("- a\n- b"),
              ElementsAre("1:1: expected a map of keys such as {key: value}, got a list"));
}

TEST(ConfigLoader, ManyProblemsEndSomewhere) {
  std::string text = "rules:\n";
  for (int i = 0; i < 5000; ++i) {
    text += "- {x: 1}\n";
  }
  const auto problems = problems_of(text);
  EXPECT_EQ(problems.size(), 1001u);
  EXPECT_THAT(problems.back(), HasSubstr("too many problems; what follows is not shown"));
}

class ConfigFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "config_loader_test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }
  fs::path root_;
};

TEST_F(ConfigFile, IsReadAndNamedInItsProblems) {
  const fs::path file = root_ / "gw.yaml";
  std::ofstream(file) << "flows: {max: 5}\n";
  auto loaded = load_config_file(file);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->flows.max, 5u);
  std::ofstream(file) << "flow: 1\n";
  loaded = load_config_file(file);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error()[0].to_string(),
            file.string() + ":1:1: flow: unknown key, did you mean \"flows\"?");
}

TEST_F(ConfigFile, ThatCannotBeReadIsOneProblem) {
  const auto missing = load_config_file(root_ / "gw.yaml");
  ASSERT_FALSE(missing);
  EXPECT_THAT(texts(missing.error()),
              ElementsAre((root_ / "gw.yaml").string() +
                          ": cannot be opened: No such file or directory. `liftgate config "
                          "default` prints one to start from."));
  const auto folder = load_config_file(root_);
  ASSERT_FALSE(folder);
  EXPECT_THAT(
      texts(folder.error()),
      ElementsAre(root_.string() +
                  ": cannot be read: Is a directory. It is a folder: name the YAML file itself."));
}

TEST_F(ConfigFile, ThatIsHugeIsRefused) {
  const fs::path file = root_ / "gw.yaml";
  std::ofstream(file) << std::string(1'100'000, '#');
  const auto loaded = load_config_file(file);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error()[0].what, HasSubstr("longer than 1 MiB"));
}

TEST(ConfigLoader, TenantPublishesPorts) {
  const Settings settings = load(R"(
tenants:
  - name: acme
    publish:
      - {listen: "127.0.0.1:8080", to: "100.64.0.2:80"}
      - {listen: "[::]:0", to: "[fd00:64::2]:53", protocol: udp}
)");
  const auto endpoint = [](const char* text) { return *base::Endpoint::parse(text); };
  EXPECT_THAT(settings.tenants.at(0).publish,
              ElementsAre(PublishedEndpoint{endpoint("127.0.0.1:8080"), endpoint("100.64.0.2:80")},
                          PublishedEndpoint{endpoint("[::]:0"), endpoint("[fd00:64::2]:53"),
                                            flows::Protocol::kUdp}));
}

TEST(ConfigLoader, PublishedPortThatCannotBeIsSaid) {
  EXPECT_THAT(
      problems_of("tenants:\n"
                  "  - name: acme\n"
                  "    publish:\n"
                  "      - {listen: 8080, to: \"100.64.0.2:80\"}\n"
                  "      - {listen: \"127.0.0.1:1\", to: \"100.64.0.2:0\"}\n"
                  "      - {listen: \"127.0.0.1:2\", to: \"1.2.3.4:5\", protocol: icmp}\n"
                  "      - {listen: \"127.0.0.1:3\"}\n"),
      ElementsAre(HasSubstr("4:18: tenants[0].publish[0].listen: expected an address and a "
                            "port such as 192.0.2.1:443"),
                  HasSubstr("5:37: tenants[0].publish[1].to: expected an address and a port"),
                  HasSubstr("6:60: tenants[0].publish[2].protocol: expected tcp or udp"),
                  "7:9: tenants[0].publish[3].to: missing; it must be given"));
  EXPECT_THAT(problems_of("tenants:\n"
                          "  - {name: a, publish: [{listen: \"0.0.0.0:1\", to: \"1.2.3.4:5\"}]}\n"
                          "  - {name: b, publish: [{listen: \"0.0.0.0:1\", to: \"1.2.3.4:6\"},\n"
                          "                         {listen: \"0.0.0.0:1\", to: \"1.2.3.4:6\", "
                          "protocol: udp}]}\n"),
              ElementsAre(HasSubstr("tenants[1].publish: 0.0.0.0:1 is published twice: "
                                    "tenants[0]")));
}

TEST(ConfigLoader, DowngradeFollowsAnUpgradeOnly) {
  EXPECT_EQ(load("rules: [{name: ssh, action: upgrade, then: downgrade}]").rules.at(0).then,
            Then::kDowngrade);
  EXPECT_THAT(
      problems_of("rules:\n"
                  "  - {name: a, action: forward, then: downgrade}\n"
                  "  - {name: b, action: upgrade, then: forward}\n"
                  "  - {name: c, action: upgrade, then: downgrade,\n"
                  "     match: {to_tunnel: false}}\n"),
      ElementsAre(
          "2:32: rules[0].then: can only follow `action: upgrade`; write that, or leave it out",
          HasSubstr("3:38: rules[1].then: expected downgrade, got "),
          HasSubstr("4:32: rules[2].then: needs a tunnel at the destination")));
}

TEST(ConfigLoader, ReadsWhatARuleCanAsk) {
  const Settings settings = load(
      "rules:\n"
      "  - name: all\n"
      "    match:\n"
      "      tunnel: [laptop-*, phone]\n"
      "      labels: {user: alice, team: [red, \"b*\"]}\n"
      "      icmp_type: [echo_request, 13]\n"
      "      name: [Example.COM, \"*.example.com\", \"*\"]\n"
      "      time: [\"08:00-18:00\", \"22:00-06:00\"]\n"
      "      days: [mon-fri, sun]\n"
      "      zone: \"-05:30\"\n"
      "      new_flows: \"> 100/s\"\n"
      "      open_flows: \">50\"\n"
      "      bit_rate: \">20Mbit/s\"\n"
      "    action: drop\n"
      "    mark: 0x17\n"
      "    limit: 600/m\n"
      "    log: true\n"
      "  - {name: elsewhere, redirect: \"192.0.2.7:8080\", mark: 23, dscp: af41}\n"
      "  - {name: six, action: upgrade, redirect: \"2001:db8::7\", bandwidth: 2500kbit/s}\n");
  ASSERT_EQ(settings.rules.size(), 3u);
  const RuleMatch& match = settings.rules[0].match;
  EXPECT_THAT(match.tunnel, ElementsAre("laptop-*", "phone"));
  EXPECT_THAT(match.labels,
              ElementsAre(LabelMatch{"user", {"alice"}}, LabelMatch{"team", {"red", "b*"}}));
  EXPECT_THAT(match.icmp_type, ElementsAre(IcmpType{8, 128}, IcmpType{13, 13}));
  EXPECT_THAT(match.name, ElementsAre("example.com", "*.example.com", "*"));
  EXPECT_THAT(match.time, ElementsAre(TimeRange{480, 1080}, TimeRange{1320, 360}));
  EXPECT_THAT(match.days, ElementsAre(DayRange{0, 4}, DayRange{6, 6}));
  EXPECT_EQ(match.zone, Zone{std::int16_t{-330}});
  EXPECT_EQ(match.new_flows, (Rate{100, std::chrono::seconds(1)}));
  EXPECT_EQ(match.open_flows, 50u);
  EXPECT_EQ(match.bit_rate, BitRate{20'000'000});
  EXPECT_EQ(settings.rules[0].mark, 23u);
  EXPECT_EQ(settings.rules[1].mark, 23u);
  EXPECT_EQ(settings.rules[1].dscp, flows::Dscp{34});
  EXPECT_EQ(settings.rules[0].limit, (Rate{600, 1min}));
  EXPECT_EQ(settings.rules[2].bandwidth, BitRate{2'500'000});
  EXPECT_TRUE(settings.rules[0].log);
  EXPECT_EQ(settings.rules[1].action, flows::Action::kUpgrade);
  EXPECT_EQ(settings.rules[1].redirect,
            (Redirect{*base::IpAddress::parse("192.0.2.7"), base::Port{8080}}));
  EXPECT_EQ(settings.rules[2].redirect, (Redirect{*base::IpAddress::parse("2001:db8::7"), {}}));
}

// The mistakes of one rule whose match or own keys are `text`, without the place in the line.
std::vector<std::string> mistakes_in(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string& line : problems_of("rules: [{name: r, " + text + "}]")) {
    lines.push_back(line.substr(line.find(' ') + 1));
  }
  return lines;
}

TEST(ConfigLoader, SaysWhatIsWrongWithAMatch) {
  const auto mistake = [](const std::string& match) {
    const auto lines = mistakes_in("action: drop, match: {" + match + "}");
    EXPECT_EQ(lines.size(), 1u) << match << " " << testing::PrintToString(lines);
    return lines.empty() ? "" : lines[0];
  };
  EXPECT_EQ(mistake("name: a..b"),
            "rules[0].match.name: expected a host name such as example.com, or *.example.com for "
            "all below it, got \"a..b\"");
  EXPECT_THAT(mistake("name: example.com."), HasSubstr("without the dot at its end"));
  EXPECT_THAT(mistake("name: 192.0.2.1"), HasSubstr("addresses belong to `destination`"));
  EXPECT_THAT(mistake("name: a*.example.com"), HasSubstr("expected a host name"));
  EXPECT_EQ(mistake("time: 25:00-26:00"),
            "rules[0].match.time: expected two times of the day such as 08:00-18:00, got "
            "\"25:00-26:00\"");
  EXPECT_THAT(mistake("time: 08:00-08:00"), HasSubstr("the whole day is 00:00-24:00"));
  EXPECT_THAT(mistake("time: 24:00-08:00"), HasSubstr("expected two times of the day"));
  EXPECT_THAT(mistake("days: monday"), HasSubstr("expected a day (mon, tue, "));
  EXPECT_THAT(mistake("days: mon, zone: Berlin"),
              HasSubstr("rules[0].match.zone: expected local, utc, or a distance from utc"));
  EXPECT_EQ(
      mistake("zone: utc"),
      "rules[0].match.zone: is of `time` and `days`, and has neither; add one, or leave it out");
  EXPECT_EQ(mistake("new_flows: 100/s"),
            "rules[0].match.new_flows: expected a rate such as >100/s or >600/m, got \"100/s\"");
  EXPECT_THAT(mistake("new_flows: '>100/h'"), HasSubstr("expected a rate such as"));
  EXPECT_THAT(mistake("new_flows: '>0/s'"), HasSubstr("expected a rate such as"));
  EXPECT_THAT(mistake("open_flows: 50"), HasSubstr("is to be exceeded, such as \">50\""));
  EXPECT_THAT(mistake("icmp_type: 256"), HasSubstr("an ICMP type from 0 to 255"));
  EXPECT_THAT(mistake("icmp_type: 8, protocol: tcp"), HasSubstr("can never match"));
  EXPECT_EQ(mistake("labels: alice"),
            "rules[0].match.labels: expected labels and their values such as {user: alice}, got "
            "\"alice\"");
  EXPECT_EQ(mistake("labels: {}"),
            "rules[0].match.labels: expected labels and their values such as {user: alice}, got "
            "none");
  EXPECT_THAT(mistake("labels: {user: }"), HasSubstr("rules[0].match.labels.user: names nothing"));
  EXPECT_EQ(mistake("labels: {user: a, user: b}"),
            "rules[0].match.labels.user: given twice, first in line 1; remove one");
  EXPECT_THAT(mistake("labels: {\"\\e\": a}"), HasSubstr("a label's name has 1 to 64 printable"));
  EXPECT_THAT(mistake("tunnel: ''"), HasSubstr("expected a tunnel's name"));
}

TEST(ConfigLoader, SaysWhatIsWrongWithWhatARuleDoes) {
  EXPECT_THAT(mistakes_in("redirect: nowhere"),
              ElementsAre("rules[0].redirect: expected an address, or one with a port: 192.0.2.1, "
                          "192.0.2.1:8080 or \"[2001:db8::1]:8080\", got \"nowhere\""));
  EXPECT_THAT(
      mistakes_in("redirect: 192.0.2.1, action: reject"),
      ElementsAre(
          "rules[0].redirect: goes with `action: upgrade` only; write that, or leave it out"));
  EXPECT_THAT(mistakes_in("redirect: 192.0.2.1, then: downgrade"),
              ElementsAre("rules[0].redirect: cannot go with `then`; leave one of them out"));
  EXPECT_THAT(mistakes_in("redirect: 192.0.2.1, match: {protocol: icmp}"),
              ElementsAre(HasSubstr("can never be: none of the rule's protocols is tcp or udp")));
  EXPECT_THAT(mistakes_in("action: drop, limit: 100"),
              ElementsAre(HasSubstr("rules[0].limit: expected a rate such as 100/s, 600/m or "
                                    "1000/h, got \"100\"")));
  EXPECT_THAT(mistakes_in("action: drop, log: maybe"), ElementsAre(HasSubstr("rules[0].log: ")));
}

}  // namespace
}  // namespace gateway
