// What a listener is given, its connections have: the relay sets nothing on an accepted socket.

#include "gateway/loop/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "base/endpoint.h"

namespace gateway {
namespace {

int option(const base::Fd& socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(socket.get(), level, name, &value, &size), 0);
  return value;
}

class RelayOptions : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, RelayOptions, testing::Values("127.0.0.1:0", "[::1]:0"));

TEST_P(RelayOptions, AreInheritedByWhatAListenerAccepts) {
  base::SocketAddress address(*base::Endpoint::parse(GetParam()));
  const auto listener = base::Fd::adopt(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto client = base::Fd::adopt(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  set_relay_options(listener);
  ASSERT_EQ(::bind(listener.get(), address.data(), address.size()), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), address.data(), &address.size()), 0);
  ASSERT_EQ(::connect(client.get(), address.data(), address.size()), 0);
  const auto accepted = base::Fd::adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted.is_open());
  EXPECT_EQ(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 600);
  EXPECT_EQ(option(accepted, IPPROTO_TCP, TCP_KEEPINTVL), 60);
  EXPECT_EQ(option(accepted, IPPROTO_TCP, TCP_KEEPCNT), 6);
  EXPECT_EQ(option(accepted, SOL_SOCKET, SO_OOBINLINE), 1);
}

}  // namespace
}  // namespace gateway
