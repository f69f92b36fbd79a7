// The datagrams of the UDP loads: a word that says what is wanted, the number of the run, and
// padding. The server counts the floods of each run, and sends everything else back.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace bench {

struct UdpMessage {
  enum class Kind : std::uint32_t { kFlood = 1, kEcho, kCount };

  Kind kind{};
  std::uint32_t run = 0;
  std::uint64_t number = 0;  // kEcho: which; kCount: answered with how many of the flood came

  static constexpr std::size_t kBytes = 16;
  [[nodiscard]] static UdpMessage read(std::span<const char> bytes) {
    UdpMessage message;
    std::memcpy(&message, bytes.data(), kBytes);
    return message;
  }
  void write(std::span<char> bytes) const { std::memcpy(bytes.data(), this, kBytes); }
};
static_assert(sizeof(UdpMessage) == UdpMessage::kBytes);

}  // namespace bench
