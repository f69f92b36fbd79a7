#include "netns/fd_passing.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/support/sandbox_support.h"

namespace netns {
namespace {

using base::Fd;
using test_support::open_descriptors;

constexpr std::size_t kRoomBytes = 64;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::vector<Fd> copies_of_standard_error(std::size_t count) {
  std::vector<Fd> copies;
  for (std::size_t i = 0; i < count; ++i) {
    copies.push_back(Fd::adopt(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)));
  }
  return copies;
}

class FdPassing : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = seqpacket_pair();
    ASSERT_TRUE(pair) << pair.error().message();
    near_ = std::move(pair->first);
    far_ = std::move(pair->second);
  }

  Fd near_;
  Fd far_;
};

TEST_F(FdPassing, BytesAndDescriptorsArriveTogether) {
  ASSERT_TRUE(send_message(near_, bytes_of("take this"), copies_of_standard_error(2)));

  const auto message = receive_message(far_, kRoomBytes);
  ASSERT_TRUE(message && *message);
  EXPECT_TRUE(std::ranges::equal((*message)->bytes, bytes_of("take this")));
  ASSERT_EQ((*message)->fds.size(), 2U);
  struct stat sent{};
  struct stat received{};
  ASSERT_EQ(::fstat(STDERR_FILENO, &sent), 0);
  ASSERT_EQ(::fstat((*message)->fds[1].get(), &received), 0);
  EXPECT_EQ(sent.st_ino, received.st_ino);
  EXPECT_EQ(::fcntl((*message)->fds[1].get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(FdPassing, AMessageCarriesTheKernelsMostDescriptors) {
  ASSERT_TRUE(send_message(near_, bytes_of("x"), copies_of_standard_error(kMaxFdsPerMessage)));
  const auto message = receive_message(far_, kRoomBytes);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->fds.size(), kMaxFdsPerMessage);
}

TEST_F(FdPassing, APeerThatClosedIsTheEndAndNoError) {
  near_.reset();
  const auto message = receive_message(far_, kRoomBytes);
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_FALSE(message->has_value());
}

TEST_F(FdPassing, SendingToAPeerThatClosedIsAnErrorAndNoSignal) {
  far_.reset();
  const auto sent = send_message(near_, bytes_of("x"));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code.value(), EPIPE);
}

TEST_F(FdPassing, AMessageThatIsTooLongIsAnErrorAndLeaksNoDescriptor) {
  const std::size_t before = open_descriptors();
  ASSERT_TRUE(send_message(near_, bytes_of("longer than four"), copies_of_standard_error(3)));

  const auto message = receive_message(far_, 4);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code.value(), EMSGSIZE);
  EXPECT_EQ(open_descriptors(), before);
}

// Pitfall 50: the kernel hands over what fits and cuts the rest off.
TEST_F(FdPassing, DescriptorsThatWereCutOffAreAnErrorAndLeakNothing) {
  const std::size_t before = open_descriptors();
  ASSERT_TRUE(send_message(near_, bytes_of("x"), copies_of_standard_error(100)));
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit low = limit;
  low.rlim_cur = before + 10;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);

  const auto message = receive_message(far_, kRoomBytes);

  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code.value(), EMFILE);
  EXPECT_NE(message.error().cure, "");
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(FdPassing, NothingWaitingOnANonBlockingSocketIsEagain) {
  ASSERT_EQ(::fcntl(far_.get(), F_SETFL, O_NONBLOCK), 0);
  const auto message = receive_message(far_, kRoomBytes);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code.value(), EAGAIN);
}

}  // namespace
}  // namespace netns
