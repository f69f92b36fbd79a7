// The kernel itself says which socket of a group each datagram comes to, on loopback.
#include "gateway/onramp/gue_steering.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/onramp/gue_socket.h"
#include "tests/support/addresses.h"

namespace gateway {
namespace {

using test_support::address;

constexpr std::size_t kSockets = 3;

base::IpPrefix prefix(const char* text) {
  return *base::IpPrefix::parse(text);
}

// Variant 0 with private data that names a tenant, and `surplus` words behind it.
std::string naming(std::uint32_t tenant, char surplus = 0) {
  std::string bytes{static_cast<char>(2 + surplus), 4, 0, 0, 0x4c, 0x47, 1, 0};
  for (const int shift : {24, 16, 8, 0}) {
    bytes += static_cast<char>(tenant >> static_cast<unsigned>(shift));
  }
  return bytes + std::string(static_cast<std::size_t>(surplus) * 4, 'x') + "packet";
}
const std::string kHeaderOnly("\0\x04\0\0packet", 10);
const std::string kBare = "\x45packet";

class GueSteering : public testing::Test {
 protected:
  void listen(const char* at, const std::vector<GueTenantHome>& tenants,
              const std::vector<GuePrefixHome>& prefixes) {
    auto group = GueSocket::open_group({address(at), base::Port{0}}, true, kSockets,
                                       gue_steering(address(at).is_v4(), tenants, prefixes));
    ASSERT_TRUE(group) << group.error().message();
    group_ = std::move(group).value();
  }

  // Which socket gets it.
  std::size_t goes_to(const char* from, const std::string& datagram) {
    const base::SocketAddress source(base::Endpoint{address(from), base::Port{0}});
    const base::SocketAddress to(group_.front().listen);
    const base::Fd sender =
        base::Fd::adopt(::socket(source.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(sender.get(), source.data(), source.size()), 0);
    EXPECT_EQ(::sendto(sender.get(), datagram.data(), datagram.size(), 0, to.data(), to.size()),
              std::ssize(datagram));
    std::array<pollfd, kSockets> waiting{};
    for (std::size_t i = 0; i < kSockets; ++i) {
      waiting[i] = {.fd = group_[i].fd.get(), .events = POLLIN, .revents = 0};
    }
    EXPECT_EQ(::poll(waiting.data(), waiting.size(), 10'000), 1);
    for (std::size_t i = 0; i < kSockets; ++i) {
      char byte = 0;
      if (::recv(group_[i].fd.get(), &byte, 1, MSG_DONTWAIT) >= 0) {
        return i;
      }
    }
    return kSockets;
  }

  std::vector<GueSocket> group_;
};

TEST_F(GueSteering, GoesByTheTenantThatIsNamed) {
  listen("127.0.0.1", {{1001, 2}, {0xfffffffe, 1}}, {{prefix("127.0.0.0/8"), 0}});
  EXPECT_EQ(goes_to("127.0.0.5", naming(1001)), 2U);
  EXPECT_EQ(goes_to("127.0.0.5", naming(0xfffffffe)), 1U);
  EXPECT_EQ(goes_to("127.0.0.5", naming(1001, 5)), 2U) << "what follows is ignored";
}

TEST_F(GueSteering, GoesByTheLongestPrefixWhereNoneIsNamed) {
  listen("127.0.0.1", {{1001, 1}},
         {{prefix("127.0.0.0/8"), 0}, {prefix("127.0.5.0/24"), 1}, {prefix("127.0.5.7/32"), 2}});
  EXPECT_EQ(goes_to("127.0.4.7", kBare), 0U);
  EXPECT_EQ(goes_to("127.0.5.6", kBare), 1U);
  EXPECT_EQ(goes_to("127.0.5.7", kBare), 2U);
  EXPECT_EQ(goes_to("127.0.5.7", kHeaderOnly), 2U);
  // A surplus that is not ours names nobody.
  std::string foreign = naming(1001);
  foreign[4] = 'X';
  EXPECT_EQ(goes_to("127.0.5.7", foreign), 2U);
}

TEST_F(GueSteering, IPv6GoesByPrefixesOfAnyLength) {
  listen("::1", {{7, 2}}, {{prefix("::/0"), 0}, {prefix("::1/128"), 1}, {prefix("::/127"), 2}});
  EXPECT_EQ(goes_to("::1", kBare), 1U);
  EXPECT_EQ(goes_to("::1", naming(7)), 2U);
  listen("::1", {}, {{prefix("::/97"), 1}, {prefix("fe80::/10"), 2}});
  EXPECT_EQ(goes_to("::1", kBare), 1U);
  listen("::1", {}, {{prefix("::/0"), 2}, {prefix("1::/16"), 1}});
  EXPECT_EQ(goes_to("::1", kBare), 2U);
}

TEST_F(GueSteering, WhatIsShorterThanItsHeaderSaysGoesSomewhere) {
  listen("127.0.0.1", {{1001, 2}}, {{prefix("127.0.0.0/8"), 1}});
  EXPECT_LT(goes_to("127.0.0.5", std::string("\x02", 1)), kSockets);
  EXPECT_LT(goes_to("127.0.0.5", ""), kSockets);
}

TEST_F(GueSteering, StrangersGoSomewhere) {
  listen("127.0.0.1", {}, {{prefix("10.0.0.0/8"), 1}});
  EXPECT_LT(goes_to("127.0.0.5", kBare), kSockets);
}

TEST_F(GueSteering, IsShortHoweverManyThereAre) {
  std::vector<GueTenantHome> tenants;
  std::vector<GuePrefixHome> prefixes;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    tenants.push_back({i, 1});
    prefixes.push_back({base::IpPrefix::of(base::IpAddress::v4(0x7f000000U + i), 32), 2});
  }
  EXPECT_LE(gue_steering(true, tenants, prefixes).size(), kMostInstructions);
  listen("127.0.0.1", tenants, prefixes);
  EXPECT_EQ(goes_to("127.0.0.5", naming(3)), 1U);
  EXPECT_EQ(goes_to("127.0.0.5", kBare), 2U);
  EXPECT_LT(goes_to("127.0.9.5", naming(4999)), kSockets);
}

TEST_F(GueSteering, PortOfAnotherGroupIsRefused) {
  listen("127.0.0.1", {}, {});
  const auto again =
      GueSocket::open_group(group_.front().listen, true, kSockets, gue_steering(true, {}, {}));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, std::errc::address_in_use);
}

}  // namespace
}  // namespace gateway
