// GueSender and GueReceiver against the real kernel: what one sends on loopback, the other gets.
#include "gateway/onramp/gue_sender.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/onramp/gue_receiver.h"
#include "gateway/onramp/gue_socket.h"
#include "tests/support/addresses.h"

namespace gateway {
namespace {

using flows::Drop;
using test_support::address;
using testing::ElementsAre;
using testing::Pair;

// Whom the drops are counted for; nothing is sent to it.
class CountedTunnel final : public Tunnel {
 public:
  explicit CountedTunnel(Tenant& tenant) : Tunnel({}, tenant) {}
  flows::WireCount send(const RawPacket& /*packet*/, const flows::Packet& /*parsed*/) override {
    return {};
  }
};

class GueSending : public testing::TestWithParam<const char*>, private GueSender::Owner {
 protected:
  static GueSocket opened(const base::IpAddress& at) {
    auto socket = GueSocket::open({at, base::Port{0}});
    EXPECT_TRUE(socket) << socket.error().message();
    return std::move(socket).value();
  }

  // Queues `count` datagrams of `bytes` of the letter.
  void queue(std::size_t count, std::size_t bytes, char letter) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto room = sender_.room(bytes);
      ASSERT_EQ(room.size(), bytes);
      std::ranges::fill(room, static_cast<std::byte>(letter));
      sender_.commit(bytes, path_, to_.listen.port);
    }
  }

  // Every message that is there: how many datagrams of which length, of which letter.
  using Message = std::pair<std::size_t, std::string>;
  std::vector<Message> received() {
    std::vector<Message> messages;
    while (const std::size_t count = receiver_.receive(to_.fd)) {
      for (std::size_t i = 0; i < count; ++i) {
        const auto message = receiver_.message(i);
        EXPECT_EQ(message.from, from_.listen);
        messages.emplace_back(
            message.datagram_bytes,
            std::string(reinterpret_cast<const char*>(message.bytes.data()), message.bytes.size()));
      }
    }
    return messages;
  }

  void wants_flush() override { ++flushes_wanted_; }
  void wants_room() override { FAIL() << "loopback takes everything"; }
  void send_failed(const GuePath& path, Drop reason, std::size_t datagrams) override {
    EXPECT_EQ(&path, &path_);
    failed_[reason] += datagrams;
  }

  GueSocket from_ = opened(address(GetParam()));
  GueSocket to_ = opened(address(GetParam()));
  GueSender sender_{from_.fd, *this, true};
  GueSender uncut_{from_.fd, *this, false};
  GueReceiver receiver_;
  Tenant tenant_{TenantSettings{}};
  CountedTunnel tunnel_{tenant_};
  GuePath path_{.tunnel = tunnel_, .peer = to_.listen.address, .local = {}};
  int flushes_wanted_ = 0;
  std::map<Drop, std::size_t> failed_;
};
INSTANTIATE_TEST_SUITE_P(Families, GueSending, testing::Values("127.0.0.1", "::1"),
                         [](const auto& tested) {
                           return std::string(tested.param) == "::1" ? "IPv6" : "IPv4";
                         });

TEST_P(GueSending, DatagramsLeaveInOrderWhenFlushed) {
  queue(1, 10, 'a');
  queue(1, 20, 'b');
  queue(1, 5, 'c');
  EXPECT_TRUE(received().empty());
  EXPECT_EQ(flushes_wanted_, 1);
  sender_.flush();
  EXPECT_TRUE(sender_.is_empty());
  EXPECT_THAT(received(), ElementsAre(Pair(10, std::string(10, 'a')),
                                      // The shorter one behind it goes in the same cut.
                                      Pair(20, std::string(20, 'b') + std::string(5, 'c'))));
  queue(1, 1, 'd');
  EXPECT_EQ(flushes_wanted_, 2);
}

