#include "netns/sysctl.h"

#include <gtest/gtest.h>

namespace netns {
namespace {

TEST(Sysctl, NamesOutsideOfNetAreRefused) {
  EXPECT_FALSE(set_sysctl({"kernel/hostname", "nobody"}));
  EXPECT_FALSE(set_sysctl({"net/../kernel/hostname", "nobody"}));
}

TEST(Sysctl, AMissingOneIsFineOnlyIfItIsOptional) {
  EXPECT_TRUE(set_sysctl({"net/no_such_setting", "1", true}));
  const auto set = set_sysctl({"net/no_such_setting", "1", false});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().message(),
            "setting sysctl net/no_such_setting to 1: No such file or directory");
}

}  // namespace
}  // namespace netns
