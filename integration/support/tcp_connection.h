// TcpConnection: one end of a TCP connection in a test's hands, on the host side or in a sandbox.
//
// Every call has a limit and throws when it is not kept, so that a test reads as what should
// happen.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "base/endpoint.h"
#include "base/fd.h"
#include "integration/support/wait.h"

namespace integration {

/// How what the peer sent came to its end.
enum class End { kFin, kReset, kNone };
std::ostream& operator<<(std::ostream& stream, End end);

class TcpConnection {
 public:
  /// An accepted or connected socket.
  explicit TcpConnection(base::Fd socket);

  /// From the host side.
  static TcpConnection connect(const base::Endpoint& to);
  /// From where `socket` was made: ClientNetwork::tcp_socket().
  static TcpConnection connect(base::Fd socket, const base::Endpoint& to);
  /// How connecting ends: no error, ECONNREFUSED, ..., or ETIMEDOUT when nothing came in `limit`.
  static std::error_code try_connect(const base::Fd& socket, const base::Endpoint& to,
                                     base::Duration limit = kPatience);

  void send(std::string_view text);
  void send(std::span<const std::byte> bytes);
  /// Exactly so many bytes.
  std::string receive(std::size_t bytes);
  /// Everything up to the peer's FIN; a reset is a failure.
  std::string receive_all();
  /// Gives everything that comes to `sink`, and says how it ended; kNone: no end within `limit`.
  End drain(const std::function<void(std::span<const std::byte>)>& sink,
            base::Duration limit = kPatience);
  /// The end alone.
  End wait_for_end(base::Duration limit = kPatience);

  void finish_sending();  // FIN; receiving goes on
  void reset_on_close();  // whoever closes it then sends RST instead of FIN
  void reset();           // RST, and closed
  void close();           // FIN unless something unread was there, and closed

  [[nodiscard]] base::Endpoint local() const;
  [[nodiscard]] base::Endpoint peer() const;
  [[nodiscard]] const base::Fd& socket() const { return socket_; }

 private:
  base::Fd socket_;
};

/// How a connection from the host side ends that is never used: whoever accepts it may end it
/// before connect(2) has returned.
End end_of_new_connection(const base::Endpoint& to);

/// A socket bound to `at`, listening; port 0 is the kernel's choice.
base::Fd listen_on(const base::Endpoint& at);
base::Endpoint local_endpoint(const base::Fd& socket);

}  // namespace integration
