#include "gateway/inspect/flow_filter.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

constexpr FlowNames kNames{.tenant = "acme", .tunnel = "laptop-17", .rule = "web"};

flows::Flow flow_of(const std::string& source, const std::string& destination) {
  flows::Flow flow;
  flow.key = {.source = *base::Endpoint::parse(source),
              .destination = *base::Endpoint::parse(destination),
              .tenant = 1001,
              .protocol = flows::Protocol::kTcp};
  flow.tunnel = 4;
  flow.rule = 2;
  flow.state = flows::FlowState::kEstablished;
  return flow;
}

const flows::Flow kFlow = flow_of("10.1.2.3:40000", "[2001:db8::1]:443");

const std::string kAmounts =
    "age, idle, up, down, bytes, up_packets, down_packets, packets with < or >";
const std::string kKnown =
    "tenant, tunnel, protocol, state, action, rule, mark, dscp, name, source, destination, "
    "upstream, then, id; " +
    kAmounts;

bool matches(const std::string& text, const flows::Flow& flow = kFlow) {
  const auto filter = FlowFilter::parse(std::vector{text});
  EXPECT_TRUE(filter) << text << ": " << filter.error();
  return filter && filter->matches(flow, kNames);
}

std::string error_of(const std::string& text) {
  const auto filter = FlowFilter::parse(std::vector{text});
  EXPECT_FALSE(filter) << text;
  return filter ? "" : filter.error();
}

TEST(FlowFilter, WithoutTermsLetsEverythingThrough) {
  EXPECT_TRUE(matches(""));
  EXPECT_TRUE(matches("  "));
  EXPECT_TRUE(FlowFilter().matches(kFlow, kNames));
  EXPECT_TRUE(FlowFilter().lets_everything_through());
}

TEST(FlowFilter, NamesMayBeGivenAsTheirNumbers) {
  EXPECT_TRUE(matches("tenant=acme"));
  EXPECT_TRUE(matches("tenant=1001"));
  EXPECT_FALSE(matches("tenant=acm"));
  EXPECT_TRUE(matches("tunnel=laptop-17"));
  EXPECT_TRUE(matches("tunnel=4"));
  EXPECT_FALSE(matches("tunnel=5"));
  EXPECT_TRUE(matches("rule=web"));
  EXPECT_TRUE(matches("rule=2"));
  EXPECT_FALSE(matches("rule=default"));
}

TEST(FlowFilter, HostsAreNamedByThemselvesOrTheirDomain) {
  const auto matches = [](const std::string& text, std::string_view host) {
    const auto filter = FlowFilter::parse(std::vector{text});
    return filter && filter->matches(kFlow, {"acme", "laptop-17", "web", host});
  };
  EXPECT_TRUE(matches("name=www.example.org", "www.example.org"));
  EXPECT_TRUE(matches("name=WWW.Example.ORG", "www.example.org"));
  EXPECT_FALSE(matches("name=example.org", "www.example.org"));
  EXPECT_TRUE(matches("name=*.example.org", "www.example.org"));
  EXPECT_FALSE(matches("name=*.example.org", "example.org"));
  EXPECT_FALSE(matches("name=*.example.org", "badexample.org"));
  EXPECT_FALSE(matches("name=www.example.org", ""));
}

TEST(FlowFilter, ProtocolStateAndActionAreNames) {
  EXPECT_TRUE(matches("protocol=tcp"));
  EXPECT_TRUE(matches("protocol=6"));
  EXPECT_FALSE(matches("protocol=udp"));
  EXPECT_TRUE(matches("state=established"));
  EXPECT_FALSE(matches("state=time_wait"));
  EXPECT_TRUE(matches("action=upgrade"));
  EXPECT_FALSE(matches("action=drop"));
}

TEST(FlowFilter, EndsAreAddressesPrefixesAndPorts) {
  for (const char* holds :
       {"source=10.1.2.3", "source=10.0.0.0/8", "source=:40000", "source=10.1.2.3:40000",
        "source=10.0.0.0/8:40000", "destination=2001:db8::1", "destination=2001:db8::/32",
        "destination=:443", "destination=[2001:db8::1]:443", "destination=[2001:db8::/32]:443"}) {
    EXPECT_TRUE(matches(holds)) << holds;
  }
  for (const char* fails :
       {"source=10.1.2.4", "source=11.0.0.0/8", "source=:443", "source=10.1.2.3:443",
        "source=11.0.0.0/8:40000", "source=::/0", "destination=2001:db8::2", "destination=:40000",
        "destination=[2001:db8::1]:444", "destination=0.0.0.0/0"}) {
    EXPECT_FALSE(matches(fails)) << fails;
  }
}

TEST(FlowFilter, QuantitiesAreMoreOrLess) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  flows::Flow flow = kFlow;
  flow.created_ns = 100 * kSecond;
  flow.last_seen_ns = 160 * kSecond;
  flow.up = {.packets = 3, .bytes = 2048};
  flow.down = {.packets = 5, .bytes = 100};
  const auto matches_at = [&](const std::string& text, std::int64_t seconds) {
    return FlowFilter::parse(std::vector{text})->matches(flow, kNames, seconds * kSecond);
  };
  EXPECT_TRUE(matches_at("age>99s idle>39s", 200));
  EXPECT_FALSE(matches_at("age>100s", 200));
  EXPECT_TRUE(matches_at("age<2m idle<1h age>1500ms age<1d", 200));
  EXPECT_TRUE(matches("age>59s idle<1ms", flow));  // as of its last packet
  EXPECT_TRUE(matches("up>1KiB up<2049 down<1MiB bytes>2147", flow));
  EXPECT_FALSE(matches("up>2KiB", flow));
  EXPECT_TRUE(matches("up_packets<4 down_packets>4 packets>7", flow));
}

