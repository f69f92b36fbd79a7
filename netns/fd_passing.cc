#include "netns/fd_passing.h"

#include <sys/socket.h>

#include <array>
#include <cstring>

#include "base/check.h"

namespace netns {
namespace {

using base::Fd;
using base::Unexpected;

constexpr std::size_t kControlBytes = CMSG_SPACE(kMaxFdsPerMessage * sizeof(int));

struct alignas(cmsghdr) ControlBuffer {
  std::array<char, kControlBytes> bytes{};
};

int flag_of(Wait wait) {
  return wait == Wait::kNo ? MSG_DONTWAIT : 0;
}

std::vector<Fd> take_fds(msghdr& header) {
  std::vector<Fd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      fds.push_back(Fd::adopt(number));
    }
  }
  return fds;
}

}  // namespace

base::SysResult<std::pair<Fd, Fd>> seqpacket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Unexpected{base::last_error("socketpair")};
  }
  return std::pair(Fd::adopt(ends[0]), Fd::adopt(ends[1]));
}

base::SysResult<void> send_message(const Fd& socket, std::span<const std::byte> bytes,
                                   std::span<const Fd> fds, Wait wait) {
  CHECK(!bytes.empty() && fds.size() <= kMaxFdsPerMessage);
  iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  ControlBuffer control;
  if (!fds.empty()) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    for (std::size_t i = 0; i < fds.size(); ++i) {
      const int number = fds[i].get();
      std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &number, sizeof(int));
    }
  }
  ssize_t sent = -1;
  do {
    sent = ::sendmsg(socket.get(), &header, MSG_NOSIGNAL | flag_of(wait));
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    return Unexpected{
        base::last_error("sendmsg with " + std::to_string(fds.size()) + " descriptors")};
  }
  return {};
}

base::SysResult<std::optional<Message>> receive_message(const Fd& socket, std::size_t max_bytes,
                                                        Wait wait) {
  Message message;
  message.bytes.resize(max_bytes);
  iovec part{.iov_base = message.bytes.data(), .iov_len = message.bytes.size()};
  ControlBuffer control;
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  ssize_t size = -1;
  do {
    size = ::recvmsg(socket.get(), &header, MSG_CMSG_CLOEXEC | flag_of(wait));
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    return Unexpected{base::last_error("recvmsg")};
  }
  message.fds = take_fds(header);
  if ((header.msg_flags & MSG_TRUNC) != 0) {
    return Unexpected{base::Error{std::make_error_code(std::errc::message_size), "recvmsg", {}}};
  }
  if ((header.msg_flags & MSG_CTRUNC) != 0) {
    // Our buffer holds all that a message can carry, so the descriptor table was full.
    return Unexpected{base::Error{{EMFILE, std::generic_category()},
                                  "recvmsg: descriptors were cut off",
                                  "Raise the limit of open files (ulimit -n, LimitNOFILE=)"}};
  }
  if (size == 0 && message.fds.empty()) {
    return std::optional<Message>();
  }
  message.bytes.resize(static_cast<std::size_t>(size));
  return std::optional(std::move(message));
}

}  // namespace netns
