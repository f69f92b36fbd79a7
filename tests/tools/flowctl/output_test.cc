#include "tools/flowctl/output.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "tools/flowctl/interruption.h"

namespace flowctl {
namespace {

using base::Fd;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader = Fd::adopt(ends[0]);
    writer = Fd::adopt(ends[1]);
  }
  Fd reader;
  Fd writer;
};

TEST(Output, CollectsUntilItIsFlushed) {
  const Pipe pipe;
  Output output(pipe.writer.get());
  output.text() += "one\n";
  output.row_done();
  output.text() += "two\n";
  output.flush();

  std::string read(64, '\0');
  const ssize_t bytes = ::read(pipe.reader.get(), read.data(), read.size());
  EXPECT_EQ(read.substr(0, static_cast<std::size_t>(bytes)), "one\ntwo\n");
  EXPECT_TRUE(output.is_open());
}

// The reader stands still, and is sent an interruption in its stead.
TEST(Output, InterruptionEndsAWriteThatWaits) {
  const Pipe pipe;
  const Interruption interruption;
  Output output(pipe.writer.get());
  output.text() = std::string(1'000'000, 'x');
  const pthread_t writer = ::pthread_self();
  std::thread interrupter([&] {
    int waiting = 0;
    while (::ioctl(pipe.reader.get(), FIONREAD, &waiting) == 0 && waiting < 65536) {
      std::this_thread::yield();
    }
    ::pthread_kill(writer, SIGINT);
  });
  output.flush();
  interrupter.join();
  EXPECT_FALSE(output.is_open());
  EXPECT_EQ(output.error(), "");
  EXPECT_EQ(interruption.take(), SIGINT);
}

TEST(Output, ReaderThatHasGoneIsNoReasonToComplain) {
  Pipe pipe;
  pipe.reader.reset();
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  Output output(pipe.writer.get());
  output.text() = "nobody reads this";
  output.flush();
  std::signal(SIGPIPE, before);

  EXPECT_FALSE(output.is_open());
  EXPECT_EQ(output.error(), "");
}

TEST(Output, FullDiskIsAReason) {
  const Fd full = Fd::adopt(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  Output output(full.get());
  output.text() = "x";
  output.flush();

  EXPECT_FALSE(output.is_open());
  EXPECT_EQ(output.error(), "write to standard output: No space left on device");
}

class WantsColours : public testing::Test {
 protected:
  void SetUp() override {
    int terminal = -1;
    int other_end = -1;
    ASSERT_EQ(::openpty(&other_end, &terminal, nullptr, nullptr, nullptr), 0);
    terminal_ = Fd::adopt(terminal);
    other_end_ = Fd::adopt(other_end);
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
  }
  void TearDown() override { ::unsetenv("NO_COLOR"); }

  Fd terminal_;
  Fd other_end_;
};

TEST_F(WantsColours, OnATerminalOnly) {
  EXPECT_TRUE(wants_colours(terminal_.get()));
  const Pipe pipe;
  EXPECT_FALSE(wants_colours(pipe.writer.get()));
}

TEST_F(WantsColours, NotWhenTheUserSaysNo) {
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(wants_colours(terminal_.get()));
  ::setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(wants_colours(terminal_.get())) << "no-color.org: set and not empty";
  ::setenv("TERM", "dumb", 1);
  EXPECT_FALSE(wants_colours(terminal_.get()));
}

}  // namespace
}  // namespace flowctl
