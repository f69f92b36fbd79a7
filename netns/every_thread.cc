#include "netns/every_thread.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <set>
#include <string>

namespace netns {
namespace {

using base::SysResult;
using base::Unexpected;

// Chosen: a thread runs its handler as soon as it runs at all. TSan's own threads, of which a
// forked process has two, hear no signals, and whoever waits for them answers nobody meanwhile.
#ifdef LIFTGATE_SANITIZED
constexpr std::chrono::milliseconds kPatience(500);
#else
constexpr std::chrono::milliseconds kPatience(5000);
#endif

// What the handler finds. A signal that comes from elsewhere finds no work.
struct Errand {
  std::atomic<ThreadWork> work = nullptr;
  std::atomic<const void*> argument = nullptr;
  std::atomic<int> error = 0;
  sem_t done{};
};
Errand errand;

void on_signal(int /*signal*/) {
  const int before = errno;
  if (const ThreadWork work = errand.work.load()) {
    int none = 0;
    errand.error.compare_exchange_strong(none, work(errand.argument.load()));
    ::sem_post(&errand.done);
  }
  errno = before;
}

std::set<pid_t> threads() {
  std::set<pid_t> found;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", failed)) {
    found.insert(std::stoi(entry.path().filename().string()));
  }
  return found;
}

bool wait_for_one() {
  const auto deadline = std::chrono::system_clock::now().time_since_epoch() + kPatience;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(deadline);
  const timespec until{.tv_sec = seconds.count(),
                       .tv_nsec = std::chrono::nanoseconds(deadline - seconds).count()};
  int waited = 0;
  while ((waited = ::sem_timedwait(&errand.done, &until)) != 0 && errno == EINTR) {
  }
  return waited == 0;
}

// Threads that a thread has started before its turn came have what it had then.
SysResult<void> send_round() {
  SysResult<void> all;
  const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
  std::set<pid_t> asked = {self};
  for (bool new_ones = true; new_ones;) {
    new_ones = false;
    for (const pid_t thread : threads()) {
      if (!asked.insert(thread).second) {
        continue;
      }
      new_ones = true;
      if (::syscall(SYS_tgkill, ::getpid(), thread, every_thread_signal()) != 0) {
        continue;  // it has ended
      }
      if (!wait_for_one() && threads().contains(thread)) {
        all = Unexpected{base::failure("thread " + std::to_string(thread) +
                                       " did not do its part in being confined")};
      }
    }
  }
  return all;
}

}  // namespace

int every_thread_signal() noexcept {
  return SIGRTMAX - 1;  // chosen: libc's own are at the other end
}

SysResult<void> on_every_thread(ThreadWork work, const void* argument) {
  ::sem_init(&errand.done, 0, 0);
  errand.error = 0;
  errand.argument = argument;
  errand.work = work;
  // It stays: a thread that had the signal blocked may take it at any later time.
  struct sigaction ours{};
  ours.sa_handler = on_signal;
  ours.sa_flags = SA_RESTART;
  ::sigaction(every_thread_signal(), &ours, nullptr);
  auto sent = send_round();
  errand.work = nullptr;
  const int own = work(argument);
  if (!sent) {
    return sent;
  }
  const int error = errand.error != 0 ? errand.error.load() : own;
  return error == 0
             ? SysResult<void>()
             : Unexpected{base::Error{{error, std::generic_category()}, "confining a thread", {}}};
}

}  // namespace netns
