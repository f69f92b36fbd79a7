#include "gateway/telemetry/audit_log.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/time.h"
#include "gateway/inspect/health.h"
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/telemetry/audit_file.h"
#include "gateway/telemetry/audit_line.h"
#include "netns/every_thread.h"

namespace gateway {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kWriteBytes = 256 * 1024;  // chosen: one write(2) for ~500 lines
constexpr milliseconds kLinger{10};       // chosen: lets events gather; append() then wakes nobody
constexpr milliseconds kRetryPause{200};  // chosen: between two tries at a file that fails
constexpr int kPipePauseMillis = 50;
constexpr milliseconds kPatienceAtTheEnd{1000};  // chosen: for a file that fails when we shut down

struct QueuedEvent {
  AuditEvent event;
  std::int64_t at_ns;  // CLOCK_MONOTONIC
};
using Queue = std::deque<QueuedEvent>;

// Counts the events and keeps none.
class NoAuditLog final : public AuditLog {
 public:
  void append(const AuditEvent&) override { events_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] bool accepts_starts() const override { return true; }
  void reopen() override {}
  [[nodiscard]] std::uint64_t events() const override {
    return events_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t write_errors() const override { return 0; }
  [[nodiscard]] AuditHealth health() const override { return {}; }

 private:
  std::atomic<std::uint64_t> events_ = 0;
};

class FileAuditLog final : public AuditLog {
 public:
  FileAuditLog(AuditFile file, std::string path, AuditNames names, std::uint64_t most_queued)
      : most_queued_(most_queued),
        path_(std::move(path)),
        file_(std::move(file)),
        names_(std::move(names)) {
    start_writer();
  }
  ~FileAuditLog() override {
    if (writer_.joinable()) {
      finish();
    }
  }
  FileAuditLog(const FileAuditLog&) = delete;
  FileAuditLog& operator=(const FileAuditLog&) = delete;

  void finish() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_one();
    writer_.join();
  }

  void append(const AuditEvent& event) override {
    const std::int64_t now_ns = base::to_nanoseconds(base::Clock::now());
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back({event, now_ns});
      wake = std::exchange(writer_sleeps_, false);
    }
    events_.fetch_add(1, std::memory_order_relaxed);
    unwritten_.fetch_add(1, std::memory_order_relaxed);
    if (wake) {
      changed_.notify_one();
    }
  }
  [[nodiscard]] bool accepts_starts() const override {
    return unwritten_.load(std::memory_order_relaxed) < most_queued_;
  }
  void reopen() override {
    {
      const std::lock_guard lock(mutex_);
      reopen_ = true;
    }
    changed_.notify_one();
  }
  [[nodiscard]] std::uint64_t events() const override {
    return events_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t write_errors() const override {
    return write_errors_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] AuditHealth health() const override {
    AuditHealth health{.path = path_,
                       .waiting = unwritten_.load(std::memory_order_relaxed),
                       .refuses_flows = !accepts_starts(),
                       .write_errors = write_errors()};
    {
      const std::lock_guard lock(mutex_);
      health.error = error_;
    }
    // A pipe whose reader stands still, and a disk that hangs, say nothing.
    const auto still =
        std::chrono::nanoseconds(now_ns() - moved_ns_.load(std::memory_order_relaxed));
    if (health.error.empty() && health.refuses_flows && still > ShardHealth::kStuckAfter) {
      health.error =
          "nothing could be written for " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(still).count()) + " s";
    }
    return health;
  }

