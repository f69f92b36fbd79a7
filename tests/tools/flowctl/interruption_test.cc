#include "tools/flowctl/interruption.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include <gtest/gtest.h>

namespace flowctl {
namespace {

using std::chrono::milliseconds;
using Woke = Interruption::Woke;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader = base::Fd::adopt(ends[0]);
    writer = base::Fd::adopt(ends[1]);
  }
  base::Fd reader;
  base::Fd writer;
};

TEST(Interruption, WaitsToBeReadAndGoesFirst) {
  const Pipe pipe;
  const Interruption interruption({SIGWINCH});
  EXPECT_FALSE(interruption.wait_for_signal(milliseconds(0)));
  EXPECT_EQ(interruption.wait({.readable = pipe.reader, .limit = milliseconds(0)}), Woke::kTimeout);
  ASSERT_EQ(::write(pipe.writer.get(), "x", 1), 1);
  EXPECT_EQ(interruption.wait({.readable = pipe.reader}), Woke::kReady);
  ::raise(SIGWINCH);
  EXPECT_FALSE(was_interrupted());
  ::raise(SIGTERM);
  EXPECT_TRUE(was_interrupted());
  EXPECT_EQ(interruption.wait({.readable = pipe.reader}), Woke::kSignal);
  EXPECT_EQ(interruption.take(), SIGWINCH);
  EXPECT_EQ(interruption.take(), SIGTERM);
  EXPECT_EQ(interruption.take(), std::nullopt);
}

TEST(Interruption, NoticesThatNobodyReadsAnyLonger) {
  const Pipe input;
  Pipe output;
  const Interruption interruption;
  EXPECT_EQ(
      interruption.wait(
          {.readable = input.reader, .written_to = output.writer.get(), .limit = milliseconds(0)}),
      Woke::kTimeout);
  output.reader.reset();
  EXPECT_EQ(interruption.wait({.readable = input.reader, .written_to = output.writer.get()}),
            Woke::kReaderGone);
}

TEST(Interruption, SecondOneEndsTheProcess) {
  EXPECT_EXIT(
      {
        const Interruption interruption;
        ::raise(SIGINT);
        ::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(Interruption, LongestWaitIsNoShortOne) {
  const Interruption interruption;
  ::raise(SIGHUP);
  EXPECT_TRUE(interruption.wait_for_signal(milliseconds::max()));
}

}  // namespace
}  // namespace flowctl
