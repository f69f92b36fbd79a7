#include "gateway/onramp/tunnel_context.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace gateway {
namespace {

using base::IpPrefix;

auto parsed(std::string_view text) {
  return parse_context(std::as_bytes(std::span(text)));
}

// A context that is right but for `members`.
std::string with(std::string_view members) {
  return R"({"tenant":"acme",)" + std::string(members) + "}";
}

void expect_refused(std::string_view text, ContextError error, std::string_view message) {
  const auto context = parsed(text);
  ASSERT_FALSE(context) << text;
  EXPECT_EQ(name(context.error().error), name(error)) << text;
  EXPECT_EQ(context.error().message, message) << text;
}

TEST(TunnelContext, ReadsEveryKey) {
  const auto context = parsed(
      R"({"version":1,"tenant":"acme","name":"laptop-17","addresses":["100.64.0.2/32","fd00:64::2/128"],)"
      R"("mtu":1400,"offload":true,"reply":true,"labels":{"user":"alice","site":""}})");

  ASSERT_TRUE(context) << context.error().message;
  EXPECT_EQ(context->tenant, "acme");
  EXPECT_EQ(context->name, "laptop-17");
  EXPECT_EQ(context->addresses,
            (std::vector{*IpPrefix::parse("100.64.0.2/32"), *IpPrefix::parse("fd00:64::2/128")}));
  EXPECT_EQ(context->mtu_bytes, 1400u);
  EXPECT_TRUE(context->offload);
  EXPECT_TRUE(context->reply);
  EXPECT_EQ(context->labels, (std::map<std::string, std::string>{{"user", "alice"}, {"site", ""}}));
}

TEST(TunnelContext, TenantIsEnough) {
  const auto context = parsed(R"({"tenant":"acme"})");

  ASSERT_TRUE(context) << context.error().message;
  EXPECT_EQ(context->name, "");
  EXPECT_TRUE(context->addresses.empty());
  EXPECT_EQ(context->mtu_bytes, 1500u);
  EXPECT_FALSE(context->offload);
  EXPECT_FALSE(context->reply);
}

TEST(TunnelContext, WithoutATenantThereIsNone) {
  expect_refused("{}", ContextError::kMissingTenant,
                 "context: tenant: missing; it is the one key that must be there");
  expect_refused(R"({"tenant":""})", ContextError::kBadField, "context: tenant: must not be empty");
  expect_refused(R"({"tenant":7})", ContextError::kBadField, "context: tenant: must be a string");
}

TEST(TunnelContext, AddressMayStandWithoutALength) {
  const auto context = parsed(with(R"("addresses":["10.0.0.7","fd00::7","10.1.0.0/16"])"));

  ASSERT_TRUE(context) << context.error().message;
  EXPECT_EQ(context->addresses,
            (std::vector{*IpPrefix::parse("10.0.0.7/32"), *IpPrefix::parse("fd00::7/128"),
                         *IpPrefix::parse("10.1.0.0/16")}));
}

TEST(TunnelContext, AddressThatIsNoPrefixIsNamed) {
  expect_refused(with(R"("addresses":["10.0.0.0/8","10.0.0.300/8"])"), ContextError::kBadAddress,
                 "context: addresses[1]: '10.0.0.300/8' is not an IP prefix");
  for (const std::string bad : {"", "acme", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/8x",
                                "10.0.0.0/-1", "/8", "10.0.0.0/256", "10.0.0.1 "}) {
    expect_refused(with(R"("addresses":[")" + bad + R"("])"), ContextError::kBadAddress,
                   "context: addresses[0]: '" + bad + "' is not an IP prefix");
  }
  expect_refused(with(R"("addresses":[7])"), ContextError::kBadField,
                 "context: addresses[0]: must be a string");
  expect_refused(with(R"("addresses":"10.0.0.0/8")"), ContextError::kBadField,
                 "context: addresses: must be a list of IP prefixes");
}

TEST(TunnelContext, AddressWithHostBitsIsToldWhatToWrite) {
  expect_refused(with(R"("addresses":["10.1.2.3/8"])"), ContextError::kBadAddress,
                 "context: addresses[0]: '10.1.2.3/8' has bits set beyond its length; "
                 "write 10.0.0.0/8 or 10.1.2.3/32");
  expect_refused(with(R"("addresses":["fd00::1/64"])"), ContextError::kBadAddress,
                 "context: addresses[0]: 'fd00::1/64' has bits set beyond its length; "
                 "write fd00::/64 or fd00::1/128");
}

TEST(TunnelContext, VersionIsOneOrLeftOut) {
  EXPECT_TRUE(parsed(with(R"("version":1)")));
  expect_refused(with(R"("version":2,"new_key":true)"), ContextError::kUnknownVersion,
                 "context: version: 2 is not known; this gateway knows version 1");
  expect_refused(with(R"("version":0)"), ContextError::kUnknownVersion,
                 "context: version: 0 is not known; this gateway knows version 1");
  for (const std::string bad : {R"("1")", "1.0", "null", "true"}) {
    expect_refused(with(R"("version":)" + bad), ContextError::kBadField,
                   "context: version: must be a whole number");
  }
}

TEST(TunnelContext, MtuHasItsLimits) {
  EXPECT_TRUE(parsed(with(R"("mtu":576)")));
  EXPECT_TRUE(parsed(with(R"("mtu":65535)")));
  for (const std::string bad : {"575", "65536", "-1500", "0", "18446744073709551615"}) {
    expect_refused(with(R"("mtu":)" + bad), ContextError::kBadField,
                   "context: mtu: " + bad + " is not between 576 and 65535");
  }
  for (const std::string bad : {"1500.0", R"("1500")", "null"}) {
    expect_refused(with(R"("mtu":)" + bad), ContextError::kBadField,
                   "context: mtu: must be a whole number of bytes");
  }
}

TEST(TunnelContext, MtuOfATunnelWithIpv6IsAtLeast1280) {
  EXPECT_TRUE(parsed(with(R"("mtu":1280,"addresses":["fd00::/64"])")));
  expect_refused(with(R"("mtu":1279,"addresses":["10.0.0.0/8","fd00::/64"])"),
                 ContextError::kBadField, "context: mtu: 1279 is below 1280, which IPv6 needs");
}

TEST(TunnelContext, FlagsAreBooleans) {
  expect_refused(with(R"("offload":1)"), ContextError::kBadField,
                 "context: offload: must be true or false");
  expect_refused(with(R"("reply":"yes")"), ContextError::kBadField,
                 "context: reply: must be true or false");
}

TEST(TunnelContext, LabelsAreStrings) {
  expect_refused(with(R"("labels":{"user":7})"), ContextError::kBadField,
                 "context: labels.user: must be a string");
  expect_refused(with(R"("labels":{"user":{"name":"alice"}})"), ContextError::kBadField,
                 "context: labels.user: must be a string");
  expect_refused(with(R"("labels":["user"])"), ContextError::kBadField,
                 "context: labels: must be an object of strings");
  expect_refused(with(R"("labels":{"":"x"})"), ContextError::kBadField,
                 "context: a key of labels: must not be empty");
}

TEST(TunnelContext, WhatIsTooLongOrTooManyIsRefused) {
  const std::string long_name(kMaxTunnelNameBytes + 1, 'x');
  expect_refused(with(R"("name":")" + long_name + "\""), ContextError::kBadField,
                 "context: name: 65 bytes long, and at most 64 are taken");
  EXPECT_TRUE(parsed(with(R"("name":")" + long_name.substr(1) + "\"")));
  expect_refused(with(R"("labels":{"k":")" + std::string(257, 'x') + "\"}"),
                 ContextError::kBadField,
                 "context: labels.k: 257 bytes long, and at most 256 are taken");

  std::string many_labels = R"("labels":{)";
  for (std::size_t i = 0; i <= kMaxLabels; ++i) {
    many_labels += (i == 0 ? "" : ",") + ("\"k" + std::to_string(i)) + R"(":"v")";
  }
  expect_refused(with(many_labels + "}"), ContextError::kBadField,
                 "context: labels: 33 of them, and at most 32 are taken");

  std::string many_addresses = R"("addresses":["10.0.0.1")";
  for (std::size_t i = 0; i < kMaxTunnelAddresses; ++i) {
    many_addresses += R"(,"10.0.0.1")";
  }
  expect_refused(with(many_addresses + "]"), ContextError::kBadField,
                 "context: addresses: 257 of them, and at most 256 are taken");
}

