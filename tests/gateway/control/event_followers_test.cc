#include "gateway/control/event_followers.h"

#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

using nlohmann::json;

AuditNames names() {
  return {.tenant = [](std::uint32_t id) { return "tenant-" + std::to_string(id); },
          .tunnel = [](std::uint32_t id) { return "tunnel-" + std::to_string(id); },
          .rule = [](std::uint16_t index) { return "rule-" + std::to_string(index); }};
}

AuditEvent flow_start(std::uint64_t id, std::uint32_t tenant = 1) {
  AuditEvent event;
  event.time = std::chrono::system_clock::now();
  event.flow.id = id;
  event.flow.key.tenant = tenant;
  event.flow.tunnel = 3;
  return event;
}

// The control thread is the test's: what is posted runs in run_posted().
class EventFollowersTest : public testing::Test {
 protected:
  // A follower, and the end of the connection that it reads.
  base::Fd follow(const std::vector<std::string>& filter = {}) {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()), 0);
    followers_->add(base::Fd::adopt(pair[0]), FlowFilter::parse(filter).value());
    return base::Fd::adopt(pair[1]);
  }
  void run_posted() {
    loop_.restart();
    loop_.poll();
  }
  std::vector<json> read(const base::Fd& socket) {
    std::string text;
    std::array<char, 65536> buffer;
    for (ssize_t bytes = 1; bytes > 0;) {
      bytes = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      text.append(buffer.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
      run_posted();
    }
    std::vector<json> events;
    for (std::size_t from = 0, end = 0; (end = text.find('\n', from)) != std::string::npos;
         from = end + 1) {
      events.push_back(json::parse(text.substr(from, end - from)));
    }
    return events;
  }

  asio::io_context loop_;
  EventFeed feed_{AuditLog::open("", names()).value()};
  std::unique_ptr<EventFollowers> followers_ =
      std::make_unique<EventFollowers>(loop_, feed_, names());
};

TEST_F(EventFollowersTest, EachGetsWhatItsFilterLetsThrough) {
  const base::Fd everything = follow();
  const base::Fd one_tenant = follow({"tenant=tenant-2"});
  feed_.append(flow_start(1));
  feed_.append(flow_start(2, 2));
  run_posted();
  const auto all = read(everything);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].at("flow"), 1);
  EXPECT_EQ(all[1].at("tenant"), "tenant-2");
  const auto some = read(one_tenant);
  ASSERT_EQ(some.size(), 1U);
  EXPECT_EQ(some[0], all[1]);
  EXPECT_EQ(feed_.events(), 2U);  // the log behind it counts on
}

TEST_F(EventFollowersTest, TunnelsAreHiddenByTermsThatOnlyAFlowHas) {
  const base::Fd by_tunnel = follow({"tunnel=laptop", "tenant=1"});
  const base::Fd by_port = follow({"tunnel=laptop", "destination=:443"});
  const base::Fd by_rule = follow({"rule=0"});
  feed_.tell({.kind = TunnelEvent::Kind::kClose,
              .time = {},
              .id = 9,
              .tenant_id = 1,
              .name = "laptop",
              .onramp = "tun",
              .mtu_bytes = 1400,
              .up = {.packets = 1, .bytes = 40},
              .down = {},
              .dropped_packets = 3});
  run_posted();
  const auto events = read(by_tunnel);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0], json::parse(R"({"time": "1970-01-01T00:00:00.000000Z",
    "event": "tunnel_close", "tenant": "tenant-1", "tunnel": "laptop", "tunnel_id": 9,
    "onramp": "tun", "mtu": 1400, "up": {"packets": 1, "bytes": 40},
    "down": {"packets": 0, "bytes": 0}, "dropped_packets": 3})"));
  EXPECT_TRUE(read(by_port).empty());
  EXPECT_TRUE(read(by_rule).empty());
}

TEST_F(EventFollowersTest, WhatWasLostStandsWhereItWasLost) {
  const base::Fd slow = follow();
  const base::Fd quick = follow();
  constexpr std::uint64_t kEvents = 5'000;
  std::uint64_t heard_by_quick = 0;
  for (std::uint64_t id = 1; id <= kEvents; ++id) {
    feed_.append(flow_start(id));
    run_posted();
    if (id % 100 == 0) {
      heard_by_quick += read(quick).size();
    }
  }
  EXPECT_EQ(heard_by_quick, kEvents);

  std::uint64_t expected = 1;
  std::uint64_t lost = 0;
  for (const json& event : read(slow)) {
    if (event.at("event") == "lost") {
      lost += event.at("count").get<std::uint64_t>();
      expected += event.at("count").get<std::uint64_t>();
    } else {
      EXPECT_EQ(event.at("flow"), expected++);
    }
  }
  EXPECT_GT(lost, 0U);
  EXPECT_EQ(expected, kEvents + 1);
}

// The control thread does not come round: the shard goes on, and the events are counted.
TEST_F(EventFollowersTest, ABusyControlThreadCostsEventsNotMemory) {
  const base::Fd follower = follow();
  for (std::uint64_t id = 1; id <= EventFeed::kMostWaiting + 7; ++id) {
    feed_.append(flow_start(id));
  }
  run_posted();
  std::uint64_t lost = 0;
  std::uint64_t heard = 0;
  for (const json& event : read(follower)) {
    event.at("event") == "lost" ? lost += event.at("count").get<std::uint64_t>() : ++heard;
  }
  EXPECT_EQ(lost + heard, EventFeed::kMostWaiting + 7);
  EXPECT_GE(lost, 7U);
}

TEST_F(EventFollowersTest, WhoHasGoneIsForgottenAndNothingIsKeptForNobody) {
  follow().reset();
  run_posted();
  feed_.append(flow_start(1));
  run_posted();
  feed_.append(flow_start(2));
  EXPECT_TRUE(feed_.take().events.empty());
  EXPECT_FALSE(followers_->is_full());
}

TEST_F(EventFollowersTest, LastEventsAreWrittenBeforeItEnds) {
  const base::Fd follower = follow();
  feed_.append(flow_start(1));
  followers_.reset();
  EXPECT_EQ(read(follower).size(), 1U);
  char byte = 0;
  EXPECT_EQ(::recv(follower.get(), &byte, 1, 0), 0);  // closed
}

}  // namespace
}  // namespace gateway