TEST_P(GueSending, EqualDatagramsGoThroughTheKernelTogether) {
  queue(40, 1000, 'a');
  queue(1, 400, 'b');
  queue(1, 400, 'c');  // behind a shorter one begins another cut
  sender_.flush();
  EXPECT_THAT(received(), ElementsAre(Pair(1000, std::string(40'000, 'a') + std::string(400, 'b')),
                                      Pair(400, std::string(400, 'c'))));
}

TEST_P(GueSending, NoCutIsLongerThanTheKernelTakes) {
  queue(100, 100, 'a');  // 64 at a time
  queue(60, 1400, 'b');  // 46 of them in 64 KiB
  sender_.flush();
  EXPECT_TRUE(failed_.empty());
  const auto messages = received();
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[0].second.size(), 6'400U);
  EXPECT_EQ(messages[1].second.size(), 3'600U);
  EXPECT_EQ(messages[2].second.size(), 46 * 1'400U);
  EXPECT_EQ(messages[3].second.size(), 14 * 1'400U);
}

TEST_P(GueSending, AnotherPortIsAnotherMessage) {
  const GueSocket other = opened(address(GetParam()));
  queue(1, 10, 'a');
  ASSERT_EQ(sender_.room(10).size(), 10U);
  sender_.commit(10, path_, other.listen.port);
  sender_.flush();
  EXPECT_EQ(received().size(), 1U);
  EXPECT_EQ(receiver_.receive(other.fd), 1U);
}

// The kernel cuts no datagrams of a socket that sends them without checksum: EINVAL.
TEST_P(GueSending, WhereTheKernelRefusesToCutEachDatagramGoesByItself) {
  const int on = 1;
  ASSERT_EQ(::setsockopt(from_.fd.get(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
  ASSERT_EQ(::setsockopt(from_.fd.get(), IPPROTO_UDP, UDP_NO_CHECK6_TX, &on, sizeof(on)), 0);
  ASSERT_EQ(::setsockopt(to_.fd.get(), IPPROTO_UDP, UDP_NO_CHECK6_RX, &on, sizeof(on)), 0);
  queue(3, 100, 'a');
  queue(1, 50, 'b');
  sender_.flush();
  EXPECT_FALSE(path_.takes_cuts);
  EXPECT_TRUE(failed_.empty());
  std::string all;
  for (const auto& [bytes, text] : received()) {
    all += text;
  }
  EXPECT_EQ(all, std::string(300, 'a') + std::string(50, 'b'));
  queue(2, 100, 'c');
  sender_.flush();
  EXPECT_TRUE(failed_.empty()) << "not tried again";
}

TEST_P(GueSending, DatagramThatNoPathTakesIsCountedAndTheOthersGo) {
  queue(1, 10, 'a');
  queue(1, 65'530, 'b');
  queue(1, 10, 'c');
  sender_.flush();
  EXPECT_THAT(failed_, ElementsAre(Pair(Drop::kOuterTooBig, 1)));
  EXPECT_EQ(received().size(), 2U);
  EXPECT_TRUE(sender_.is_empty());
}

TEST_P(GueSending, AGoodDealOfItLeavesBeforeTheFlush) {
  queue(200, 1000, 'a');
  EXPECT_FALSE(received().empty());
  sender_.flush();
  EXPECT_TRUE(failed_.empty());
}

// Row 35 of the pitfalls: the kernel spoils what it cuts, so that it is not asked to.
TEST_P(GueSending, WithoutCutsEachDatagramGoesByItself) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(uncut_.room(100).size(), 100U);
    uncut_.commit(100, path_, to_.listen.port);
  }
  // What the kernel is not asked to cut it does not put together either.
  const int off = 0;
  ASSERT_EQ(::setsockopt(to_.fd.get(), IPPROTO_UDP, UDP_GRO, &off, sizeof(off)), 0);
  uncut_.flush();
  EXPECT_EQ(receiver_.receive(to_.fd), 3U);
  EXPECT_TRUE(path_.takes_cuts) << "it is not the path's fault";
}

}  // namespace
}  // namespace gateway
