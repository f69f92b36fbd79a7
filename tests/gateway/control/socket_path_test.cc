#include "gateway/control/socket_path.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"

namespace gateway {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kSomebodyElse = 12345;

// A folder of the test's own, gone with it.
class ParentDirectory : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "socket_path_test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  mode_t mode_of(const fs::path& path) {
    struct stat found{};
    EXPECT_EQ(::stat(path.c_str(), &found), 0) << path;
    return found.st_mode & 07777;
  }
  // As /tmp is: everybody may make entries.
  fs::path public_folder() {
    const fs::path folder = root_ / "public";
    fs::create_directory(folder);
    EXPECT_EQ(::chmod(folder.c_str(), 01777), 0);
    return folder;
  }

  fs::path root_;
};

TEST(ControlPath, EnvironmentVariableComesFirst) {
  EXPECT_EQ(control_path({.liftgate_socket = "/a/b.sock",
                          .runtime_directory = "/run/user/7",
                          .may_use_run = true,
                          .uid = 7}),
            "/a/b.sock");
}

TEST(ControlDirectories, AreAllWhereNothingIsNamed) {
  EXPECT_EQ(control_directories({.liftgate_socket = "/a/b.sock",
                                 .runtime_directory = "/run/user/7",
                                 .may_use_run = false,
                                 .uid = 7}),
            (std::vector<std::string>{"/run/liftgate", "/tmp/liftgate-7", "/run/user/7/liftgate"}));
  EXPECT_EQ(
      control_directories(
          {.liftgate_socket = "", .runtime_directory = "here", .may_use_run = false, .uid = 7}),
      (std::vector<std::string>{"/run/liftgate", "/tmp/liftgate-7"}));
}

TEST(ControlPath, ThenTheRuntimeDirectory) {
  EXPECT_EQ(control_path({.liftgate_socket = "",
                          .runtime_directory = "/run/user/7",
                          .may_use_run = true,
                          .uid = 7}),
            "/run/user/7/liftgate/control.sock");
}

TEST(ControlPath, RelativeRuntimeDirectoryIsIgnored) {
  EXPECT_EQ(
      control_path(
          {.liftgate_socket = "", .runtime_directory = "here", .may_use_run = true, .uid = 7}),
      "/run/liftgate/control.sock");
}

TEST(ControlPath, ThenRunAndLastTheFolderOfTheUserInTmp) {
  EXPECT_EQ(
      control_path({.liftgate_socket = "", .runtime_directory = "", .may_use_run = true, .uid = 7}),
      "/run/liftgate/control.sock");
  EXPECT_EQ(control_path(
                {.liftgate_socket = "", .runtime_directory = "", .may_use_run = false, .uid = 7}),
            "/tmp/liftgate-7/control.sock");
}

TEST(OnrampPath, IsBesideTheControlSocket) {
  EXPECT_EQ(default_onramp_path("/run/liftgate/control.sock"), "/run/liftgate/onramp.sock");
  EXPECT_EQ(default_onramp_path("control.sock"), "onramp.sock");
}

TEST_F(ParentDirectory, IsMadePrivateWithThoseAboveIt) {
  const auto made = make_parent_directory(root_ / "one//two/control.sock");
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(mode_of(root_ / "one"), 0700u);
  EXPECT_EQ(mode_of(root_ / "one/two"), 0700u);
  EXPECT_FALSE(fs::exists(root_ / "one/two/control.sock"));
}

TEST_F(ParentDirectory, ThatExistsIsLeftAsItIs) {
  fs::create_directory(root_ / "one");
  ASSERT_EQ(::chmod((root_ / "one").c_str(), 0755), 0);
  EXPECT_TRUE(make_parent_directory(root_ / "one/control.sock"));
  EXPECT_EQ(mode_of(root_ / "one"), 0755u);
}

TEST_F(ParentDirectory, OfABareNameIsTheCurrentOne) {
  EXPECT_TRUE(make_parent_directory("control.sock"));
}

TEST_F(ParentDirectory, InAPublicFolderMayBeOurOwn) {
  const fs::path socket = public_folder() / "liftgate-7/control.sock";
  EXPECT_TRUE(make_parent_directory(socket));
  EXPECT_TRUE(make_parent_directory(socket)) << "and again, now that it exists";
}

// Root gives the folder away; everybody else mounts one of root's over it, in namespaces of their
// own. Run in a child, because that cannot be undone.
void give_to_somebody_else(const fs::path& folder) {
  const uid_t uid = ::geteuid();
  if (uid == 0) {
    CHECK(::chown(folder.c_str(), kSomebodyElse, kSomebodyElse) == 0);
    return;
  }
  CHECK(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
  // Not as 65534 inside, which is what root is seen as.
  std::ofstream("/proc/self/uid_map") << "1000 " << uid << " 1";
  CHECK(::mount("/usr", folder.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0);
}

TEST_F(ParentDirectory, InAPublicFolderMayNotBelongToAnotherUser) {
  const fs::path theirs = public_folder() / "liftgate-7";
  fs::create_directory(theirs);

  EXPECT_EXIT(
      {
        give_to_somebody_else(theirs);
        const auto refused = make_parent_directory(theirs / "control.sock");
        std::cerr << (refused ? "taken" : refused.error().message());
        std::exit(0);
      },
      testing::ExitedWithCode(0), "belongs to another user");
}

TEST_F(ParentDirectory, InAPublicFolderMayNotBeALink) {
  const fs::path link = public_folder() / "liftgate-7";
  fs::create_directory_symlink(root_, link);
  const auto refused = make_parent_directory(link / "control.sock");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("symbolic link"));
}

TEST_F(ParentDirectory, ThatIsAFileIsAnError) {
  ASSERT_EQ(::mknod((root_ / "file").c_str(), S_IFREG | 0600, 0), 0);
  const auto refused = make_parent_directory(root_ / "file/control.sock");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, std::errc::not_a_directory);
}

}  // namespace
}  // namespace gateway
