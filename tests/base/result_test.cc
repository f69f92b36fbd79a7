#include "base/result.h"

#include <cerrno>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/error.h"

namespace base {
namespace {

enum class Why { kSmall, kLarge };

Result<int, Why> even_half(int number) {
  if (number % 2 != 0) {
    return Unexpected{Why::kSmall};
  }
  return number / 2;
}

TEST(Result, HoldsTheValue) {
  const auto half = even_half(8);

  ASSERT_TRUE(half);
  EXPECT_EQ(*half, 4);
  EXPECT_EQ(half.value(), 4);
}

TEST(Result, HoldsTheReasonWhyThereIsNoValue) {
  const auto half = even_half(7);

  ASSERT_FALSE(half.has_value());
  EXPECT_EQ(half.error(), Why::kSmall);
}

TEST(Result, ValueAndErrorMayBeOfOneType) {
  const Result<std::string, std::string> failed = Unexpected{std::string("why")};
  const Result<std::string, std::string> worked = std::string("what");

  EXPECT_EQ(failed.error(), "why");
  EXPECT_EQ(worked.value(), "what");
}

TEST(Result, MoveOnlyValueMovesOut) {
  Result<std::unique_ptr<int>, Why> made = std::make_unique<int>(7);

  const std::unique_ptr<int> owned = std::move(made).value();

  EXPECT_EQ(*owned, 7);
}

TEST(Result, OfNothingSucceedsWhenEmpty) {
  const Result<void, Why> worked;
  const Result<void, Why> failed = Unexpected{Why::kLarge};

  EXPECT_TRUE(worked);
  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.error(), Why::kLarge);
}

TEST(ResultDeathTest, ReadingTheSideThatIsNotThereAborts) {
  EXPECT_DEATH((void)even_half(7).value(), "CHECK failed");
  EXPECT_DEATH((void)even_half(8).error(), "CHECK failed");
  EXPECT_DEATH((void)(Result<void, Why>().error()), "CHECK failed");
}

TEST(Error, SaysWhatWasAttemptedAndWhyItFailed) {
  errno = EBUSY;
  EXPECT_EQ(last_error("TUNSETIFF gw0").message(), "TUNSETIFF gw0: Device or resource busy");
}

TEST(Error, SaysTheCureWhereThereIsOne) {
  errno = EACCES;
  Error error = last_error("open /dev/net/tun");
  error.cure = "Run `chmod 0666 /dev/net/tun` as root.";

  EXPECT_EQ(error.message(),
            "open /dev/net/tun: Permission denied. Run `chmod 0666 /dev/net/tun` as root.");
}

TEST(Error, WithoutAnErrnoIsItsOwnSentence) {
  EXPECT_EQ(failure("tun0: name longer than 15 bytes").message(),
            "tun0: name longer than 15 bytes");
}

}  // namespace
}  // namespace base
