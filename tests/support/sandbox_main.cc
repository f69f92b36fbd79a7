// main() of the test programs that start sandboxes: their helper is the same program again.

#include <gtest/gtest.h>

#include "netns/sandbox.h"

int main(int argc, char** argv) {
  if (const auto status = netns::helper_main(argc, argv)) {
    return *status;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
