// main() of the integration tests: a network of our own first, then GoogleTest.

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

#include "integration/support/host_network.h"
#include "netns/sandbox.h"

namespace {

// Not in main() itself: `--gtest_list_tests` must work where namespaces are forbidden.
class OwnNetwork : public testing::Environment {
  void SetUp() override {
    if (const auto entered = integration::host::enter(); !entered) {
      // Where it is set, these tests cannot silently become no tests.
      ASSERT_EQ(std::getenv("LIFTGATE_REQUIRE_SANDBOX"), nullptr) << entered.error().message();
      GTEST_SKIP() << entered.error().message();
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (const auto status = netns::helper_main(argc, argv)) {
    return *status;
  }
  std::signal(SIGHUP, SIG_DFL);   // whoever started us under nohup(1) has our programs ignore it
  std::signal(SIGPIPE, SIG_IGN);  // a peer that has gone is an error code, as in the gateway
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new OwnNetwork);
  return RUN_ALL_TESTS();
}