TEST(TunnelContext, TextThatCannotBeShownIsRefusedAndNotShown) {
  expect_refused(R"({"tenant":"ac\u001b[2Jme"})", ContextError::kBadField,
                 "context: tenant: 'ac?[2Jme' has control characters");
  expect_refused(with(R"("na\nme":"x")"), ContextError::kUnknownKey,
                 "context: unknown key 'na?me'");
  expect_refused(with(R"("labels":{"a\u0000b":"x"})"), ContextError::kBadField,
                 "context: a key of labels: 'a?b' has control characters");
}

TEST(TunnelContext, UnknownKeysAreRefused) {
  expect_refused(with(R"("adresses":["10.0.0.0/8"])"), ContextError::kUnknownKey,
                 "context: unknown key 'adresses'");
}

TEST(TunnelContext, WhatIsNotOneJsonObjectIsRefused) {
  expect_refused("", ContextError::kNotJson, "context: not JSON: it ends in the middle");
  expect_refused(R"({"tenant":"ac)", ContextError::kNotJson,
                 "context: not JSON: it ends in the middle");
  expect_refused("E\x00\x00\x54", ContextError::kNotJson, "context: not JSON at byte 1");
  expect_refused("{\"tenant\":\"\xe9\"}", ContextError::kNotJson, "context: not UTF-8 at byte 12");
  expect_refused(R"(["acme"])", ContextError::kNotAnObject,
                 "context: must be a JSON object, and is array");
  expect_refused(R"({"tenant":"acme","tenant":"other"})", ContextError::kBadField,
                 "context: 'tenant' stands there twice");
  expect_refused(with(R"("labels":[[[[[]]]]])"), ContextError::kBadField,
                 "context: nested deeper than 4 levels");
}

