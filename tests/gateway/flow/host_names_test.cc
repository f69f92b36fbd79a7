#include "gateway/flow/host_names.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/addresses.h"

namespace gateway {
namespace {

using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;
using test_support::address;

flows::DnsAnswer answer(std::string_view label, const base::IpAddress& address,
                        std::uint32_t ttl_seconds = 60) {
  flows::DnsAnswer answer;
  answer.name.append_label(label);
  answer.address_list[0] = address;
  answer.address_count = 1;
  answer.ttl_seconds = ttl_seconds;
  return answer;
}

class HostNamesTest : public testing::Test {
 protected:
  std::string name(std::uint32_t tenant, const base::IpAddress& address, base::Instant now) {
    const flows::NameIndex index = names_.find(tenant, address, now);
    return index == flows::kNoName ? "none" : std::string(table_.text(index));
  }

  const base::IpAddress kAddress = address("192.0.2.1");
  const base::Instant start_{};
  std::vector<flows::NameRecord> records_{10'000};
  flows::NameTable table_{records_};
  HostNames names_{table_};
};

TEST_F(HostNamesTest, AnAddressHasTheNameThatItWasGivenForLast) {
  EXPECT_EQ(name(1, kAddress, start_), "none");
  names_.learn(1, answer("old", kAddress), start_);
  names_.learn(1, answer("new", kAddress), start_);
  EXPECT_EQ(name(1, kAddress, start_), "new");
}

TEST_F(HostNamesTest, AnAddressKeepsAFewOfItsNames) {
  for (const char* name : {"one", "two", "three", "two", "four", "five"}) {
    names_.learn(1, answer(name, kAddress), start_);
  }
  std::vector<std::string> known;
  const KnownNames names = names_.all(1, kAddress, start_);
  for (const KnownNames::Name& name : names.all()) {
    known.emplace_back(name.text);
  }
  EXPECT_EQ(known, (std::vector<std::string>{"five", "four", "two", "three"}));
  EXPECT_EQ(table_.size(), KnownNames::kMost) << "the records of the others are free";
}

TEST_F(HostNamesTest, ANameHasTheAddressesThatItWasGivenWhileTheyAreKnown) {
  const auto addresses = [&](std::uint32_t tenant, std::string_view name, base::Instant now,
                             std::size_t most = 9) {
    return names_.addresses(tenant, name, most, now);
  };
  using Addresses = std::vector<base::IpAddress>;
  const base::IpAddress other = address("192.0.2.2");
  names_.learn(1, answer("www", other), start_);
  names_.learn(1, answer("www", kAddress), start_);
  names_.learn(1, answer("mail", kAddress), start_);
  EXPECT_EQ(addresses(1, "www", start_), (Addresses{kAddress, other}));
  EXPECT_EQ(addresses(1, "mail", start_), Addresses{kAddress});
  EXPECT_EQ(addresses(1, "www", start_, 1), Addresses{kAddress});
  EXPECT_EQ(addresses(2, "www", start_), Addresses{});
  EXPECT_EQ(addresses(1, "none", start_), Addresses{});
  names_.learn(1, answer("www", other, 3600), start_);
  EXPECT_EQ(addresses(1, "www", start_ + 10min), Addresses{other});
}

// A name server may tell of thousands, and nobody walks past those twice.
TEST_F(HostNamesTest, WhatIsTooOldIsForgottenByWhoeverAsksForTheNamesAddresses) {
  names_.learn(1, answer("mail", kAddress, 3600), start_);
  names_.learn(1, answer("www", kAddress), start_);
  names_.learn(1, answer("www", address("192.0.2.2")), start_);
  EXPECT_TRUE(names_.addresses(1, "www", 9, start_ + 10min).empty());
  EXPECT_EQ(table_.size(), 1U) << "the record of the name is free";
  EXPECT_EQ(name(1, kAddress, start_ + 10min), "mail");
  EXPECT_TRUE(names_.addresses(1, "www", 9, start_).empty());
}

TEST_F(HostNamesTest, WhatOneTenantWasToldSaysNothingToAnother) {
  names_.learn(1, answer("one", kAddress), start_);
  EXPECT_EQ(name(2, kAddress, start_), "none");
}

// Or one whose name server makes up names, and which has a flow to each, would take all records.
TEST_F(HostNamesTest, OneTenantLeavesRoomForTheNamesOfAnother) {
  std::vector<flows::NameIndex> flows;
  for (std::uint32_t i = 0; i < table_.size() + table_.room() && i < 100'000; ++i) {
    const base::IpAddress to = base::IpAddress::v4(0x0a000000 + i);
    names_.learn(1, answer(("name" + std::to_string(i)).c_str(), to), start_);
    const flows::NameIndex name = names_.find(1, to, start_);
    if (name != flows::kNoName && names_.use(1, name)) {
      flows.push_back(name);
    }
  }
  EXPECT_NEAR(static_cast<double>(flows.size()), static_cast<double>(table_.room()), 1);
  names_.learn(2, answer("two", kAddress), start_);
  EXPECT_EQ(name(2, kAddress, start_), "two");
  EXPECT_TRUE(names_.use(2, names_.find(2, kAddress, start_)));
  for (const flows::NameIndex name : flows) {
    names_.release(1, name);
  }
  EXPECT_LE(table_.size(), HostNames::kMaxPerTenant + 1);
}

TEST_F(HostNamesTest, ANameIsForgottenSomeTimeAfterItsTtl) {
  names_.learn(1, answer("short", kAddress, 1), start_);
  EXPECT_EQ(name(1, kAddress, start_ + 4min), "short");
  EXPECT_EQ(name(1, kAddress, start_ + 6min), "none");
  names_.learn(1, answer("long", kAddress, 0xffffffff), start_);
  EXPECT_EQ(name(1, kAddress, start_ + 23h), "long");
  EXPECT_EQ(name(1, kAddress, start_ + 25h), "none");
}

TEST_F(HostNamesTest, ATenantWithTooManyLosesThoseLearnedFirst) {
  for (std::uint32_t i = 0; i <= HostNames::kMaxPerTenant; ++i) {
    names_.learn(1, answer("n" + std::to_string(i), kAddress.plus(i)), start_);
  }
  EXPECT_EQ(name(1, kAddress, start_), "none");
  EXPECT_EQ(name(1, kAddress.plus(1), start_), "n1");
  EXPECT_EQ(table_.size(), HostNames::kMaxPerTenant);
}

TEST_F(HostNamesTest, WithoutRoomForTheNameNothingIsLearned) {
  std::vector<flows::NameRecord> one(1);
  flows::NameTable table(one);
  HostNames names(table);
  names.learn(1, answer("first", kAddress), start_);
  names.learn(1, answer("second", kAddress.plus(1)), start_);
  EXPECT_EQ(names.find(1, kAddress.plus(1), start_), flows::kNoName);
  EXPECT_NE(names.find(1, kAddress, start_), flows::kNoName);
}

}  // namespace
}  // namespace gateway
