#include "gateway/control/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/time.h"

namespace gateway {
namespace {

using Failure = ControlFailure;
using Kind = ControlRequest::Kind;

// Chosen: a gateway that lives answers in milliseconds, or in two seconds when a shard is stuck.
constexpr std::chrono::milliseconds kPatience{5'000};
// Chosen, for what is as much work as the gateway has flows, rules or shards.
constexpr std::chrono::milliseconds kPatienceWithWork{30'000};

std::chrono::milliseconds patience_with(Kind kind) {
  const bool is_work = kind == Kind::kReload || kind == Kind::kExplain || kind == Kind::kCapture ||
                       kind == Kind::kEvents;
  return is_work ? kPatienceWithWork : kPatience;
}

base::Unexpected<Failure> failed(const std::string& what, int error) {
  return base::Unexpected{Failure{false, what + ": " + std::generic_category().message(error)}};
}

base::Result<base::Fd, Failure> connect_to(const std::string& path,
                                           std::chrono::milliseconds patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return base::Unexpected{
        Failure{false, "'" + path + "' is not a path that a unix socket can have"}};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  auto socket = base::Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) {
    return failed("socket AF_UNIX", errno);
  }
  // connect(2) waits while the gateway's backlog is full.
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(patience);
  const timeval limit{.tv_sec = seconds.count(), .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EAGAIN) {
      return base::Unexpected{
          Failure{false, path + ": the gateway does not answer, and others wait for it already"}};
    }
    const bool nobody_there = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;
    return base::Unexpected{
        Failure{nobody_there, "connect " + path + ": " + std::generic_category().message(errno)}};
  }
  return socket;
}

std::optional<Failure> not_to_be_believed(const base::Fd& socket, const std::string& path) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return failed("SO_PEERCRED " + path, errno).error;
  }
  if (::geteuid() == 0 || peer.uid == ::geteuid() || peer.uid == 0) {
    return std::nullopt;
  }
  return Failure{false, path + " is served by uid " + std::to_string(peer.uid) +
                            ", which is neither you nor root"};
}

// Waits for `events` until `end`. Returns the errno of what went wrong, or 0.
int wait_for(const base::Fd& socket, short events, base::Instant end) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - base::Clock::now());
    if (left.count() <= 0) {
      return ETIMEDOUT;
    }
    pollfd wait{.fd = socket.get(), .events = events, .revents = 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(left.count()));
    if (ready > 0) {
      return 0;
    }
    if (ready < 0 && errno != EINTR) {
      return errno;
    }
  }
}

// Who listens at the other end; 0: nobody whom our PID namespace knows.
pid_t peer_of(const base::Fd& socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

// By SIGSTOP, Ctrl-Z or a debugger.
bool is_stopped(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = stat.rfind(") ");  // the name before it may hold anything
  return name_end != std::string::npos && name_end + 2 < stat.size() &&
         (stat[name_end + 2] == 'T' || stat[name_end + 2] == 't');
}

Failure no_answer(const base::Fd& socket) {
  const pid_t pid = peer_of(socket);
  const std::string process = "process " + std::to_string(pid);
  if (pid == 0) {
    return {false, "the gateway does not answer"};
  }
  return {false, "the gateway does not answer (" + process +
                     (is_stopped(pid)
                          ? " is stopped; `kill -CONT " + std::to_string(pid) + "` lets it go on)"
                          : " is busy)")};
}

// recvmsg(2), keeping the descriptors that came along.
ssize_t receive_some(const base::Fd& socket, std::array<char, 65536>& buffer,
                     std::vector<base::Fd>& attached) {
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostAttachments * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t bytes = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  const int error = errno;
  const cmsghdr* header = bytes >= 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + at, sizeof(number));
      attached.push_back(base::Fd::adopt(number));
    }
  }
  errno = error;
  return bytes;
}

// The first line into `reply`, and what has come behind it.
base::Result<void, Failure> receive_line(ControlStream& reply, const std::string& path,
                                         base::Instant end) {
  const base::Fd& socket = reply.socket;
  // A process that is stopped does no work, however much it was asked for.
  const base::Instant first_end = std::min(end, base::Clock::now() + kPatience);
  std::array<char, 65536> buffer{};
  for (bool whole = false; !whole;) {
    const ssize_t bytes = receive_some(socket, buffer, reply.attached);
    if (bytes > 0) {
      const std::string_view text(buffer.data(), static_cast<std::size_t>(bytes));
      const std::size_t line_end = text.find('\n');
      whole = line_end != std::string_view::npos;
      reply.line += text.substr(0, line_end);
      reply.rest += whole ? text.substr(line_end + 1) : "";
    } else if (bytes == 0) {
      return base::Unexpected{
          Failure{false, path + ": the gateway closed the connection before its reply was whole"}};
    } else if (errno != EAGAIN && errno != EINTR) {
      return failed("read from " + path, errno);
    } else if (int error = wait_for(socket, POLLIN, first_end); error == ETIMEDOUT) {
      if (is_stopped(peer_of(socket)) || wait_for(socket, POLLIN, end) != 0) {
        return base::Unexpected{no_answer(socket)};
      }
    } else if (error != 0) {
      return failed("waiting for the reply of " + path, error);
    }
  }
  return {};
}

}  // namespace

base::Result<ControlStream, Failure> open_stream(const std::string& path,
                                                 const ControlRequest& request,
                                                 std::optional<std::chrono::milliseconds> given) {
  const auto patience = given.value_or(patience_with(request.kind));
  const auto end = base::Clock::now() + patience;
  auto socket = connect_to(path, patience);
  if (!socket) {
    return base::Unexpected{socket.error()};
  }
  if (const auto failure = not_to_be_believed(*socket, path)) {
    return base::Unexpected{*failure};
  }
  // A request fits the socket's buffer, so this never waits. A peer that turns us away may have
  // closed already: its reason is there to be read all the same.
  const std::string line = request_line(request);
  if (::send(socket->get(), line.data(), line.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE) {
    return failed("write to " + path, errno);
  }
  ControlStream stream{.socket = std::move(socket).value(), .line = {}, .attached = {}, .rest = {}};
  if (const auto received = receive_line(stream, path, end); !received) {
    return base::Unexpected{received.error()};
  }
  return stream;
}

base::Result<ControlReply, Failure> ask_gateway(const std::string& path,
                                                const ControlRequest& request,
                                                std::optional<std::chrono::milliseconds> patience) {
  auto stream = open_stream(path, request, patience);
  if (!stream) {
    return base::Unexpected{stream.error()};
  }
  return ControlReply{std::move(stream->line), std::move(stream->attached)};
}

}  // namespace gateway