TEST(FlowFilter, IdUpstreamAndThen) {
  flows::Flow flow = kFlow;
  flow.id = 17;
  EXPECT_TRUE(matches("id=17 then=nothing", flow));
  EXPECT_FALSE(matches("id=18", flow));
  EXPECT_FALSE(matches("upstream=0.0.0.0/0", flow));  // it has none
  flow.upstream = *base::Endpoint::parse("192.0.2.9:8443");
  EXPECT_TRUE(matches("upstream=192.0.2.0/24:8443", flow));
  flow.peer_tunnel = 5;
  EXPECT_TRUE(matches("then=downgrade", flow));
}

TEST(FlowFilter, MarkAndCodePointAreWhatTheRuleHasGiven) {
  flows::Flow flow = kFlow;
  EXPECT_TRUE(matches("mark=0 dscp=none", flow));
  EXPECT_FALSE(matches("dscp=cs0", flow)) << "which is a code point, too";
  flow.mark = 0x17;
  flow.dscp = flows::Dscp{46};
  EXPECT_TRUE(matches("mark=23 mark=0x17 dscp=ef dscp=46", flow));
  EXPECT_FALSE(matches("mark=17", flow));
  EXPECT_FALSE(matches("dscp=af41", flow));
  EXPECT_EQ(error_of("mark=0x"),
            "filter: mark: '0x' is not a number of 32 bits, such as 23 or 0x17");
  EXPECT_NE(error_of("mark=4294967296"), "");
  EXPECT_NE(error_of("dscp=64").find("a number from 0 to 63, or none"), std::string::npos);
}

TEST(FlowFilter, EveryKeyForCompletionIsOneThatItKnows) {
  for (const FilterKey& key : filter_keys()) {
    EXPECT_NE(kKnown.find(key.key), std::string::npos) << key.key;
    for (const std::string_view value : key.values) {
      EXPECT_TRUE(FlowFilter::parse(std::vector{std::string(key.key) + "=" + std::string(value)}));
    }
  }
}

TEST(FlowFilter, EveryTermMustHold) {
  EXPECT_TRUE(matches("tenant=acme protocol=tcp\tsource=10.0.0.0/8  source=:40000"));
  EXPECT_FALSE(matches("tenant=acme protocol=udp"));
  const auto filter = FlowFilter::parse(std::vector<std::string>{"tenant=acme", "state=dialing"});
  ASSERT_TRUE(filter);
  EXPECT_FALSE(filter->matches(kFlow, kNames));
}

TEST(FlowFilter, WhatItDoesNotKnowIsNamedWithWhatItDoes) {
  EXPECT_EQ(error_of("tennant=acme"), "filter: unknown key 'tennant'; known: " + kKnown);
  for (const std::string bad : {"acme", "=acme", "tenant=", ">5", "age>"}) {
    EXPECT_EQ(error_of(bad), "filter: '" + bad + "' is not key=value; known keys: " + kKnown);
  }
  EXPECT_EQ(error_of("tenant>5"), "filter: unknown key 'tenant'; known: " + kAmounts);
  EXPECT_EQ(error_of("id=x"), "filter: id: 'x' is not a number");
  EXPECT_EQ(error_of("then=upgrade"), "filter: then: 'upgrade' is not one of downgrade, nothing");
  EXPECT_EQ(error_of("age>10"), "filter: age: '10' is not a time, as 10s or 5m");
  EXPECT_EQ(error_of("up>10kB"), "filter: up: '10kB' is not a size, as 1500 or 10MiB");
  EXPECT_EQ(error_of("packets<1k"), "filter: packets: '1k' is not a number");
  EXPECT_EQ(error_of("age>18446744073709551615d"),
            "filter: age: '18446744073709551615d' is not a time, as 10s or 5m");
  EXPECT_EQ(error_of("tenant=acme state=open"),
            "filter: state: 'open' is not one of dialing, syn_received, established, closing, "
            "time_wait");
  EXPECT_EQ(error_of("action=allow"),
            "filter: action: 'allow' is not one of upgrade, forward, reject, drop, downgrade");
  EXPECT_EQ(error_of("protocol=256"),
            "filter: protocol: '256' is not tcp, udp, icmp, icmpv6 or a number below 256");
}

TEST(FlowFilter, EndThatCannotBeReadIsNamed) {
  for (const std::string bad : {"10.0.0.300", "10.1.2.3/8", ":", ":65536", "10.0.0.1:", "[::1]",
                                "[::1]:", "[::1", "example.org:443", "10.0.0.1:http"}) {
    EXPECT_EQ(error_of("source=" + bad),
              "filter: source: '" + bad + "' is not an address, a prefix, or either with :PORT");
  }
}

}  // namespace
}  // namespace gateway
