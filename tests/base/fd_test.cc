#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include <gtest/gtest.h>

namespace base {
namespace {

Fd open_null() {
  return Fd::adopt(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool kernel_knows(int number) {
  return ::fcntl(number, F_GETFD) != -1;
}

TEST(Fd, OwnsNothingByDefault) {
  EXPECT_FALSE(Fd().is_open());
  EXPECT_FALSE(Fd::adopt(-1).is_open());
}

TEST(Fd, ClosesWhenItGoes) {
  int number = -1;
  {
    const Fd fd = open_null();
    number = fd.get();
    ASSERT_TRUE(kernel_knows(number));
  }
  EXPECT_FALSE(kernel_knows(number));
}

TEST(Fd, MovedFromOwnsNothing) {
  Fd first = open_null();
  const int number = first.get();

  const Fd second = std::move(first);

  EXPECT_FALSE(first.is_open());  // NOLINT(bugprone-use-after-move): that is the test
  EXPECT_EQ(second.get(), number);
  EXPECT_TRUE(kernel_knows(number));
}

TEST(Fd, AssignmentClosesWhatWasOwned) {
  Fd fd = open_null();
  const int old_number = fd.get();
  Fd other = open_null();
  const int new_number = other.get();

  fd = std::move(other);

  EXPECT_FALSE(kernel_knows(old_number));
  EXPECT_EQ(fd.get(), new_number);
}

TEST(Fd, AssignmentToItselfKeepsTheDescriptor) {
  Fd fd = open_null();
  Fd& itself = fd;

  fd = std::move(itself);

  EXPECT_TRUE(fd.is_open());
  EXPECT_TRUE(kernel_knows(fd.get()));
}

TEST(Fd, ResetClosesAtOnceAndMayBeRepeated) {
  Fd fd = open_null();
  const int number = fd.get();

  fd.reset();
  fd.reset();

  EXPECT_FALSE(fd.is_open());
  EXPECT_FALSE(kernel_knows(number));
}

TEST(Fd, ReleasedNumberIsTheCallersToClose) {
  int number = -1;
  {
    Fd fd = open_null();
    number = fd.release();
  }
  EXPECT_TRUE(kernel_knows(number));
  EXPECT_EQ(::close(number), 0);
}

}  // namespace
}  // namespace base
