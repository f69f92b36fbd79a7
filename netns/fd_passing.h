// Messages with descriptors over a unix SOCK_SEQPACKET socket.
//
// A message arrives whole or not at all. When bytes or descriptors were cut off, everything that
// did arrive is closed and the message is an error: half a list of sockets is of no use, and a
// forgotten descriptor leaks (tests: FdPassing).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace netns {

/// What the kernel passes in one message at most (SCM_MAX_FD).
inline constexpr std::size_t kMaxFdsPerMessage = 253;

struct Message {
  std::vector<std::byte> bytes;
  std::vector<base::Fd> fds;
};

/// A connected pair, close-on-exec.
base::SysResult<std::pair<base::Fd, base::Fd>> seqpacket_pair();

/// Whether a call may block. Where it may not, and would, the error is EAGAIN.
enum class Wait : std::uint8_t { kYes, kNo };

/// `bytes` must not be empty: an empty message would read as the end of the stream. The descriptors
/// remain open here. Never raises SIGPIPE.
base::SysResult<void> send_message(const base::Fd& socket, std::span<const std::byte> bytes,
                                   std::span<const base::Fd> fds = {}, Wait wait = Wait::kYes);

/// The next message; nothing when the peer has closed. EAGAIN also when the socket is O_NONBLOCK or
/// has a timeout.
base::SysResult<std::optional<Message>> receive_message(const base::Fd& socket,
                                                        std::size_t max_bytes,
                                                        Wait wait = Wait::kYes);

}  // namespace netns
