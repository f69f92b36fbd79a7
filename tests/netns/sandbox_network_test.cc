// What the network of a sandbox does, seen from its two sides:
//
//     this test ──write/read──▶ tun0 198.18.0.1/15, fd00::1/64 ──kernel──▶ sockets made inside

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "base/byte_order.h"
#include "flows/vnet_header.h"
#include "netns/sandbox.h"
#include "tests/support/sandbox_support.h"

namespace netns {
namespace {

using base::Fd;
using test_support::endpoint;
using test_support::kPatience;
using test_support::plain_sandbox;
using test_support::read_within;

constexpr std::size_t kVnetBytes = sizeof(flows::VnetHeader);
constexpr std::size_t kIpv4Bytes = 20;
constexpr std::size_t kIpv6Bytes = 40;
constexpr std::size_t kUdpBytes = 8;

std::uint16_t checksum(std::span<const std::byte> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += base::load_be<std::uint16_t>(bytes, i);
  }
  sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~((sum & 0xffffU) + (sum >> 16U)));
}

// An IPv4 UDP packet; without a UDP checksum, which RFC 768 allows.
std::string udp_packet(const base::Endpoint& from, const base::Endpoint& to,
                       const std::string& payload) {
  std::string packet(kIpv4Bytes + kUdpBytes, '\0');
  const auto bytes = std::as_writable_bytes(std::span(packet));
  const std::size_t udp_size = kUdpBytes + payload.size();
  base::store_be(bytes, 0, std::uint8_t{0x45});
  base::store_be(bytes, 2, static_cast<std::uint16_t>(kIpv4Bytes + udp_size));
  base::store_be(bytes, 8, std::uint8_t{64});
  base::store_be(bytes, 9, std::uint8_t{IPPROTO_UDP});
  base::store_be(bytes, 12, from.address.v4_number());
  base::store_be(bytes, 16, to.address.v4_number());
  base::store_be(bytes, 10, checksum(bytes.first(kIpv4Bytes)));
  base::store_be(bytes, 20, base::number(from.port));
  base::store_be(bytes, 22, base::number(to.port));
  base::store_be(bytes, 24, static_cast<std::uint16_t>(udp_size));
  return packet + payload;
}

Fd socket_inside(Sandbox& sandbox, int domain, int type) {
  auto made = sandbox.open_sockets(domain, type, 0, 1);
  EXPECT_TRUE(made) << made.error().message();
  return std::move(made->front());
}

void bind_to(const Fd& socket, const base::Endpoint& where) {
  const base::SocketAddress address(where);
  ASSERT_EQ(::bind(socket.get(), address.data(), address.size()), 0) << ::strerror(errno);
}

void send_to(const Fd& socket, const base::Endpoint& where, const std::string& payload) {
  const base::SocketAddress address(where);
  ASSERT_EQ(
      ::sendto(socket.get(), payload.data(), payload.size(), 0, address.data(), address.size()),
      std::ssize(payload))
      << ::strerror(errno);
}

TEST(SandboxNetwork, APacketWrittenToTheTunReachesASocketInside) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  const Fd inside = socket_inside(sandbox, AF_INET, SOCK_DGRAM);
  bind_to(inside, endpoint("198.18.0.1:5000"));

  const std::string written =
      std::string(kVnetBytes, '\0') +
      udp_packet(endpoint("192.0.2.7:40000"), endpoint("198.18.0.1:5000"), "ping");
  ASSERT_EQ(::write(sandbox.tun().get(), written.data(), written.size()), std::ssize(written));

  EXPECT_EQ(read_within(kPatience, inside), "ping");
}

TEST(SandboxNetwork, WithoutVnetHeaderPacketsAreBare) {
  auto config = plain_sandbox();
  config.tun.vnet_header = false;
  START_SANDBOX_OR_SKIP(sandbox, config);
  EXPECT_FALSE(sandbox.offload());
  const Fd inside = socket_inside(sandbox, AF_INET, SOCK_DGRAM);
  bind_to(inside, endpoint("198.18.0.1:5000"));

  const std::string packet =
      udp_packet(endpoint("192.0.2.7:40000"), endpoint("198.18.0.1:5000"), "ping");
  ASSERT_EQ(::write(sandbox.tun().get(), packet.data(), packet.size()), std::ssize(packet));

  EXPECT_EQ(read_within(kPatience, inside), "ping");
}

// The first packet to come out is ours: a fresh device says nothing of its own accord.
TEST(SandboxNetwork, ADatagramSentInsideIsTheFirstThatComesOutOfTheTun) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  send_to(socket_inside(sandbox, AF_INET, SOCK_DGRAM), endpoint("203.0.113.9:7"), "pong");

  const auto packet = read_within(kPatience, sandbox.tun());
  ASSERT_TRUE(packet) << "no packet came out";
  ASSERT_EQ(packet->size(), kVnetBytes + kIpv4Bytes + kUdpBytes + 4);
  const auto ip = std::as_bytes(std::span(*packet)).subspan(kVnetBytes);
  EXPECT_EQ(base::load_be<std::uint8_t>(ip, 0), 0x45);
  EXPECT_EQ(base::load_be<std::uint32_t>(ip, 12), endpoint("198.18.0.1:0").address.v4_number());
  EXPECT_EQ(base::load_be<std::uint32_t>(ip, 16), endpoint("203.0.113.9:7").address.v4_number());
  EXPECT_EQ(packet->substr(packet->size() - 4), "pong");
}

