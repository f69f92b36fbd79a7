#include "gateway/control/unix_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/check.h"
#include "gateway/control/socket_path.h"
#include "gateway/descriptors.h"

namespace gateway {

using base::Error;
using base::failure;
using base::Fd;
using base::last_error;
using base::SysResult;
using base::Unexpected;

namespace {

constexpr int kBacklog = 1024;    // the kernel lowers it to net.core.somaxconn
constexpr int kLockTries = 2000;  // chosen: 2 s in all; the lock is held for microseconds
constexpr int kLockPauseMillis = 1;

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

SysResult<sockaddr_un> address_of(const UnixListenerOptions& options) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options.path.empty()) {
    return Unexpected{failure("the path of a unix socket is empty")};
  }
  if (options.path.size() >= sizeof(address.sun_path)) {
    return Unexpected{Error{{},
                            options.path + ": " + std::to_string(options.path.size()) +
                                " bytes, and the path of a unix socket has at most " +
                                std::to_string(sizeof(address.sun_path) - 1),
                            "Choose a shorter one with " + options.chosen_by + "."}};
  }
  std::memcpy(address.sun_path, options.path.data(), options.path.size());
  return address;
}

SysResult<Fd> open_directory_of(const std::string& path) {
  const std::string directory = directory_of(path);
  Fd opened = Fd::adopt(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) {
    return Unexpected{last_error("open " + directory)};
  }
  return opened;
}

// Anybody who can read the directory can hold its lock, so we do not wait for it for ever.
bool lock(const Fd& directory) {
  for (int tries = 0; tries < kLockTries; ++tries) {
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) == 0) {
      return true;
    }
    ::poll(nullptr, 0, kLockPauseMillis);
  }
  return false;
}

// Whether nobody listens on the socket file any more. A full backlog (EAGAIN) or a socket of
// another type (EPROTOTYPE) is somebody.
SysResult<bool> is_left_over(const sockaddr_un& address) {
  for (const int type : {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM}) {
    const Fd probe = Fd::adopt(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe.is_open()) {
      return Unexpected{last_error("socket AF_UNIX")};
    }
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
        errno == EAGAIN) {
      return false;
    }
    if (errno == ECONNREFUSED) {
      return true;
    }
    if (errno != EPROTOTYPE) {
      return Unexpected{last_error(std::string("connect ") + address.sun_path)};
    }
  }
  return false;
}

// Makes the name free for bind(2), or says who has it.
SysResult<void> clear_the_way(const UnixListenerOptions& options, const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(options.path.c_str(), &status) != 0) {
    if (errno == ENOENT) {
      return {};
    }
    return Unexpected{last_error("stat " + options.path)};
  }
  if (!S_ISSOCK(status.st_mode)) {
    return Unexpected{Error{{},
                            options.path + " exists and is not a socket",
                            "Remove it, or choose another with " + options.chosen_by + "."}};
  }
  const auto left_over = is_left_over(address);
  if (!left_over) {
    return Unexpected{left_over.error()};
  }
  if (!*left_over) {
    return Unexpected{Error{{},
                            "another liftgate answers at " + options.path,
                            "Stop it, or choose another path with " + options.chosen_by + "."}};
  }
  if (::unlink(options.path.c_str()) != 0) {
    return Unexpected{last_error("unlink " + options.path)};
  }
  return {};
}

SysResult<Fd> bind_and_listen(const UnixListenerOptions& options, const sockaddr_un& address) {
  Fd socket = Fd::adopt(::socket(AF_UNIX, options.type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) {
    return Unexpected{last_error("socket AF_UNIX")};
  }
  if (::fchmod(socket.get(), options.mode) != 0) {
    return Unexpected{last_error("fchmod " + options.path)};
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Unexpected{last_error("bind " + options.path)};
  }
  // What the umask took away comes back; that only ever widens up to what was asked for.
  if (::chmod(options.path.c_str(), options.mode) != 0) {
    return Unexpected{last_error("chmod " + options.path)};
  }
  if (::listen(socket.get(), kBacklog) != 0) {
    return Unexpected{last_error("listen " + options.path)};
  }
  return socket;
}

// What accept(2) returns is of its *client's* network, and nobody can change that later.
std::uint64_t network_of(const Fd& socket) noexcept {
  constexpr int kNetworkCookie = 71;  // SO_NETNS_COOKIE, which Debian 12's headers lack
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  return ::getsockopt(socket.get(), SOL_SOCKET, kNetworkCookie, &cookie, &size) == 0 ? cookie : 0;
}

}  // namespace

std::uint64_t own_network() noexcept {
  return network_of(Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
}

SysResult<UnixListener> UnixListener::create(const UnixListenerOptions& options) {
  auto listener = make(options);
  if (!listener && listener.error().cure.empty()) {
    Error error = with_cure_for_limits(listener.error());
    if (error.cure.empty()) {
      error.cure = "Choose a path in a folder of your own with " + options.chosen_by + ".";
    }
    return Unexpected{std::move(error)};
  }
  return listener;
}

SysResult<UnixListener> UnixListener::make(const UnixListenerOptions& options) {
  const auto address = address_of(options);
  if (!address) {
    return Unexpected{address.error()};
  }
  if (const auto made = make_parent_directory(options.path); !made) {
    return Unexpected{made.error()};
  }
  const auto directory = open_directory_of(options.path);
  if (!directory) {
    return Unexpected{directory.error()};
  }
  if (!lock(*directory)) {
    return Unexpected{last_error("lock the directory of " + options.path)};
  }
  if (const auto cleared = clear_the_way(options, *address); !cleared) {
    return Unexpected{cleared.error()};
  }
  auto socket = bind_and_listen(options, *address);
  if (!socket) {
    return Unexpected{socket.error()};
  }
  struct stat status{};
  if (::lstat(options.path.c_str(), &status) != 0) {
    return Unexpected{last_error("stat " + options.path)};
  }
  return UnixListener(std::move(socket).value(), options.path, {status.st_dev, status.st_ino});
}

UnixListener::~UnixListener() {
  if (!socket_.is_open()) {
    return;
  }
  auto directory = open_directory_of(path_);
  if (!directory) {
    socket_.reset();  // for want of descriptors, perhaps
    directory = open_directory_of(path_);
  }
  if (!directory || !lock(*directory)) {
    return;  // a file that nobody answers at; the next daemon replaces it
  }
  if (is_in_place()) {
    ::unlink(path_.c_str());
  }
}

bool UnixListener::is_in_place() const {
  struct stat status{};
  return ::lstat(path_.c_str(), &status) == 0 && status.st_dev == file_.device &&
         status.st_ino == file_.inode;
}

SysResult<std::optional<UnixPeer>> UnixListener::accept() {
  Fd socket;
  do {
    socket = Fd::adopt(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  } while (!socket.is_open() && (errno == EINTR || errno == ECONNABORTED));
  if (!socket.is_open()) {
    if (errno == EAGAIN) {
      return std::optional<UnixPeer>();
    }
    return Unexpected{last_error("accept on " + path_)};
  }
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  CHECK(::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0);
  const std::uint64_t network = network_of(socket);
  return std::optional(
      UnixPeer{std::move(socket), credentials.pid, credentials.uid, credentials.gid, network});
}

}  // namespace gateway
