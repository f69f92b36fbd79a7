#include "netns/sandbox_message.h"

#include <gtest/gtest.h>

#include "tests/support/sandbox_support.h"

namespace netns {
namespace {

using test_support::address;
using test_support::endpoint;

Setup full_setup() {
  Setup setup{.outside = {.uid = 1000, .gid = 65534}, .config = test_support::plain_sandbox()};
  setup.config.tun.name = "tun7";
  setup.config.tun.mtu_bytes = 65535;
  setup.config.tun.offload = false;
  setup.config.listeners = {{endpoint("198.18.0.1:80"), 5}, {endpoint("[fd00::1]:443"), -1}};
  setup.config.sysctls = {{"net/a", "1", true}, {"net/b", "", false}};
  setup.config.mount_namespace = true;
  setup.config.files = {{"/etc/resolv.conf", "nameserver 198.18.0.1\n"}, {"/etc/hosts", ""}};
  setup.config.hidden_directories = {"/run/liftgate", ""};
  setup.config.enforcement = Enforcement::kLog;
  return setup;
}

const std::vector<SandboxMessage> kOfEachKind = {
    Hello{},
    full_setup(),
    Ready{.tun_name = "tun0", .offload = true, .notes = {"one", ""}},
    OpenSockets{.request = 7, .domain = 2, .type = 1, .protocol = -1, .count = 253},
    Sockets{.request = 0xffffffff},
    Failed{.request = 1, .error = 24, .doing = "TUNSETIFF", .cure = "none"},
};

TEST(SandboxMessage, ComesBackAsItWas) {
  for (const SandboxMessage& message : kOfEachKind) {
    const auto back = decode(encode(message));
    ASSERT_TRUE(back) << message.index();
    EXPECT_TRUE(*back == message) << message.index();
  }
}

TEST(SandboxMessage, NoPartOfAMessageIsAMessage) {
  for (const SandboxMessage& message : kOfEachKind) {
    const auto bytes = encode(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode(std::span(bytes).first(size))) << message.index() << " cut to " << size;
    }
  }
}

TEST(SandboxMessage, NothingMayFollowAMessage) {
  for (const SandboxMessage& message : kOfEachKind) {
    auto bytes = encode(message);
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(decode(bytes)) << message.index();
  }
}

TEST(SandboxMessage, ACountBeyondTheMessageIsRefused) {
  // Ready: kind, an empty name, no offload, then four billion notes.
  std::vector<std::byte> bytes(1 + 4 + 1, std::byte{0});
  bytes[0] = std::byte{2};
  bytes.insert(bytes.end(), 4, std::byte{0xff});
  EXPECT_FALSE(decode(bytes));
}

TEST(SandboxMessage, ATruthValueHasOneSpelling) {
  auto bytes = encode(Ready{});  // kind, an empty name, offload, no notes
  bytes[1 + 4] = std::byte{1};
  EXPECT_TRUE(decode(bytes));
  bytes[1 + 4] = std::byte{2};
  EXPECT_FALSE(decode(bytes));
}

TEST(SandboxMessage, AnUnknownKindIsRefused) {
  const std::vector<std::byte> bytes(8, std::byte{99});
  EXPECT_FALSE(decode(bytes));
}

TEST(SandboxMessage, AnErrorTravelsWithItsErrnoAndItsCure) {
  const base::Error error{{EBUSY, std::generic_category()}, "TUNSETIFF tun0", "Close the other"};
  const base::Error back = to_error(to_message(error));
  EXPECT_EQ(back.message(), error.message());
  EXPECT_EQ(back.code, error.code);
}

}  // namespace
}  // namespace netns
