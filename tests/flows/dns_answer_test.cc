#include "flows/dns_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/addresses.h"
#include "tests/support/dns_message.h"

namespace flows {
namespace {

using test_support::address;
using test_support::DnsMessage;
using testing::ElementsAre;
using testing::SizeIs;

const base::IpAddress kOne = address("192.0.2.1");
const base::IpAddress kTwo = address("192.0.2.2");
const base::IpAddress kSix = address("2001:db8::1");

bool is_read(const DnsMessage& message) {
  return read_dns_answer(message.bytes()).has_value();
}

TEST(DnsAnswer, HoldsTheNameAndItsAddresses) {
  const auto answer = read_dns_answer(
      DnsMessage("www.example.org").address("@12", kOne, 300).address("@12", kTwo, 60).bytes());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->name.text(), "www.example.org");
  EXPECT_THAT(answer->addresses(), ElementsAre(kOne, kTwo));
  EXPECT_EQ(answer->ttl_seconds, 60U);
}

TEST(DnsAnswer, MayBeOfIpv6) {
  const auto answer =
      read_dns_answer(DnsMessage("example.org", DnsMessage::kAaaa).address("@12", kSix).bytes());
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->addresses(), ElementsAre(kSix));
}

TEST(DnsAnswer, NamesAreComparedWithoutCase) {
  const auto answer =
      read_dns_answer(DnsMessage("WWW.Example.org").address("www.eXample.ORG", kOne).bytes());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->name.text(), "www.example.org");
}

TEST(DnsAnswer, AliasesLeadToTheAddressUnderTheNameThatWasAskedFor) {
  const auto answer = read_dns_answer(DnsMessage("shop.example.org")
                                          .cname("@12", "cdn.example.net", 20)
                                          .cname("cdn.example.net", "pop7.example.net", 3600)
                                          .address("pop7.example.net", kOne, 300)
                                          .bytes());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->name.text(), "shop.example.org");
  EXPECT_EQ(answer->ttl_seconds, 20U);
  EXPECT_THAT(answer->addresses(), ElementsAre(kOne));
}

TEST(DnsAnswer, RecordsOfOtherNamesAreNotBelieved) {
  const auto answer = read_dns_answer(
      DnsMessage("example.org").address("@12", kOne).address("bank.example", kTwo).bytes());
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->addresses(), ElementsAre(kOne));
  EXPECT_FALSE(is_read(DnsMessage("example.org").address("bank.example", kTwo)));
}

TEST(DnsAnswer, OtherRecordsArePassedOver) {
  DnsMessage message("example.org");
  message.record("@12", DnsMessage::kTxt, 60, 0).address("@12", kOne);
  EXPECT_TRUE(is_read(message));
}

TEST(DnsAnswer, QueriesFailuresAndCutAnswersAreNone) {
  const auto with_flags = [](std::uint16_t flags) {
    return is_read(DnsMessage("example.org").address("@12", kOne).flags(flags));
  };
  EXPECT_TRUE(with_flags(0x8180));
  EXPECT_FALSE(with_flags(0x0100)) << "a query";
  EXPECT_FALSE(with_flags(0x8183)) << "NXDOMAIN";
  EXPECT_FALSE(with_flags(0x8380)) << "truncated";
  EXPECT_FALSE(with_flags(0xa180)) << "another opcode";
  EXPECT_FALSE(is_read(DnsMessage("example.org").address("@12", kOne).questions(2)));
  EXPECT_FALSE(is_read(DnsMessage("example.org"))) << "no answer";
  EXPECT_FALSE(is_read(DnsMessage("example.org", DnsMessage::kTxt).address("@12", kOne)));
}

TEST(DnsAnswer, NamesThatCouldUpsetATerminalAreRefused) {
  EXPECT_TRUE(is_read(DnsMessage("_x-1.example").address("@12", kOne)));
  EXPECT_FALSE(is_read(DnsMessage("ex\x1b[31mample").address("@12", kOne)));
  EXPECT_FALSE(is_read(DnsMessage("a b").address("@12", kOne)));
  EXPECT_FALSE(is_read(DnsMessage("").address("@12", kOne))) << "the root";
}

TEST(DnsAnswer, NamesThatPointAtThemselvesEnd) {
  EXPECT_FALSE(is_read(DnsMessage("@12").address("@12", kOne)));
  EXPECT_FALSE(is_read(DnsMessage("example.org").cname("@12", "@41").address("@41", kOne)));
}

TEST(DnsAnswer, EveryTruncationIsNone) {
  const auto whole = DnsMessage("example.org")
                         .cname("@12", "www.example.org")
                         .address("www.example.org", kOne)
                         .address("www.example.org", kTwo)
                         .bytes();
  ASSERT_TRUE(read_dns_answer(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(read_dns_answer(std::span(whole).first(length))) << length;
  }
}

TEST(DnsAnswer, TheLongestNameFitsAndALongerOneDoesNot) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  const auto answer = read_dns_answer(DnsMessage(longest).address("@12", kOne).bytes());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->name.text(), longest);
  EXPECT_FALSE(is_read(DnsMessage(longest + "b").address("@12", kOne)));
}

// RFC 1035 2.3.4. The bit of 64 has been of other kinds of labels (RFC 6891 5).
TEST(DnsAnswer, LabelOf64BytesIsNone) {
  EXPECT_TRUE(is_read(DnsMessage(std::string(63, 'a')).address("@12", kOne)));
  EXPECT_FALSE(is_read(DnsMessage(std::string(64, 'a')).address("@12", kOne)));
}

TEST(DnsAnswer, AddressesBeyondTheLimitAreLeftOut) {
  DnsMessage message("example.org");
  for (std::uint32_t i = 0; i < 40; ++i) {
    message.address("@12", kOne.plus(i));
  }
  const auto answer = read_dns_answer(message.bytes());
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->addresses(), SizeIs(DnsAnswer::kMaxAddresses));
}

}  // namespace
}  // namespace flows