TEST(SandboxNetwork, AnIpv6DatagramComesOutToo) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  send_to(socket_inside(sandbox, AF_INET6, SOCK_DGRAM), endpoint("[2001:db8::9]:7"), "pong");

  const auto packet = read_within(kPatience, sandbox.tun());
  ASSERT_TRUE(packet) << "no packet came out";
  ASSERT_EQ(packet->size(), kVnetBytes + kIpv6Bytes + kUdpBytes + 4);
  EXPECT_EQ((*packet)[kVnetBytes] & 0xf0, 0x60);
}

// Offload: the kernel leaves the checksum of what comes out to us, and says where it belongs.
TEST(SandboxNetwork, AnOffloadingTunGivesPartialChecksums) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  ASSERT_TRUE(sandbox.offload());
  send_to(socket_inside(sandbox, AF_INET6, SOCK_DGRAM), endpoint("[2001:db8::9]:7"), "pong");

  const auto packet = read_within(kPatience, sandbox.tun());
  ASSERT_TRUE(packet && packet->size() > kVnetBytes);
  flows::VnetHeader header;
  std::memcpy(&header, packet->data(), sizeof(header));
  EXPECT_TRUE(header.has_partial_checksum());
  EXPECT_EQ(header.checksum_start, kIpv6Bytes);
  EXPECT_EQ(header.checksum_offset, 6);
}

TEST(SandboxNetwork, WithoutOffloadChecksumsAreComplete) {
  auto config = plain_sandbox();
  config.tun.offload = false;
  START_SANDBOX_OR_SKIP(sandbox, config);
  EXPECT_FALSE(sandbox.offload());
  send_to(socket_inside(sandbox, AF_INET, SOCK_DGRAM), endpoint("203.0.113.9:7"), "pong");

  const auto packet = read_within(kPatience, sandbox.tun());
  ASSERT_TRUE(packet && packet->size() > kVnetBytes);
  flows::VnetHeader header;
  std::memcpy(&header, packet->data(), sizeof(header));
  EXPECT_FALSE(header.has_partial_checksum());
}

TEST(SandboxNetwork, WithoutDefaultRoutesTheRestOfTheWorldIsUnreachable) {
  auto config = plain_sandbox();
  config.tun.default_routes = false;
  START_SANDBOX_OR_SKIP(sandbox, config);
  const Fd inside = socket_inside(sandbox, AF_INET, SOCK_DGRAM);
  const base::SocketAddress away(endpoint("203.0.113.9:7"));
  EXPECT_EQ(::connect(inside.get(), away.data(), away.size()), -1);
  EXPECT_EQ(errno, ENETUNREACH);
}

// A client socket made inside, which we connect from outside, meets the listener.
void handshake(const char* listener_text, int domain) {
  const auto where = endpoint(listener_text);
  auto config = plain_sandbox();
  config.listeners = {{where}};
  START_SANDBOX_OR_SKIP(sandbox, config);
  const Fd client = socket_inside(sandbox, domain, SOCK_STREAM);
  const base::SocketAddress address(where);
  ::connect(client.get(), address.data(), address.size());

  ASSERT_TRUE(test_support::readable_within(kPatience, sandbox.listeners().front()));
  const Fd accepted = Fd::adopt(::accept4(sandbox.listeners().front().get(), nullptr, nullptr, 0));
  ASSERT_TRUE(accepted.is_open());
  ASSERT_EQ(::send(accepted.get(), "hello", 5, 0), 5);
  EXPECT_EQ(read_within(kPatience, client), "hello");
}

TEST(SandboxNetwork, AListenerAcceptsAClientFromInside) {
  handshake("198.18.0.1:80", AF_INET);
}

TEST(SandboxNetwork, AnIpv6ListenerAcceptsAClientFromInside) {
  handshake("[fd00::1]:80", AF_INET6);
}

// The kernel makes an address's local route in the background: one sandbox in twenty lost the
// packet, so that twenty of them are a test.
TEST(SandboxNetwork, AnIpv6AddressCanBeReachedAtOnce) {
  for (int i = 0; i < 20; ++i) {
    START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
    const Fd inside = socket_inside(sandbox, AF_INET6, SOCK_DGRAM);
    bind_to(inside, endpoint("[fd00::1]:5000"));
    send_to(inside, endpoint("[fd00::1]:5000"), "self");
    ASSERT_EQ(read_within(kPatience, inside), "self") << "the packet left by the TUN";
  }
}

TEST(SandboxNetwork, LoopbackIsUp) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  const Fd inside = socket_inside(sandbox, AF_INET, SOCK_DGRAM);
  bind_to(inside, endpoint("127.0.0.1:5000"));
  send_to(inside, endpoint("127.0.0.1:5000"), "self");
  EXPECT_EQ(read_within(kPatience, inside), "self");
}

TEST(SandboxNetwork, PingSocketsAreAllowed) {
  START_SANDBOX_OR_SKIP(sandbox, plain_sandbox());
  const auto made = sandbox.open_sockets(AF_INET, SOCK_DGRAM, IPPROTO_ICMP, 1);
  EXPECT_TRUE(made) << made.error().message();
}

}  // namespace
}  // namespace netns
