#include "netns/sandbox.h"

#include <gtest/gtest.h>
TEST(Sandbox, Starts) {
  netns::SandboxConfig c;
  c.tun.addresses = {{*base::IpAddress::parse("198.18.0.1"), 15},
                     {*base::IpAddress::parse("fd00::1"), 64}};
  c.listeners = {{*base::Endpoint::parse("198.18.0.1:80")},
                 {*base::Endpoint::parse("[fd00::1]:80")}};
  auto s = netns::Sandbox::start(c);
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_TRUE(s->offload());
  for (auto& n : s->notes())
    ADD_FAILURE() << n;
  auto made = s->open_sockets(AF_INET, SOCK_STREAM, 0, 600);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->size(), 600u);
}
