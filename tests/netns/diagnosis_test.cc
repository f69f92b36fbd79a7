// Machines that forbid sandboxes, made from this one: a process in a user namespace of its own may
// switch namespaces off below itself, and hide devices from itself.
#include "netns/diagnosis.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netns/id_map.h"
#include "netns/sandbox.h"
#include "tests/support/sandbox_support.h"

namespace netns {
namespace {

using testing::HasSubstr;

// What start() says on a machine that `spoil` has changed. Skips with an empty text where there are
// no user namespaces to begin with.
template <class Spoil>
std::string refusal_after(const Spoil& spoil) {
  std::array<int, 2> ends{};
  CHECK(::pipe(ends.data()) == 0);
  const auto read = base::Fd::adopt(ends[0]);
  auto write = base::Fd::adopt(ends[1]);
  const Ids outside = current_ids();
  int pidfd = -1;
  const pid_t pid = clone_process(CLONE_NEWUSER | CLONE_NEWNS, &pidfd);
  if (pid == 0) {
    std::string text = "the test could not spoil its machine";
    if (write_id_maps(outside) && spoil()) {
      const auto sandbox = Sandbox::start({});
      text = sandbox ? "nothing: it started" : sandbox.error().message();
    }
    (void)!::write(write.get(), text.data(), text.size());
    ::_exit(0);
  }
  if (pid < 0) {
    return {};
  }
  const auto child = base::Fd::adopt(pidfd);
  write.reset();
  std::string text = test_support::read_all(read);
  EXPECT_TRUE(wait_for_exit(child));
  return text;
}

#define SKIP_IF_EMPTY(text)                    \
  if ((text).empty()) {                        \
    GTEST_SKIP() << "no user namespaces here"; \
  }

TEST(Diagnosis, SwitchedOffUserNamespacesAreNamed) {
  const std::string refusal = refusal_after([] {
    return static_cast<bool>(std::ofstream("/proc/sys/user/max_user_namespaces")
                             << "0" << std::flush);
  });
  SKIP_IF_EMPTY(refusal);
  EXPECT_EQ(refusal,
            "cloning into a new user and network namespace: No space left on device. User "
            "namespaces are switched off here: sysctl -w user.max_user_namespaces=10000");
}

TEST(Diagnosis, ExhaustedNetworkNamespacesAreNamed) {
  const std::string refusal = refusal_after([] {
    return static_cast<bool>(std::ofstream("/proc/sys/user/max_net_namespaces")
                             << "0" << std::flush);
  });
  SKIP_IF_EMPTY(refusal);
  EXPECT_THAT(refusal, HasSubstr("raise user.max_user_namespaces and user.max_net_namespaces"));
}

TEST(Diagnosis, AMissingTunDeviceIsNamed) {
  const std::string refusal =
      refusal_after([] { return ::mount("none", "/dev/net", "tmpfs", 0, nullptr) == 0; });
  SKIP_IF_EMPTY(refusal);
  EXPECT_EQ(refusal,
            "opening /dev/net/tun: No such file or directory. There is no /dev/net/tun here: in a "
            "container run it with --device /dev/net/tun, elsewhere modprobe tun");
}

TEST(Diagnosis, AForbiddenTunDeviceIsNamed) {
  const std::string refusal = refusal_after([] {
    constexpr const char* kTun = "/dev/net/tun";
    return ::mount(kTun, kTun, nullptr, MS_BIND, nullptr) == 0 &&
           ::mount(nullptr, kTun, nullptr, MS_REMOUNT | MS_BIND | MS_NODEV, nullptr) == 0;
  });
  SKIP_IF_EMPTY(refusal);
  EXPECT_THAT(refusal, HasSubstr("opening /dev/net/tun: Permission denied. The device cgroup"));
}

TEST(Diagnosis, EveryUsualErrnoHasACure) {
  for (const int error : {EPERM, EACCES, ENOSPC, EINVAL, ENOSYS, EAGAIN}) {
    EXPECT_NE(user_namespace_cure(error), "") << error;
  }
  for (const int error : {ENOENT, ENODEV, EACCES, EPERM}) {
    EXPECT_NE(tun_cure(error), "") << error;
  }
  EXPECT_NE(id_map_cure(EPERM), "");
}

TEST(Diagnosis, TheAppArmorProfileAllowsUserNamespacesToTheProgram) {
  EXPECT_EQ(apparmor_profile("/usr/bin/liftgate"),
            "abi <abi/4.0>,\n"
            "include <tunables/global>\n"
            "\n"
            "/usr/bin/liftgate flags=(unconfined) {\n"
            "  userns,\n"
            "}\n");
}

}  // namespace
}  // namespace netns
