#include "gateway/control/unix_listener.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_directory.h"

namespace gateway {
namespace {

using base::Fd;
using test_support::TempDirectory;

UnixListenerOptions at(const std::string& path, int type = SOCK_STREAM) {
  return {.path = path, .type = type, .mode = 0600, .chosen_by = "control.path"};
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

Fd connected_to(const std::string& path, int type = SOCK_STREAM) {
  Fd socket = Fd::adopt(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    socket.reset();
  }
  return socket;
}

// A socket file whose process has gone.
void leave_a_socket_behind(const std::string& path) {
  const Fd socket = Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
}

mode_t mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class UnixListenerTest : public testing::Test {
 protected:
  TempDirectory directory_;
  const std::string path_ = directory_.file("control.sock");
};

TEST_F(UnixListenerTest, AcceptTellsWhoHasConnected) {
  auto listener = UnixListener::create(at(path_));
  ASSERT_TRUE(listener) << listener.error().message();
  const Fd client = connected_to(path_);
  ASSERT_TRUE(client.is_open());

  const auto peer = listener->accept();

  ASSERT_TRUE(peer && peer->has_value());
  EXPECT_TRUE((*peer)->socket.is_open());
  EXPECT_EQ((*peer)->uid, ::getuid());
  EXPECT_EQ((*peer)->gid, ::getgid());
  EXPECT_EQ((*peer)->pid, ::getpid());
}

TEST_F(UnixListenerTest, NobodyWaitingIsNotAnError) {
  auto listener = UnixListener::create(at(path_));
  ASSERT_TRUE(listener);

  const auto peer = listener->accept();

  ASSERT_TRUE(peer) << peer.error().message();
  EXPECT_FALSE(peer->has_value());
}

TEST_F(UnixListenerTest, FileHasTheModeAskedForWhateverTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{0177}, mode_t{0777}}) {
    for (const mode_t mode : {mode_t{0600}, mode_t{0660}}) {
      auto options = at(path_);
      options.mode = mode;
      const mode_t before = ::umask(mask);
      const auto listener = UnixListener::create(options);
      ::umask(before);
      ASSERT_TRUE(listener) << listener.error().message();
      EXPECT_EQ(mode_of(path_), mode) << "umask " << std::oct << mask;
    }
  }
}

TEST_F(UnixListenerTest, MissingDirectoryIsMadeForUsAlone) {
  const std::string path = directory_.file("liftgate/control.sock");

  const auto listener = UnixListener::create(at(path));

  ASSERT_TRUE(listener) << listener.error().message();
  EXPECT_EQ(mode_of(directory_.file("liftgate")), 0700u);
}

TEST_F(UnixListenerTest, SocketThatNobodyAnswersAtIsReplaced) {
  leave_a_socket_behind(path_);

  const auto listener = UnixListener::create(at(path_));

  ASSERT_TRUE(listener) << listener.error().message();
  EXPECT_TRUE(connected_to(path_).is_open());
}

TEST_F(UnixListenerTest, LiveListenerOfEitherTypeIsLeftAlone) {
  for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
    const auto first = UnixListener::create(at(path_, type));
    ASSERT_TRUE(first) << first.error().message();

    const auto second = UnixListener::create(at(path_));

    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message(), "another liftgate answers at " + path_ +
                                            ". Stop it, or choose another path with control.path.");
    EXPECT_TRUE(connected_to(path_, type).is_open());
  }
}

TEST_F(UnixListenerTest, LiveListenerWithAFullBacklogIsLeftAlone) {
  const Fd busy = Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path_);
  ASSERT_EQ(::bind(busy.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(busy.get(), 0), 0);
  const Fd fills_it = connected_to(path_);
  ASSERT_TRUE(fills_it.is_open());

  EXPECT_FALSE(UnixListener::create(at(path_)));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixListenerTest, FileThatIsNotASocketIsNeverRemoved) {
  std::ofstream(path_) << "precious";

  const auto listener = UnixListener::create(at(path_));

  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().message(),
            path_ + " exists and is not a socket. Remove it, or choose another with control.path.");
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_F(UnixListenerTest, PathThatIsTooLongSaysSo) {
  const std::string path = directory_.file(std::string(120, 'x'));

  const auto listener = UnixListener::create(at(path));

  ASSERT_FALSE(listener);
  EXPECT_NE(listener.error().message().find("has at most 107. Choose a shorter one with"),
            std::string::npos)
      << listener.error().message();
}

TEST_F(UnixListenerTest, PathThatCannotBeHadNamesTheSettingToChange) {
  for (const std::string path : {"/proc/nope/x.sock", "/dev/null/x.sock"}) {
    const auto refused =
        UnixListener::create({.path = path, .chosen_by = "onramps.seqpacket.path"});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(),
                testing::EndsWith("Choose a path in a folder of your own with "
                                  "onramps.seqpacket.path."));
  }
}

TEST_F(UnixListenerTest, FileGoesWithTheListener) {
  {
    auto listener = UnixListener::create(at(path_));
    ASSERT_TRUE(listener);
    const UnixListener moved = std::move(*listener);
    EXPECT_TRUE(std::filesystem::exists(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixListenerTest, FileOfASuccessorStays) {
  {
    const auto listener = UnixListener::create(at(path_));
    ASSERT_TRUE(listener);
    std::filesystem::remove(path_);
    leave_a_socket_behind(path_);
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixListenerTest, OfManyThatStartAtOnceExactlyOneGetsThePath) {
  constexpr int kDaemons = 8;
  constexpr int kRounds = 150;  // without the lock, most runs have a round with two winners
  for (int round = 0; round < kRounds; ++round) {
    leave_a_socket_behind(path_);
    std::vector<std::optional<UnixListener>> started(kDaemons);
    std::vector<std::thread> threads;
    std::latch start(kDaemons);
    for (auto& mine : started) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        if (auto listener = UnixListener::create(at(path_)); listener) {
          mine.emplace(std::move(listener).value());
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
    ASSERT_EQ(std::ranges::count_if(started, [](auto& mine) { return mine.has_value(); }), 1);
    ASSERT_TRUE(connected_to(path_).is_open());
  }
}

}  // namespace
}  // namespace gateway
