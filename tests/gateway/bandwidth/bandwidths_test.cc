// Which flows share which bound, and what a reload makes of that.
#include "gateway/bandwidth/bandwidths.h"

#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"
#include "gateway/policy/rule_names.h"

namespace gateway {
namespace {

constexpr base::Instant kNow{std::chrono::hours(1)};

class BandwidthsTest : public testing::Test {
 protected:
  void set_rules(const std::string& rules) {
    const auto settings =
        load_config("tenants: [{name: acme, id: 7}, {name: other, id: 9}]\nrules:\n" + rules, "t");
    ASSERT_TRUE(settings) << settings.error()[0].to_string();
    bandwidths_.set_rules(Policy(*settings, names_.numbers_of(settings->rules).value()), kNow);
  }
  static TenantSettings tenant(const std::string& name, std::uint32_t id) {
    TenantSettings settings;
    settings.name = name;
    settings.id = id;
    return settings;
  }
  // (rule, tenant, bits per second) of each that is in use.
  std::vector<std::tuple<int, int, int>> all() const {
    std::vector<std::tuple<int, int, int>> list;
    bandwidths_.for_each([&](std::uint16_t rule, std::uint32_t id, const Bandwidth& bound) {
      list.emplace_back(rule, id, bound.bits_per_second());
    });
    return list;
  }

  RuleNames names_;
  Bandwidths bandwidths_;
  Tenant acme_{tenant("acme", 7)};
  Tenant other_{tenant("other", 9)};
};

TEST_F(BandwidthsTest, RuleHasOneForEachTenantOfWhichAFlowCame) {
  set_rules(
      "- {name: web, action: upgrade, bandwidth: 1Mbit/s, match: {destination_port: 80}}\n"
      "- {name: rest, action: upgrade}\n");
  EXPECT_TRUE(bandwidths_.any());
  EXPECT_TRUE(all().empty());
  Bandwidth* const of_acme = bandwidths_.of(0, acme_, kNow).rule;
  EXPECT_EQ(bandwidths_.of(0, acme_, kNow).rule, of_acme);
  EXPECT_NE(bandwidths_.of(0, other_, kNow).rule, of_acme);
  EXPECT_FALSE(bandwidths_.of(1, acme_, kNow).any());
  EXPECT_FALSE(bandwidths_.of(flows::kDefaultRule, acme_, kNow).any());
  EXPECT_EQ(all().size(), 2U);
}

TEST_F(BandwidthsTest, WithoutBoundsThereAreNone) {
  set_rules("- {name: rest, action: upgrade}\n");
  bandwidths_.set_tenant(acme_, kNow);
  EXPECT_FALSE(bandwidths_.any());
}

TEST_F(BandwidthsTest, TenantHasOneOverAllItsFlows) {
  acme_.settings.bandwidth = BitRate{9'000};
  bandwidths_.set_tenant(acme_, kNow);
  EXPECT_TRUE(bandwidths_.any());
  EXPECT_NE(bandwidths_.of(flows::kDefaultRule, acme_, kNow).tenant, nullptr);
  EXPECT_EQ(bandwidths_.of(flows::kDefaultRule, other_, kNow).tenant, nullptr);

  acme_.settings.bandwidth.reset();
  bandwidths_.set_tenant(acme_, kNow);
  EXPECT_EQ(bandwidths_.of(flows::kDefaultRule, acme_, kNow).tenant, nullptr);
  EXPECT_FALSE(bandwidths_.any());
}

TEST_F(BandwidthsTest, ReloadChangesARateInPlaceAndKeepsTheCount) {
  set_rules("- {name: web, action: upgrade, bandwidth: 1Mbit/s}\n");
  const Bounds bounds = bandwidths_.of(0, acme_, kNow);
  bounds.take(500, kNow);
  set_rules(
      "- {name: new, match: {destination_port: 22}, action: drop}\n"
      "- {name: web, action: upgrade, bandwidth: 2Mbit/s}\n");
  EXPECT_EQ(bandwidths_.of(0, acme_, kNow), bounds) << "rules keep their numbers";
  EXPECT_EQ(bounds.rule->count(kNow).bytes, 500U);
  EXPECT_EQ(all(), (std::vector<std::tuple<int, int, int>>{{0, 7, 2'000'000}}));
}

TEST_F(BandwidthsTest, BoundThatIsTakenAwayLivesUntilNobodyHasIt) {
  set_rules("- {name: web, action: upgrade, bandwidth: 1Mbit/s}\n");
  const Bounds bounds = bandwidths_.of(0, acme_, kNow);
  set_rules("- {name: web, action: upgrade}\n");
  EXPECT_FALSE(bandwidths_.of(0, acme_, kNow).any());
  EXPECT_FALSE(bandwidths_.any());
  bounds.take(1, kNow);
  bandwidths_.forget_removed();
}

}  // namespace
}  // namespace gateway