 private:
  // Signals are for the other threads, but for that of confinement; SIGPIPE and SIGXFSZ become the
  // errors EPIPE and EFBIG.
  void start_writer() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sigdelset(&all, netns::every_thread_signal());
    pthread_sigmask(SIG_SETMASK, &all, &before);
    writer_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(writer_.native_handle(), "audit");
  }

  // Everything below runs on the writer's thread.

  void run() {
    for (bool more = true; more;) {
      Queue batch;
      bool reopen_now = false;
      {
        std::unique_lock lock(mutex_);
        writer_sleeps_ = queue_.empty();
        changed_.wait(lock, [this] { return !queue_.empty() || stop_ || reopen_; });
        writer_sleeps_ = false;
        batch.swap(queue_);
        reopen_now = std::exchange(reopen_, false);
        more = !stop_;
      }
      if (reopen_now) {
        reopen_file();
      }
      write(batch);
      linger();
    }
    if (gave_up_) {
      log_error("audit lines were lost path={} lines={}", LogValue{path_}, file_.pending_lines());
    }
  }

  void linger() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLinger, [this] { return stop_ || reopen_; });
  }

  static std::int64_t now_ns() { return base::to_nanoseconds(base::Clock::now()); }
  void moved() { moved_ns_.store(now_ns(), std::memory_order_relaxed); }

  void write(const Queue& batch) {
    moved();
    std::string lines;
    std::uint64_t count = 0;
    for (const QueuedEvent& queued : batch) {
      append_line(lines, queued);
      ++count;
      if (lines.size() >= kWriteBytes) {
        write_lines(std::exchange(lines, {}), std::exchange(count, 0));
      }
    }
    if (count > 0) {
      write_lines(lines, count);
    }
  }

  void append_line(std::string& lines, const QueuedEvent& queued) {
    const flows::Flow& flow = queued.event.flow;
    const std::string tenant = names_.tenant(flow.key.tenant);
    const std::string tunnel = names_.tunnel(flow.tunnel);
    const std::string rule =
        flow.rule == flows::kDefaultRule ? std::string(kDefaultRuleName) : names_.rule(flow.rule);
    append_audit_line(lines, queued.event, {tenant, tunnel, rule, queued.event.host}, queued.at_ns);
  }

  // Returns when the file has the lines, or when we shut down and it does not take them.
  void write_lines(const std::string& lines, std::uint64_t count) {
    file_.add(lines);
    auto progress = file_.flush();
    while (progress != AuditFile::Progress::kDone && !gave_up_) {
      if (progress == AuditFile::Progress::kFailing) {
        failed(file_.error());
      }
      wait_to_try_again(progress);
      progress = file_.flush();
    }
    if (progress == AuditFile::Progress::kDone) {
      moved();
      recovered();
    }
    unwritten_.fetch_sub(count, std::memory_order_relaxed);
  }

  void wait_to_try_again(AuditFile::Progress progress) {
    const auto limit = progress == AuditFile::Progress::kFailing ? kRetryPause : milliseconds(0);
    bool reopen_now = false;
    bool stop = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, limit, [this] { return stop_ || reopen_; });
      reopen_now = std::exchange(reopen_, false);
      stop = stop_;
    }
    if (reopen_now) {
      reopen_file();
    } else if (stop) {
      try_to_the_end();
    } else if (progress == AuditFile::Progress::kNotNow) {
      file_.wait_writable(kPipePauseMillis);
    }
  }

  // We shut down: what the file does not take within our patience is lost.
  void try_to_the_end() {
    const auto end = base::Clock::now() + kPatienceAtTheEnd;
    while (file_.flush() != AuditFile::Progress::kDone && !gave_up_) {
      std::this_thread::sleep_for(kLinger);
      gave_up_ = base::Clock::now() >= end;
    }
  }

  void reopen_file() {
    const auto reopened = file_.reopen();
    misplaced_ = !reopened;
    if (!reopened) {
      failed(reopened.error());
    } else {
      log_info("audit log was opened again path={}", LogValue{path_});
    }
  }

  void failed(const base::Error& error) {
    write_errors_.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(failing_, true)) {
      log_error("audit log could not be written error={}", LogValue{error.message()});
      const std::lock_guard lock(mutex_);
      error_ = error.message();
    }
  }

  void recovered() {
    if (!misplaced_ && std::exchange(failing_, false)) {
      {
        const std::lock_guard lock(mutex_);
        error_.clear();
      }
      log_info("audit log was written again path={}", LogValue{path_});
    }
  }

  const std::uint64_t most_queued_;
  const std::string path_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Queue queue_;
  bool writer_sleeps_ = false;
  bool reopen_ = false;
  bool stop_ = false;
  std::string error_;  // while it fails

  std::atomic<std::uint64_t> events_ = 0;
  std::atomic<std::uint64_t> unwritten_ = 0;
  std::atomic<std::uint64_t> write_errors_ = 0;
  std::atomic<std::int64_t> moved_ns_ = now_ns();  // lines were taken up, or written

  // The writer's own.
  AuditFile file_;
  AuditNames names_;
  bool failing_ = false;
  bool misplaced_ = false;  // it could not be opened again: lines go to the file as it was
  bool gave_up_ = false;    // at shutdown

  std::thread writer_;
};

}  // namespace

base::SysResult<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& path, AuditNames names,
                                                          std::uint64_t most_queued) {
  if (path.empty()) {
    return std::unique_ptr<AuditLog>(std::make_unique<NoAuditLog>());
  }
  auto file = AuditFile::open(path);
  if (!file) {
    auto error = file.error();
    error.cure = "Choose another file with audit.path or --audit.";
    return base::Unexpected{std::move(error)};
  }
  return std::unique_ptr<AuditLog>(
      std::make_unique<FileAuditLog>(std::move(file).value(), path, std::move(names), most_queued));
}

}  // namespace gateway
