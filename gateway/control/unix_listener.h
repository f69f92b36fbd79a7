// UnixListener: a listening unix socket with a name in the file system that is ours alone.
//
// Theory of operation
//
// A socket file outlives the process that made it, so one that is already there is asked: if
// somebody answers, it stays and we fail; if nobody does, it is left over and we take its place.
// Asking, removing and binding happen under a lock (flock) on the directory, so that two daemons
// that start at once cannot both find it left over and remove each other's. The same lock guards
// the removal at the end, which only takes the file that we made.
//
// The mode is set before bind(2) (Linux copies it from the unbound socket's inode), so the file
// never exists with more rights than asked for, whatever the umask. make_parent_directory()
// (socket_path.h) sees to the directory.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace gateway {

struct UnixListenerOptions {
  std::string path;
  int type = SOCK_STREAM;  // or SOCK_SEQPACKET
  mode_t mode = 0600;
  std::string chosen_by;  // for messages: "control.path or $LIFTGATE_SOCKET"
};

/// Somebody who has connected; credentials as they were then (SO_PEERCRED).
struct UnixPeer {
  base::Fd socket;  // non-blocking
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  // The network namespace that its socket was made in; 0: the kernel does not say (before 5.14).
  std::uint64_t network = 0;
};

/// Of the calling process, as UnixPeer has it.
std::uint64_t own_network() noexcept;

class UnixListener {
 public:
  /// Fails when somebody listens there already, when the path holds something that is not a socket
  /// (which is never removed), or when it cannot be made; the message says what to do.
  static base::SysResult<UnixListener> create(const UnixListenerOptions& options);

  /// Removes the file if it is still the one that create() made.
  ~UnixListener();
  UnixListener(UnixListener&&) noexcept = default;
  UnixListener& operator=(UnixListener&&) = delete;

  /// The next connection, or nothing when none waits. Errors are those of the machine (EMFILE,
  /// ENFILE, ENOMEM): the connection goes on waiting, so back off before the next call.
  base::SysResult<std::optional<UnixPeer>> accept();

  /// Non-blocking; readable when somebody waits.
  [[nodiscard]] const base::Fd& fd() const { return socket_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Whether the file at that path is the one that create() made: who connects there, reaches us.
  [[nodiscard]] bool is_in_place() const;

 private:
  static base::SysResult<UnixListener> make(const UnixListenerOptions& options);
  struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
  };
  UnixListener(base::Fd socket, std::string path, FileId file)
      : socket_(std::move(socket)), path_(std::move(path)), file_(file) {}

  base::Fd socket_;  // not open: moved from
  std::string path_;
  FileId file_;
};

}  // namespace gateway
