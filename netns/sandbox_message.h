// SandboxMessage: what a sandbox's owner and its helper say to each other.
//
//     owner                         helper
//       |  <------------- Hello       |   the program was started again as the helper
//       |  Setup ------------->       |
//       |  <------------- Ready       |   with the TUN and the listeners as descriptors
//       |  OpenSockets ------->       |   any number of times, one after the other
//       |  <----------- Sockets       |   with the sockets as descriptors
//       |  <------------ Failed       |   instead of Hello, Ready or Sockets
//
// One message is one SEQPACKET datagram: a kind, then its fields (netns/wire.h). Pure: nothing
// here makes a system call. fuzz_sandbox_message reads hostile bytes with decode().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "netns/id_map.h"
#include "netns/sandbox_config.h"

namespace netns {

/// The largest message that either side sends or accepts.
inline constexpr std::size_t kMaxSandboxMessageBytes = 64 * 1024;

struct Hello {
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Setup {
  Ids outside;
  SandboxConfig config;

  friend bool operator==(const Setup&, const Setup&) = default;
};

struct Ready {
  std::string tun_name;
  bool offload = false;
  std::vector<std::string> notes;

  friend bool operator==(const Ready&, const Ready&) = default;
};

struct OpenSockets {
  std::uint32_t request = 0;  // comes back in Sockets or Failed
  std::int32_t domain = 0;
  std::int32_t type = 0;
  std::int32_t protocol = 0;
  std::uint32_t count = 0;  // at most kMaxFdsPerMessage

  friend bool operator==(const OpenSockets&, const OpenSockets&) = default;
};

struct Sockets {
  std::uint32_t request = 0;

  friend bool operator==(const Sockets&, const Sockets&) = default;
};

struct Failed {
  std::uint32_t request = 0;  // 0: not about an OpenSockets
  std::int32_t error = 0;     // errno, or 0
  std::string doing;
  std::string cure;

  friend bool operator==(const Failed&, const Failed&) = default;
};

using SandboxMessage = std::variant<Hello, Setup, Ready, OpenSockets, Sockets, Failed>;

std::vector<std::byte> encode(const SandboxMessage& message);
/// Nothing unless `bytes` are exactly what encode() makes of some message.
std::optional<SandboxMessage> decode(std::span<const std::byte> bytes);

Failed to_message(const base::Error& error, std::uint32_t request = 0);
base::Error to_error(Failed failed);

}  // namespace netns
