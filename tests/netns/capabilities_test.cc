#include "netns/capabilities.h"

#include <linux/capability.h>
#include <sched.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "netns/process.h"
#include "tests/support/sandbox_support.h"

namespace netns {
namespace {

using test_support::status_of;

constexpr const char* kNoCapability = "0000000000000000";

// Runs `body` where there is something to lose: in a user namespace of its own, a process starts
// with every capability. Returns what `body` returns, nothing where that is forbidden.
template <class Body>
std::optional<int> in_new_user_namespace(const Body& body) {
  int pidfd = -1;
  const pid_t pid = clone_process(CLONE_NEWUSER, &pidfd);
  if (pid == 0) {
    ::_exit(body());
  }
  const auto child = base::Fd::adopt(pidfd);
  return pid < 0 ? std::nullopt : std::optional(*wait_for_exit(child));
}

TEST(Capabilities, TheEffectiveOnesAreThoseOfProc) {
  const auto effective = effective_capabilities();
  ASSERT_TRUE(effective) << effective.error().message();
  EXPECT_EQ(*effective, std::stoull(status_of(::getpid(), "CapEff"), nullptr, 16));
}

TEST(Capabilities, DroppedOnesAreGoneFromEverySetAndStayGone) {
  const auto status = in_new_user_namespace([] {
    const bool had = *effective_capabilities() != 0;
    if (!had || keep_capabilities_over_exec() != 0 || drop_all_capabilities() != 0) {
      return 1;
    }
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
      if (status_of(::getpid(), set) != kNoCapability) {
        return 2;
      }
    }
    return status_of(::getpid(), "NoNewPrivs") == "1" ? 0 : 3;
  });
  if (!status) {
    GTEST_SKIP() << "no user namespaces here";
  }
  EXPECT_EQ(*status, 0);
}

TEST(Capabilities, OnlyTheBoundingSetKeepsWhatWasExcepted) {
  const auto status = in_new_user_namespace([] {
    if (drop_all_capabilities(CapabilitySet{1} << CAP_NET_RAW) != 0) {
      return 1;
    }
    const bool bounded = status_of(::getpid(), "CapBnd") == "0000000000002000";
    return bounded && status_of(::getpid(), "CapPrm") == kNoCapability ? 0 : 2;
  });
  if (!status) {
    GTEST_SKIP() << "no user namespaces here";
  }
  EXPECT_EQ(*status, 0);
}

TEST(Capabilities, ThoseThatAreNeededMayBeKeptAlone) {
  const auto status = in_new_user_namespace([] {
    if (keep_only_capabilities(CapabilitySet{1} << CAP_NET_RAW) != 0) {
      return 1;
    }
    for (const char* set : {"CapPrm", "CapEff", "CapBnd"}) {
      if (status_of(::getpid(), set) != "0000000000002000") {
        return 2;
      }
    }
    return status_of(::getpid(), "NoNewPrivs") == "1" ? 0 : 3;
  });
  if (!status) {
    GTEST_SKIP() << "no user namespaces here";
  }
  EXPECT_EQ(*status, 0);
}

TEST(Capabilities, KeptOnesAreAmbientSoThatExecLeavesThem) {
  const auto status = in_new_user_namespace([] {
    if (keep_capabilities_over_exec() != 0) {
      return 1;
    }
    return status_of(::getpid(), "CapAmb") == status_of(::getpid(), "CapPrm") ? 0 : 2;
  });
  if (!status) {
    GTEST_SKIP() << "no user namespaces here";
  }
  EXPECT_EQ(*status, 0);
}

}  // namespace
}  // namespace netns
