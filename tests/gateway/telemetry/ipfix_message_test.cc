#include "gateway/telemetry/ipfix_message.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/ipfix_reader.h"

namespace gateway {
namespace {

using test_support::IpfixReader;
using test_support::number;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

const std::chrono::system_clock::time_point kNow(1'700'000'000'500ms);
constexpr std::uint32_t kReverse = 29305;

IpfixRecord record_of(const char* source, const char* destination, std::uint64_t id) {
  IpfixRecord record{.flow = {}, .start = kNow - 5s, .end = kNow - 100ms};
  flows::Flow& flow = record.flow;
  flow.key = {.source = *base::Endpoint::parse(source),
              .destination = *base::Endpoint::parse(destination),
              .tenant = 1001,
              .protocol = flows::Protocol::kTcp};
  flow.id = id;
  flow.tunnel = 7;
  flow.up = {.packets = 10, .bytes = 1000};
  flow.down = {.packets = 20, .bytes = 30'000'000'000};
  flow.upstream = flow.key.destination;
  flow.end_reason = flows::EndReason::kClosed;
  return record;
}

TEST(IpfixMessage, IsReadBackByItsTemplates) {
  IpfixMessage message(42, 1472);
  message.add_templates();
  ASSERT_TRUE(message.add(record_of("100.64.0.2:4000", "192.0.2.1:443", 17)));
  IpfixReader collector;
  const auto read = collector.read(message.finish(kNow));
  EXPECT_EQ(read.time, 1'700'000'000U);
  EXPECT_EQ(read.domain, 42U);
  EXPECT_EQ(read.templates, 2U);
  ASSERT_EQ(read.records.size(), 1U);
  const IpfixReader::Record& record = read.records[0];
  EXPECT_EQ(number(record, 1), 1000U);
  EXPECT_EQ(number(record, 2), 10U);
  EXPECT_EQ(number(record, 1, kReverse), 30'000'000'000U);
  EXPECT_EQ(number(record, 2, kReverse), 20U);
  EXPECT_EQ(number(record, 152), 1'699'999'995'500U);
  EXPECT_EQ(number(record, 153), 1'700'000'000'400U);
  EXPECT_EQ(number(record, 148), 17U);
  EXPECT_EQ(number(record, 8), 0x64400002U);
  EXPECT_EQ(number(record, 12), 0xc0000201U);
  EXPECT_EQ(number(record, 7), 4000U);
  EXPECT_EQ(number(record, 11), 443U);
  EXPECT_EQ(number(record, 4), 6U);
  EXPECT_EQ(number(record, 10), 7U);
  EXPECT_EQ(number(record, 14), 0U);
  EXPECT_EQ(number(record, 234), 1001U);
  EXPECT_EQ(number(record, 136), 3U);  // the end was detected
  EXPECT_EQ(number(record, 89), 64U);  // forwarded
}

TEST(IpfixMessage, HasBothFamiliesEachUnderItsTemplate) {
  IpfixMessage message(1, 1472);
  message.add_templates();
  ASSERT_TRUE(message.add(record_of("100.64.0.2:1", "192.0.2.1:443", 1)));
  ASSERT_TRUE(message.add(record_of("[fd00::2]:2", "[2001:db8::1]:443", 2)));
  ASSERT_TRUE(message.add(record_of("100.64.0.2:3", "192.0.2.1:443", 3)));
  IpfixReader collector;
  const auto read = collector.read(message.finish(kNow));
  ASSERT_EQ(read.records.size(), 3U);
  EXPECT_EQ(read.records[1].at({0, 28}),
            std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16));
  EXPECT_EQ(number(read.records[2], 7), 3U);
}

TEST(IpfixMessage, SequenceCountsTheRecordsBefore) {
  IpfixMessage message(1, 1472);
  IpfixReader collector;
  message.add_templates();
  EXPECT_EQ(collector.read(message.finish(kNow)).sequence, 0U);
  for (const std::uint64_t id : {1U, 2U}) {
    ASSERT_TRUE(message.add(record_of("100.64.0.2:1", "192.0.2.1:443", id)));
  }
  EXPECT_EQ(collector.read(message.finish(kNow)).sequence, 0U);
  ASSERT_TRUE(message.add(record_of("100.64.0.2:1", "192.0.2.1:443", 3)));
  EXPECT_EQ(collector.read(message.finish(kNow)).sequence, 2U);
  EXPECT_TRUE(message.is_empty());
}

TEST(IpfixMessage, IsNeverLongerThanItMayBe) {
  for (const std::size_t most : {IpfixMessage::kLeastBytes, std::size_t{1452}}) {
    IpfixMessage message(1, most);
    IpfixReader collector;
    message.add_templates();
    std::size_t read = 0;
    for (std::uint64_t id = 0; id < 100; ++id) {
      const IpfixRecord record = id % 3 == 0 ? record_of("[fd00::2]:2", "[2001:db8::1]:443", id)
                                             : record_of("100.64.0.2:1", "192.0.2.1:443", id);
      if (!message.add(record)) {
        const auto bytes = message.finish(kNow);
        EXPECT_LE(bytes.size(), most);
        EXPECT_GT(bytes.size(), most - 200);
        read += collector.read(bytes).records.size();
        ASSERT_TRUE(message.add(record));
      }
    }
    EXPECT_EQ(read + collector.read(message.finish(kNow)).records.size(), 100U);
  }
}

TEST(IpfixMessage, SaysWhatBecameOfAFlow) {
  const auto said = [](flows::Action action, flows::EndReason reason) {
    IpfixRecord record = record_of("100.64.0.2:1", "192.0.2.1:443", 1);
    record.flow.action = action;
    record.flow.end_reason = reason;
    IpfixMessage message(1, 1472);
    message.add_templates();
    EXPECT_TRUE(message.add(record));
    IpfixReader collector;
    const auto read = collector.read(message.finish(kNow)).records.at(0);
    return std::pair(number(read, 89), number(read, 136));
  };
  using flows::Action;
  using flows::EndReason;
  EXPECT_EQ(said(Action::kUpgrade, EndReason::kTimedOut),
            std::pair(std::uint64_t{64}, std::uint64_t{1}));
  EXPECT_EQ(said(Action::kReject, EndReason::kRejected),
            std::pair(std::uint64_t{129}, std::uint64_t{4}));
  EXPECT_EQ(said(Action::kDrop, EndReason::kDropped),
            std::pair(std::uint64_t{130}, std::uint64_t{4}));
  EXPECT_EQ(said(Action::kForward, EndReason::kKilled),
            std::pair(std::uint64_t{64}, std::uint64_t{4}));
  EXPECT_EQ(said(Action::kUpgrade, EndReason::kNoDescriptor),
            std::pair(std::uint64_t{64}, std::uint64_t{5}));
}

TEST(IpfixMessage, AnEchoHasItsTypeAndNoPorts) {
  IpfixRecord record = record_of("100.64.0.2:77", "192.0.2.1:77", 1);
  record.flow.key.protocol = flows::Protocol::kIcmp;
  record.flow.key.icmp_type = flows::kEchoRequest;
  IpfixMessage message(1, 1472);
  message.add_templates();
  ASSERT_TRUE(message.add(record));
  IpfixReader collector;
  const auto read = collector.read(message.finish(kNow)).records.at(0);
  EXPECT_EQ(number(read, 32), 0x0800U);
  EXPECT_EQ(number(read, 7), 0U);
}

TEST(IpfixMessage, ARedirectedFlowSaysWhereItWent) {
  IpfixRecord record = record_of("100.64.0.2:77", "192.0.2.1:443", 1);
  record.flow.upstream = *base::Endpoint::parse("198.51.100.9:8443");
  IpfixMessage message(1, 1472);
  message.add_templates();
  ASSERT_TRUE(message.add(record));
  record.flow.upstream = *base::Endpoint::parse("[2001:db8::9]:8443");  // has no place in it
  ASSERT_TRUE(message.add(record));
  IpfixReader collector;
  const auto read = collector.read(message.finish(kNow)).records;
  EXPECT_EQ(number(read.at(0), 226), 0xc6336409U);
  EXPECT_EQ(number(read.at(0), 228), 8443U);
  EXPECT_EQ(number(read.at(1), 226), 0U);
  EXPECT_EQ(number(read.at(1), 228), 0U);
}

}  // namespace
}  // namespace gateway
