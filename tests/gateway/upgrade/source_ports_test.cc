#include "gateway/upgrade/source_ports.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace gateway {
namespace {

using base::Endpoint;
using base::Fd;

constexpr base::SipKey kSeed{1, 2};

PortRange range(std::uint16_t first, std::uint16_t last) {
  return {base::Port{first}, base::Port{last}};
}
std::uint32_t width(const PortRange& range) {
  return 1U + base::number(range.last) - base::number(range.first);
}

constexpr base::Instant kNow{std::chrono::hours(1)};

TEST(SourcePorts, WindowsLieWithinTheRangeAndReachAllOfIt) {
  SourcePorts ports(range(1000, 1999), kSeed);
  base::Port lowest{65535}, highest{};
  for (int i = 0; i < 100'000; ++i) {
    const PortRange window = ports.next_window();
    EXPECT_EQ(width(window), SourcePorts::kWindow);
    lowest = std::min(lowest, window.first);
    highest = std::max(highest, window.last);
  }
  EXPECT_EQ(lowest, base::Port{1000});
  EXPECT_EQ(highest, base::Port{1999});
}

TEST(SourcePorts, ASmallRangeIsOneWindow) {
  for (const PortRange& small : {range(40000, 40003), range(40000, 40063), range(40000, 40000)}) {
    EXPECT_EQ(SourcePorts(small, kSeed).next_window(), small);
  }
}

TEST(SourcePorts, TheWholeRangeIsOne) {
  EXPECT_EQ(width(SourcePorts(range(0, 65535), kSeed).next_window()), SourcePorts::kWindow);
}

TEST(SourcePorts, AnotherSeedGivesOtherWindows) {
  EXPECT_NE(SourcePorts(range(1024, 65535), kSeed).next_window(),
            SourcePorts(range(1024, 65535), {3, 4}).next_window());
}

TEST(SourcePorts, KnowsWhatTheKernelUses) {
  const PortRange used = local_port_range();
  EXPECT_GT(used.first, base::Port{0});
  EXPECT_LE(used.first, used.last);
}

// A listener on this machine's loopback, at a port that the kernel has chosen, and connections to
// it from a few ports only.
class SourcePortsToAListener : public testing::Test {
 protected:
  SourcePortsToAListener() {
    const base::SocketAddress any(Endpoint{base::IpAddress::v4(0x7f000001), {}});
    EXPECT_EQ(::bind(listener_.get(), any.data(), any.size()), 0);
    EXPECT_EQ(::listen(listener_.get(), 64), 0);
    base::SocketAddress bound;
    EXPECT_EQ(::getsockname(listener_.get(), bound.data(), &bound.size()), 0);
    upstream_ = bound.endpoint().value();
  }
  static Fd make_socket() {
    return Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }
  static base::Port port_of(const Fd& socket) {
    base::SocketAddress local;
    EXPECT_EQ(::getsockname(socket.get(), local.data(), &local.size()), 0);
    return local.endpoint().value().port;
  }

  Fd listener_ = make_socket();
  Endpoint upstream_;
};

TEST_F(SourcePortsToAListener, UsesEveryPortOfItsRangeOnceBeforeItLooksElsewhere) {
  // In the middle of what the kernel uses, or it would look elsewhere.
  const PortRange all = local_port_range();
  const auto first =
      static_cast<std::uint16_t>((base::number(all.first) + base::number(all.last)) / 2);
  const PortRange few = range(first, static_cast<std::uint16_t>(first + 7));
  SourcePorts ports(few, kSeed);
  std::vector<Fd> sockets;
  std::set<base::Port> used;
  while (used.size() < 8) {
    sockets.push_back(make_socket());
    ASSERT_EQ(ports.connect(sockets.back(), upstream_, kNow), 0);
    const base::Port port = port_of(sockets.back());
    if (used.empty() && (port < few.first || port > few.last)) {
      GTEST_SKIP() << "this kernel has no IP_LOCAL_PORT_RANGE (Linux 6.3)";
    }
    EXPECT_TRUE(port >= few.first && port <= few.last) << base::number(port);
    EXPECT_TRUE(used.insert(port).second) << base::number(port);
  }
  const Fd elsewhere = make_socket();
  EXPECT_EQ(ports.connect(elsewhere, upstream_, kNow), 0);
  EXPECT_FALSE(used.contains(port_of(elsewhere)));
}

}  // namespace
}  // namespace gateway
