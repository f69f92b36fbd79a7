#include "netns/confinement.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "netns/process.h"
#include "tests/support/sandbox_support.h"
#include "tests/support/temp_directory.h"

namespace netns {
namespace {

// Confinement is for ever, so each test confines a process of its own, which returns 0, or the line
// of the first expectation that did not hold.
int in_child(const std::function<int()>& body) {
  int pidfd = -1;
  const pid_t pid = clone_process(0, &pidfd);
  if (pid == 0) {
    ::_exit(body());
  }
  return *wait_for_exit(base::Fd::adopt(pidfd));
}

#define HOLDS(condition)    \
  if (!(condition)) {       \
    return __LINE__ & 0x7f; \
  }

bool opens(const std::string& path, int flags = O_RDONLY) {
  return base::Fd::adopt(::open(path.c_str(), flags | O_CLOEXEC, 0600)).is_open();
}

#ifdef LIFTGATE_SANITIZED
constexpr bool kHasFilter = false;
#else
constexpr bool kHasFilter = true;
#endif

class Confine : public testing::Test {
 protected:
  Confine() {
    std::filesystem::create_directory(directory_.file("ours"));
    for (const char* file : {"ours/a", "theirs"}) {
      std::ofstream(directory_.file(file)) << "x";
    }
  }
  Confinement with(Access access) const {
    return {.role = Role::kRun,
            .files = {{directory_.file("ours"), access}, {"/proc", Access::kRead}}};
  }
  std::string ours(const std::string& name) const { return directory_.file("ours/" + name); }

  test_support::TempDirectory directory_;
};

TEST_F(Confine, EverythingIsInForce) {
  if (landlock_version() == 0) {
    GTEST_SKIP() << "no Landlock here";
  }
  EXPECT_EQ(in_child([&] {
              const InForce now = confine(with(Access::kRead));
              HOLDS(now.no_new_privileges);
              HOLDS(now.landlock == landlock_version());
              HOLDS(now.filter == kHasFilter && now.missing.empty() == kHasFilter);
              HOLDS(!now.filter || test_support::status_of(::getpid(), "Seccomp") == "2");
              HOLDS(test_support::status_of(::getpid(), "NoNewPrivs") == "1");
              HOLDS(test_support::status_of(::getpid(), "CapEff") == "0000000000000000");
              HOLDS(test_support::status_of(::getpid(), "CapPrm") == "0000000000000000");
              rlimit core{1, 1};
              ::getrlimit(RLIMIT_CORE, &core);
              HOLDS(core.rlim_max == 0);
              return 0;
            }),
            0);
}

TEST_F(Confine, FilesAreReachedAsFarAsTheRulesGo) {
  if (landlock_version() == 0) {
    GTEST_SKIP() << "no Landlock here";
  }
  EXPECT_EQ(in_child([&] {
              (void)confine(with(Access::kRead));
              HOLDS(opens(ours("a")));
              HOLDS(!opens(ours("a"), O_WRONLY));
              HOLDS(!opens(ours("new"), O_WRONLY | O_CREAT));
              HOLDS(::unlink(ours("a").c_str()) != 0);
              HOLDS(!opens(directory_.file("theirs")));
              HOLDS(!opens("/dev/null"));
              HOLDS(!opens("/etc/passwd"));
              return 0;
            }),
            0);
  EXPECT_EQ(in_child([&] {
              (void)confine(with(Access::kWrite | Access::kCreate | Access::kRemove));
              HOLDS(!opens(ours("a")));
              HOLDS(opens(ours("a"), O_WRONLY));
              HOLDS(opens(ours("new"), O_WRONLY | O_CREAT));
              HOLDS(::unlink(ours("new").c_str()) == 0);
              return 0;
            }),
            0);
}

// Landlock and capabilities are of threads.
TEST_F(Confine, ThreadsThatRanAlreadyAreConfinedToo) {
  if (landlock_version() == 0) {
    GTEST_SKIP() << "no Landlock here";
  }
  EXPECT_EQ(in_child([&] {
              std::atomic<bool> confined = false;
              std::atomic<bool> opened = true;
              std::atomic<bool> opened_before = false;
              std::thread other([&] {
                opened_before = opens(directory_.file("theirs"));
                opened_before.notify_one();
                confined.wait(false);
                opened = opens(directory_.file("theirs"));
              });
              opened_before.wait(false);
              const InForce now = confine(with(Access::kRead));
              std::size_t threads = 0;
              for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
                const int thread = std::stoi(task.path().filename());
                HOLDS(test_support::status_of(thread, "NoNewPrivs") == "1");
                HOLDS(!now.filter || test_support::status_of(thread, "Seccomp") == "2");
                ++threads;
              }
              HOLDS(threads == 2);
              confined = true;
              confined.notify_one();
              other.join();
              HOLDS(!opened);
              return 0;
            }),
            0);
}

TEST_F(Confine, OffIsOff) {
  EXPECT_EQ(in_child([&] {
              Confinement off = with(Access::kRead);
              off.enforcement = Enforcement::kOff;
              const InForce now = confine(off);
              HOLDS(now.to_string() == "nothing" && now.missing.empty());
              HOLDS(opens(directory_.file("theirs")));
              return 0;
            }),
            0);
}

}  // namespace
}  // namespace netns
