// What another process sees of the flow table.
//
//     FlowTable --writes--> region <--reads-- FlowSnapshot
//
// The races are tested with two threads on one mapping, so that ThreadSanitizer sees both ends.
#include "flows/flow_snapshot.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "tests/support/flow_region.h"

namespace flows {
namespace {

using namespace std::chrono_literals;
using test_support::key_number;
using test_support::TestTable;
using test_support::ZeroedRegion;
using testing::HasSubstr;

FlowSnapshot opened(std::span<const std::byte> region) {
  auto snapshot = FlowSnapshot::open(region);
  CHECK(snapshot);
  return *snapshot;
}

std::set<std::uint64_t> ids_of(const FlowSnapshot& snapshot) {
  std::set<std::uint64_t> ids;
  snapshot.for_each([&](const Flow& flow) { ids.insert(flow.id); });
  return ids;
}

TEST(FlowSnapshot, ShowsTheLiveFlowsWhole) {
  TestTable made(8);
  const FlowIndex first = made.add(1);
  const FlowIndex second = made.add(2);
  made.add(3);
  made.table.erase(first);
  made.table.update(second, [](Flow& flow) {
    flow.tunnel = 17;
    flow.upstream = {base::IpAddress::v4(0xc0000207), base::Port{8443}};
    flow.state = FlowState::kSynReceived;
    flow.end_reason = EndReason::kKilled;
  });
  made.table[second].up = {.packets = 3, .bytes = 400};

  const FlowSnapshot snapshot = opened(made.region.bytes());

  EXPECT_EQ(snapshot.live_count(), 2u);
  EXPECT_EQ(ids_of(snapshot), (std::set<std::uint64_t>{2, 3}));
  const Flow flow = snapshot.find(2).value();
  EXPECT_EQ(flow.key, key_number(2));
  EXPECT_EQ(flow.tunnel, 17u);
  EXPECT_EQ(flow.upstream.to_string(), "192.0.2.7:8443");
  EXPECT_EQ(flow.state, FlowState::kSynReceived);
  EXPECT_EQ(flow.end_reason, EndReason::kKilled);
  EXPECT_EQ(flow.up.packets, 3u);
  EXPECT_EQ(flow.up.bytes, 400u);
}

TEST(FlowSnapshot, FindsNothingUnderAnIdThatIsGoneOrNeverWas) {
  TestTable made(8);
  made.table.erase(made.add(1));
  const FlowSnapshot snapshot = opened(made.region.bytes());

  EXPECT_FALSE(snapshot.find(1));
  EXPECT_FALSE(snapshot.find(0));
  EXPECT_FALSE(snapshot.find(99));
}

TEST(FlowSnapshot, FollowsTheTableAfterItWasOpened) {
  TestTable made(8);
  const FlowSnapshot snapshot = opened(made.region.bytes());
  EXPECT_EQ(ids_of(snapshot).size(), 0u);

  made.add(1);

  EXPECT_EQ(ids_of(snapshot), std::set<std::uint64_t>{1});
}

// As flowctl has it: another mapping of the same file, which faults when it is written to.
TEST(FlowSnapshot, ReadsAReadOnlyMappingOfTheFile) {
  const std::size_t bytes = FlowTable::region_bytes(64);
  const base::Fd file = base::Fd::adopt(::memfd_create("flows", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(bytes)), 0);
  void* writable = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  void* readable = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  ASSERT_TRUE(writable != MAP_FAILED && readable != MAP_FAILED);
  FlowTable table = FlowTable::create({static_cast<std::byte*>(writable), bytes}, 64, {});
  ASSERT_TRUE(table.insert(key_number(1), {}));

  const FlowSnapshot snapshot = opened({static_cast<const std::byte*>(readable), bytes});

  EXPECT_EQ(snapshot.live_count(), 1u);
  EXPECT_EQ(snapshot.find(1).value().key, key_number(1));
  ::munmap(writable, bytes);
  ::munmap(readable, bytes);
}

// --- A region that is not what it says.

std::string refusal(std::span<const std::byte> region) {
  const auto snapshot = FlowSnapshot::open(region);
  return snapshot ? "" : snapshot.error();
}

TEST(FlowSnapshot, RefusesWhatIsNoFlowRegion) {
  const ZeroedRegion region(4096);
  EXPECT_THAT(refusal(region.bytes()), HasSubstr("not a flow region"));
  EXPECT_THAT(refusal({}), HasSubstr("too short"));
  TestTable made(8);
  EXPECT_THAT(refusal(made.region.bytes().subspan(1)), HasSubstr("not aligned"));
}

TEST(FlowSnapshot, RefusesEveryTruncation) {
  TestTable made(4);
  const auto whole = made.region.bytes();
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    ASSERT_NE(refusal(whole.first(bytes)), "") << bytes;
  }
  EXPECT_EQ(refusal(whole), "");
}

template <class T>
void overwrite(const TestTable& made, std::size_t offset, T value) {
  std::memcpy(made.region.bytes().data() + offset, &value, sizeof(value));
}

TEST(FlowSnapshot, RefusesAHeaderThatContradictsItself) {
  struct Lie {
    std::size_t offset;
    std::uint64_t value;
    std::size_t bytes;
    const char* complaint;
  };
  const std::array lies{
      Lie{offsetof(RegionHeader, magic), 1, 8, "not a flow region"},
      Lie{offsetof(RegionHeader, layout_version), 1, 4,
          "layout version is 1, expected 5: reader and gateway must be of one version"},
      Lie{offsetof(RegionHeader, record_bytes), 64, 4, "record size is 64, expected"},
      Lie{offsetof(RegionHeader, capacity), 0, 4, "impossible capacity 0"},
      Lie{offsetof(RegionHeader, capacity), 0x80000001, 4, "impossible capacity"},
      Lie{offsetof(RegionHeader, capacity), 0x80000000, 4, "block count is 2,"},
      Lie{offsetof(RegionHeader, capacity), 7, 4, ""},  // fewer than there is room for
      Lie{offsetof(RegionHeader, block_count), 1ULL << 60U, 8, "block count"},
      Lie{offsetof(RegionHeader, blocks_offset), 0, 8, "offset of the blocks"},
      Lie{offsetof(RegionHeader, records_offset), 1ULL << 63U, 8, "offset of the records"},
  };
  for (const Lie& lie : lies) {
    TestTable made(8);
    std::memcpy(made.region.bytes().data() + lie.offset, &lie.value, lie.bytes);
    EXPECT_THAT(refusal(made.region.bytes()), HasSubstr(lie.complaint)) << lie.value;
  }
}

TEST(FlowSnapshot, CountsBeyondTheCapacityAreCutDown) {
  TestTable made(8);
  made.add(1);
  overwrite(made, offsetof(RegionHeader, high_water), std::uint32_t{0xffffffff});
  overwrite(made, offsetof(RegionHeader, live_count), std::uint32_t{0xffffffff});
  const FlowSnapshot snapshot = opened(made.region.bytes());

  EXPECT_EQ(snapshot.live_count(), 8u);
  EXPECT_EQ(ids_of(snapshot), std::set<std::uint64_t>{1});
}

// The header is read again by every call; what open() found must still hold then.
TEST(FlowSnapshot, HeaderThatChangesAfterOpenLeadsNowhere) {
  TestTable made(8);
  made.add(1);
  const FlowSnapshot snapshot = opened(made.region.bytes());
  overwrite(made, offsetof(RegionHeader, capacity), std::uint32_t{0x80000000});
  overwrite(made, offsetof(RegionHeader, high_water), std::uint32_t{0x80000000});
  overwrite(made, offsetof(RegionHeader, records_offset), std::uint64_t{1} << 40U);

  EXPECT_EQ(ids_of(snapshot), std::set<std::uint64_t>{1});
}

// A gateway that died between two stores leaves an odd version for ever.
TEST(FlowSnapshot, RecordThatStaysUnderChangeIsPassedOver) {
  TestTable made(8);
  made.add(1);
  made.table[made.add(2)].version += 1;
  made.add(3);

  EXPECT_EQ(ids_of(opened(made.region.bytes())), (std::set<std::uint64_t>{1, 3}));
}

// --- A table that changes while it is read.

// Every field of a test flow follows from its id and one other number, so that a mixture shows.
void fill(Flow& flow, std::uint32_t generation) {
  flow.up = {.packets = flow.id, .bytes = ~flow.id};
  flow.down = {.packets = flow.id + generation, .bytes = ~flow.id - generation};
  flow.created_ns = static_cast<std::int64_t>(flow.id);
  flow.last_seen_ns = -flow.created_ns;
  flow.tunnel = generation;
  flow.peer_tunnel = ~generation;
  flow.binding = generation;
  flow.attachment = ~generation;
  flow.client_rtt_us = generation & 0xffffffU;
  flow.client_retransmits = ~generation;
  flow.upstream = {base::IpAddress::v4(~generation),
                   base::Port{static_cast<std::uint16_t>(generation)}};
  flow.rule = static_cast<std::uint16_t>(~generation);
  flow.action = static_cast<Action>(generation % 4);
  flow.state = static_cast<FlowState>(generation % 5);
}

FlowKey key_of_id(std::uint64_t id) {
  return key_number(static_cast<std::uint32_t>(id));
}

bool is_whole(const Flow& flow) {
  Flow wanted;
  wanted.id = flow.id;
  wanted.key = key_of_id(flow.id);
  fill(wanted, flow.tunnel);
  const auto same = [](const WireCount& a, const WireCount& b) {
    return a.packets == b.packets && a.bytes == b.bytes;
  };
  return flow.id != 0 && flow.key == wanted.key && same(flow.up, wanted.up) &&
         same(flow.down, wanted.down) && flow.created_ns == wanted.created_ns &&
         flow.last_seen_ns == wanted.last_seen_ns && flow.peer_tunnel == wanted.peer_tunnel &&
         flow.binding == wanted.binding && flow.attachment == wanted.attachment &&
         flow.client_rtt_us == wanted.client_rtt_us &&
         flow.client_retransmits == wanted.client_retransmits && flow.upstream == wanted.upstream &&
         flow.rule == wanted.rule && flow.action == wanted.action && flow.state == wanted.state &&
         flow.tcp_phase == TcpPhase{} && flow.end_reason == EndReason::kNone;
}

// Inserts, updates and erases without a pause, until told to stop.
void churn(FlowTable& table, const std::atomic<bool>& stop) {
  std::vector<FlowIndex> live(table.capacity(), kNoFlowIndex);
  std::uint64_t id = 1;
  for (std::uint32_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
    FlowIndex& at = live[i % live.size()];
    if (at == kNoFlowIndex) {
      at = table.insert(key_of_id(id), {}, [&](Flow& flow) { fill(flow, i); }).value();
      ++id;
    } else if (i % 7 < 4) {
      table.update(at, [&](Flow& flow) { fill(flow, i); });
    } else {
      table.erase(at);
      at = kNoFlowIndex;
    }
  }
}

// Counted are listings between which the writer went on: only then do both run at the same time,
// not by turns on one processor. A copy without the seqlock is torn within the first few hundred; a
// machine too busy for that many still shows that both ran.
TEST(FlowSnapshot, NoRecordIsTornWhileTheTableIsWritten) {
  constexpr int kListings = 2'000;
  constexpr auto kPatience = 3s;
  TestTable made(2);
  const FlowSnapshot snapshot = opened(made.region.bytes());
  std::atomic<bool> stop{false};
  std::thread writer([&] { churn(made.table, stop); });

  int listings = 0;
  int torn = 0;
  std::uint64_t newest = 0;
  const auto end = base::Clock::now() + kPatience;
  while (listings < kListings && torn == 0 && base::Clock::now() < end) {
    const std::uint64_t before = newest;
    snapshot.for_each([&](const Flow& flow) {
      torn += is_whole(flow) ? 0 : 1;
      newest = std::max(newest, flow.id);
    });
    listings += newest > before ? 1 : 0;
  }
  stop = true;
  writer.join();

  EXPECT_EQ(torn, 0) << "after " << listings << " listings";
  EXPECT_GT(listings, 0);
}

}  // namespace
}  // namespace flows
