// The audit log against real files: /dev/full for a disk that is full, a FIFO for one that is slow.
#include "gateway/telemetry/audit_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/time.h"
#include "tests/support/temp_directory.h"

namespace gateway {
namespace {

using nlohmann::json;
using test_support::TempDirectory;
using Kind = AuditEvent::Kind;
namespace fs = std::filesystem;

constexpr auto kPatience = std::chrono::seconds(10);

AuditEvent event_of(Kind kind, std::uint64_t id) {
  AuditEvent event;
  event.kind = kind;
  event.time = std::chrono::system_clock::now();
  event.flow.id = id;
  event.flow.key.tenant = 7;
  event.flow.tunnel = 3;
  event.flow.rule = 1;
  event.flow.key.protocol = flows::Protocol::kUdp;
  return event;
}

AuditNames names() {
  return {.tenant = [](std::uint32_t id) { return "tenant-" + std::to_string(id); },
          .tunnel = [](std::uint32_t id) { return "tunnel-" + std::to_string(id); },
          .rule = [](std::uint16_t index) { return "rule-" + std::to_string(index); }};
}

// The flow of every line of the text; a line that is not whole fails the test. What stands in a
// line is audit_line_test.cc's; parsing tens of thousands of them would take the suite's time.
std::vector<std::uint64_t> ids_of(std::string_view text) {
  static constexpr std::string_view kFlow = "\"flow\":";
  std::vector<std::uint64_t> ids;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const std::size_t flow = line.find(kFlow);
    const bool whole = line.starts_with("{\"time\":\"2") && line.ends_with("}") &&
                       line.find("\"time\"", 2) == line.npos && flow != line.npos;
    EXPECT_TRUE(whole && line.size() < text.size()) << line;
    std::uint64_t id = 0;
    if (whole) {
      std::from_chars(line.data() + flow + kFlow.size(), line.data() + line.size(), id);
    }
    ids.push_back(id);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return ids;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class Condition>
bool within_patience(Condition condition) {
  const auto end = base::Clock::now() + kPatience;
  while (!condition()) {
    if (base::Clock::now() > end) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

class AuditLogTest : public testing::Test {
 protected:
  std::unique_ptr<AuditLog> opened(std::uint64_t most_queued = AuditLog::kMostQueued) {
    auto log = AuditLog::open(path_, names(), most_queued);
    EXPECT_TRUE(log) << log.error().message();
    return std::move(log).value();
  }

  TempDirectory directory_;
  const std::string path_ = directory_.file("flows.jsonl");
};

TEST_F(AuditLogTest, LineIsThereWithoutClosing) {
  const auto log = opened();

  log->append(event_of(Kind::kFlowStart, 1));

  ASSERT_TRUE(within_patience([&] { return content_of(path_).ends_with('\n'); }));
  const json line = json::parse(content_of(path_));
  EXPECT_EQ(line["event"], "flow_start");
  EXPECT_EQ(line["tenant"], "tenant-7");
  EXPECT_EQ(line["tunnel"], "tunnel-3");
  EXPECT_EQ(line["rule"], "rule-1");
  EXPECT_EQ(log->events(), 1u);
}

TEST_F(AuditLogTest, ClosingWritesEveryEventOnceAndInOrder) {
  constexpr std::uint64_t kEvents = 5'000;
  {
    const auto log = opened();
    for (std::uint64_t id = 1; id <= kEvents; ++id) {
      log->append(event_of(Kind::kFlowEnd, id));
    }
    EXPECT_EQ(log->events(), kEvents);
  }
  const auto ids = ids_of(content_of(path_));
  ASSERT_EQ(ids.size(), kEvents);
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    ASSERT_EQ(ids[i], i + 1);
  }
}

TEST_F(AuditLogTest, SeveralShardsMayAppendAtOnce) {
  constexpr std::uint64_t kEvents = 500;
  {
    const auto log = opened();
    std::vector<std::thread> shards;
    for (std::uint64_t shard = 0; shard < 4; ++shard) {
      shards.emplace_back([&, shard] {
        for (std::uint64_t i = 0; i < kEvents; ++i) {
          log->append(event_of(Kind::kFlowEnd, shard * kEvents + i));
        }
      });
    }
    for (auto& shard : shards) {
      shard.join();
    }
  }
  auto ids = ids_of(content_of(path_));
  std::ranges::sort(ids);
  ASSERT_EQ(ids.size(), 4 * kEvents);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
}

TEST_F(AuditLogTest, FileIsForUsAloneAndIsAppendedTo) {
  opened()->append(event_of(Kind::kFlowStart, 1));
  opened()->append(event_of(Kind::kFlowStart, 2));

  EXPECT_EQ(ids_of(content_of(path_)), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(AuditLogTest, HalfALineOfACrashIsEndedFirst) {
  std::ofstream(path_) << R"({"time":"20)";

  opened()->append(event_of(Kind::kFlowStart, 1));

  const std::string content = content_of(path_);
  EXPECT_TRUE(content.starts_with("{\"time\":\"20\n{\"time\":\"2")) << content;
}

TEST_F(AuditLogTest, ReopenFollowsThePath) {
  const auto log = opened();
  log->append(event_of(Kind::kFlowStart, 1));
  ASSERT_TRUE(within_patience([&] { return content_of(path_).ends_with('\n'); }));
  fs::rename(path_, path_ + ".1");

  log->reopen();

  ASSERT_TRUE(within_patience([&] { return fs::exists(path_); }));
  log->append(event_of(Kind::kFlowStart, 2));
  ASSERT_TRUE(within_patience([&] { return content_of(path_).ends_with('\n'); }));
  EXPECT_EQ(ids_of(content_of(path_)), std::vector<std::uint64_t>{2});
  EXPECT_EQ(ids_of(content_of(path_ + ".1")), std::vector<std::uint64_t>{1});
}

TEST_F(AuditLogTest, FullDiskLosesNothing) {
  constexpr std::uint64_t kEvents = 1'000;
  fs::create_symlink("/dev/full", path_);
  {
    const auto log = opened();
    for (std::uint64_t id = 1; id <= kEvents; ++id) {
      log->append(event_of(Kind::kFlowEnd, id));
    }
    ASSERT_TRUE(within_patience([&] { return log->write_errors() >= 1; }));
    EXPECT_TRUE(log->accepts_starts());
    fs::remove(path_);
    log->reopen();  // there is room now
  }
  EXPECT_EQ(ids_of(content_of(path_)).size(), kEvents);
}

TEST_F(AuditLogTest, StartsAreRefusedWhileTheQueueIsLongAndEndsAreNot) {
  fs::create_symlink("/dev/full", path_);
  constexpr std::uint64_t kMostQueued = 100;
  {
    const auto log = opened(kMostQueued);
    for (std::uint64_t id = 1; id <= kMostQueued; ++id) {
      EXPECT_TRUE(log->accepts_starts());
      log->append(event_of(Kind::kFlowEnd, id));
    }
    EXPECT_FALSE(log->accepts_starts());
    log->append(event_of(Kind::kFlowEnd, kMostQueued + 1));
    fs::remove(path_);
    log->reopen();
    EXPECT_TRUE(within_patience([&] { return log->accepts_starts(); }));
  }
  EXPECT_EQ(ids_of(content_of(path_)).size(), kMostQueued + 1);
}

TEST_F(AuditLogTest, DiskThatStaysFullDoesNotKeepUsFromEnding) {
  fs::create_symlink("/dev/full", path_);
  const auto begin = base::Clock::now();

  opened()->append(event_of(Kind::kFlowEnd, 1));

  EXPECT_LT(base::Clock::now() - begin, kPatience);
}

class AuditFifoTest : public AuditLogTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    reader_ = base::Fd::adopt(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(reader_.is_open());
  }
  // What is in the pipe now.
  void read_some(std::string& into) {
    pollfd wait{.fd = reader_.get(), .events = POLLIN, .revents = 0};
    ::poll(&wait, 1, 10);
    std::string piece(50'021, '\0');  // not a multiple of anything: lines are cut anywhere
    const ssize_t bytes = ::read(reader_.get(), piece.data(), piece.size());
    into.append(piece, 0, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  }

  base::Fd reader_;
};

TEST_F(AuditFifoTest, LineThatWasWrittenInPartIsFinishedBeforeTheNext) {
  constexpr std::size_t kEvents = 800;  // far more than a pipe holds
  const auto log = opened();
  for (std::uint64_t id = 1; id <= kEvents; ++id) {
    log->append(event_of(Kind::kFlowEnd, id));
  }
  std::string text;
  ASSERT_TRUE(within_patience([&] {
    read_some(text);
    return static_cast<std::size_t>(std::ranges::count(text, '\n')) == kEvents;
  }));
  EXPECT_EQ(ids_of(text).size(), kEvents);
  EXPECT_EQ(log->write_errors(), 0u) << "a slow reader is not an error";
}

// write(2) says nothing then but "not now".
TEST_F(AuditFifoTest, ReaderThatStandsStillIsAnErrorOnceItHoldsUpFlows) {
  constexpr std::size_t kEvents = 800;  // far more than a pipe holds
  const auto log = opened(1);
  for (std::uint64_t id = 1; id <= kEvents; ++id) {
    log->append(event_of(Kind::kFlowEnd, id));
  }
  EXPECT_EQ(log->health().error, "") << "it may be slow";
  ASSERT_TRUE(within_patience([&] { return !log->health().error.empty(); }));
  EXPECT_TRUE(log->health().error.starts_with("nothing could be written for "));
  std::string text;
  ASSERT_TRUE(within_patience([&] {
    read_some(text);
    return static_cast<std::size_t>(std::ranges::count(text, '\n')) == kEvents;
  }));
  EXPECT_TRUE(within_patience([&] { return log->health().error.empty(); }));
}

TEST_F(AuditFifoTest, LineThatWasWrittenInPartIsWrittenWholeToTheNextFile) {
  constexpr std::uint64_t kEvents = 800;
  {
    const auto log = opened();
    for (std::uint64_t id = 1; id <= kEvents; ++id) {
      log->append(event_of(Kind::kFlowEnd, id));
    }
    pollfd wait{.fd = reader_.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&wait, 1, 5'000), 1);
    fs::remove(path_);
    log->reopen();
  }
  std::string before;
  for (std::size_t length = before.size() + 1; length != before.size();) {
    length = before.size();
    read_some(before);
  }
  const std::string half = before.substr(before.rfind('\n') + 1);
  const auto first = ids_of(before.substr(0, before.size() - half.size()));
  const auto second = ids_of(content_of(path_));
  EXPECT_FALSE(first.empty());
  ASSERT_EQ(first.size() + second.size(), kEvents);
  EXPECT_EQ(second.front(), first.back() + 1);
}

TEST(AuditLog, WithoutAPathEventsAreCountedAndForgotten) {
  const auto log = AuditLog::open("", {});
  ASSERT_TRUE(log);
  (*log)->append(event_of(Kind::kFlowStart, 1));
  EXPECT_EQ((*log)->events(), 1u);
  EXPECT_TRUE((*log)->accepts_starts());
}

TEST(AuditLog, FileThatCannotBeOpenedSaysWhatToDo) {
  const auto log = AuditLog::open("/no/such/directory/flows.jsonl", names());
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().message(),
            "open /no/such/directory/flows.jsonl: No such file or directory. "
            "Choose another file with audit.path or --audit.");
}

}  // namespace
}  // namespace gateway