TEST(TunnelContext, SixteenKibibytesAreTheLimit) {
  const std::string padding(kMaxContextBytes - with(R"("name":"x")").size(), ' ');
  EXPECT_TRUE(parsed(with(R"("name":"x")" + padding)));
  expect_refused(with(R"("name":"x")" + padding + " "), ContextError::kTooLong,
                 "context: longer than 16384 bytes");
}

TEST(TunnelContext, RefusalKnowsWhetherAnAnswerIsWanted) {
  EXPECT_TRUE(parsed(R"({"reply":true})").error().reply);
  EXPECT_TRUE(parsed(R"({"reply":true,"version":9,"tenant":"acme"})").error().reply);
  EXPECT_FALSE(parsed(R"({"reply":false})").error().reply);
  EXPECT_FALSE(parsed(R"({"reply":"true"})").error().reply);
  EXPECT_FALSE(parsed(R"({"reply":true)").error().reply) << "half a context";
}

TEST(ContextErrorNames, AreSnakeCaseAndDiffer) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kContextErrorCount; ++i) {
    const auto error = static_cast<ContextError>(i);
    names.insert(name(error));
    EXPECT_TRUE(std::ranges::all_of(name(error), [](char c) {
      return c == '_' || std::islower(c);
    })) << name(error);
    EXPECT_FALSE(explain(error).empty());
    EXPECT_TRUE(std::isupper(explain(error).front()))
        << "as all meanings of drops: " << explain(error);
  }
  EXPECT_EQ(names.size(), kContextErrorCount);
}

}  // namespace
}  // namespace gateway
