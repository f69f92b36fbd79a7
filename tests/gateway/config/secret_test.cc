#include "gateway/config/secret.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/config/setting_kinds.h"
#include "tests/support/temp_directory.h"

namespace gateway {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  const auto secret = read_secret(text);
  return secret ? "it was read" : secret.error();
}

TEST(Secret, StandsInTheEnvironmentInAFileOrInItself) {
  const test_support::TempDirectory directory;
  std::ofstream(directory.file("token")) << "open sesame\n";
  ::setenv("LIFTGATE_TEST_TOKEN", "swordfish", 1);
  EXPECT_EQ(read_secret("env:LIFTGATE_TEST_TOKEN").value().value, "swordfish");
  EXPECT_EQ(read_secret("file:" + directory.file("token")).value().value, "open sesame");
  EXPECT_EQ(read_secret("hunter2").value().value, "hunter2");
  EXPECT_EQ(read_secret("").value(), Secret{});
}

TEST(Secret, IsNeverPrintedOnlyWhereItIs) {
  ::setenv("LIFTGATE_TEST_TOKEN", "swordfish", 1);
  const Secret secret = SecretKind{}.parse({"env:LIFTGATE_TEST_TOKEN"}).value();
  EXPECT_EQ(SecretKind{}.print(secret), "\"env:LIFTGATE_TEST_TOKEN\"");
  EXPECT_EQ(SecretKind{}.parse({"env:LIFTGATE_TEST_TOKEN"}).value(), secret);
  EXPECT_EQ(SecretKind{}.print(SecretKind{}.parse({"hunter2"}).value()), "\"\"");
}

TEST(Secret, ThatIsNotThereIsSaidWithACure) {
  const test_support::TempDirectory directory;
  ::unsetenv("LIFTGATE_TEST_NONE");
  EXPECT_EQ(refusal("env:LIFTGATE_TEST_NONE"),
            "the environment has no variable \"LIFTGATE_TEST_NONE\"; set it, or write file:PATH");
  EXPECT_THAT(refusal("env:"), HasSubstr("write env:NAME"));
  EXPECT_THAT(refusal("file:" + directory.file("none")),
              HasSubstr("No such file or directory; it must"));
  EXPECT_THAT(refusal("file:" + directory.path()), HasSubstr("is not a regular file"));
  ASSERT_EQ(::mkfifo(directory.file("pipe").c_str(), 0600), 0);
  EXPECT_THAT(refusal("file:" + directory.file("pipe")), HasSubstr("is not a regular file"));
}

TEST(Secret, ThatCannotBeOneIsRefusedWithoutShowingIt) {
  const test_support::TempDirectory directory;
  std::ofstream(directory.file("empty"));
  std::ofstream(directory.file("lines")) << "first\nsecond\n";
  std::ofstream(directory.file("long")) << std::string(2000, 'x');
  for (const char* name : {"empty", "lines", "long"}) {
    const std::string why = refusal("file:" + directory.file(name));
    EXPECT_THAT(why, HasSubstr("1 to 1024 printable characters in one line")) << name;
    EXPECT_EQ(why.find("second"), std::string::npos);
  }
}

}  // namespace
}  // namespace gateway
