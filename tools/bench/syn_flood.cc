// A flood of SYNs, none of which is meant.

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <thread>

#include "tools/bench/loads.h"
#include "tools/bench/onramp_client.h"
#include "tools/bench/sockets.h"

namespace bench {

namespace {

constexpr std::uint32_t kIpBytes = 20, kTcpBytes = 20;
using Syn = std::array<std::byte, kIpBytes + kTcpBytes>;

void put(std::span<std::byte> packet, std::size_t at, std::uint32_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    packet[at + i] = static_cast<std::byte>(value >> 8U * (bytes - 1 - i) & 0xffU);
  }
}

// RFC 1071, of 16-bit words.
std::uint32_t checksum(std::span<const std::byte> bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << 8U |
           std::to_integer<std::uint32_t>(bytes[i + 1]);
  }
  while (sum >> 16U != 0) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return ~sum & 0xffffU;
}

Syn syn_of(std::uint32_t client, std::uint16_t client_port, std::uint32_t server,
           std::uint16_t port) {
  Syn packet{};
  put(packet, 0, 0x45000000U + kIpBytes + kTcpBytes, 4);
  put(packet, 8, 0x4006U, 2);  // time to live 64, TCP
  put(packet, 12, client, 4);
  put(packet, 16, server, 4);
  put(packet, 10, checksum(std::span(packet).first(kIpBytes), 0), 2);
  put(packet, 20, client_port, 2);
  put(packet, 22, port, 2);
  put(packet, 24, client * 2654435761U, 4);  // a sequence number
  put(packet, 32, 0x5002ffffU, 4);           // 20 bytes of header, SYN, a window
  const std::uint32_t pseudo =
      (client >> 16U) + (client & 0xffffU) + (server >> 16U) + (server & 0xffffU) + 6 + kTcpBytes;
  put(packet, 36, checksum(std::span(packet).subspan(kIpBytes), pseudo), 2);
  return packet;
}

}  // namespace

int syn_flood(const Words& words) {
  TunnelContext context = context_of("200", "1400", false);
  context.v4 = base::IpAddress::v4(0x0a000000);
  context.v4_bits = "8";
  context.tenant = words.at(1);
  const base::Fd socket = open_tunnel(words.at(0), context);
  const auto server = base::IpAddress::parse(words.at(2));
  const auto port = static_cast<std::uint16_t>(std::stoul(words.at(3)));
  const std::uint64_t per_second = std::stoul(words.at(4));
  std::uint32_t to = 0;
  for (const std::byte byte : server.value().wire_bytes()) {
    to = to << 8U | std::to_integer<std::uint32_t>(byte);
  }
  constexpr std::uint64_t kTurnsPerSecond = 200;
  auto next = Clock::now();
  for (std::uint32_t number = 0;;) {
    for (std::uint64_t i = 0; i < per_second / kTurnsPerSecond; ++i, ++number) {
      const Syn syn = syn_of(0x0a000000U | (number >> 4U & 0xffffffU),
                             static_cast<std::uint16_t>(1024U + (number & 15U)), to, port);
      if (::send(socket.get(), syn.data(), syn.size(), MSG_NOSIGNAL) < 0) {
        return 1;
      }
    }
    next += std::chrono::microseconds(1'000'000 / kTurnsPerSecond);
    std::this_thread::sleep_until(next);
  }
}

}  // namespace bench
