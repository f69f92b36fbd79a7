// Servers for tests, in this process, on the host network. The kernel chooses their ports.
//
//     const TcpServer server = TcpServer::echo();
//     client.run({"curl", url_of(server.endpoint())});
//     EXPECT_EQ(server.wait_for_connection(0).end, End::kFin);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "integration/support/host_network.h"
#include "integration/support/pattern.h"
#include "integration/support/tcp_connection.h"
#include "integration/support/wait.h"

namespace integration {

/// What a server has seen of one connection.
struct Served {
  base::Endpoint peer;               // who connected, as the server sees it
  std::uint64_t received_bytes = 0;  // by discarding servers
  bool pattern_is_right = true;      // of the bytes that a discarding server received
  End end = End::kNone;              // how the peer stopped sending
  bool finished = false;             // the server is done with it
};

/// Where a server listens: at an address of the host network, on a port of the kernel's choice, or
/// on a socket of the test's own, which may be one of another network.
class Listening {
 public:
  Listening(const std::string& address);  // NOLINT(google-explicit-constructor)
  Listening(const char* address) : Listening(std::string(address)) {}  // NOLINT
  Listening(base::Fd socket) : socket_(std::move(socket)) {}           // NOLINT

  base::Fd take() { return std::move(socket_); }

 private:
  base::Fd socket_;
};

class TcpServer {
 public:
  /// Serves one connection, on a thread of its own, and leaves the closing to the server. When it
  /// throws, the connection is reset.
  using Handler = std::function<void(TcpConnection& connection, Served& served)>;

  explicit TcpServer(Handler handler, Listening where = host::kServer4);
  ~TcpServer();  // ends every connection
  TcpServer(TcpServer&&) noexcept;
  TcpServer& operator=(TcpServer&&) = delete;

  /// Sends back what comes; FIN for FIN.
  static TcpServer echo(Listening where = host::kServer4);
  /// Reads everything, compares it with Pattern(1), answers the FIN with one.
  static TcpServer discard(Listening where = host::kServer4);
  /// Sends `bytes` of Pattern(1) at once, then FIN; ends when the peer does.
  static TcpServer source(std::uint64_t bytes, Listening where = host::kServer4);
  /// Sends `greeting` and FIN first, then reads to the end: the half-closed way round.
  static TcpServer half_closing(const std::string& greeting, Listening where = host::kServer4);
  /// Reads everything to the FIN, and only then answers with what it had got.
  static TcpServer answer_after_end(Listening where = host::kServer4);
  /// Resets as soon as `bytes` have come.
  static TcpServer resetting(std::size_t bytes = 0, Listening where = host::kServer4);
  /// Accepts, reads nothing, says nothing, until it is destroyed.
  static TcpServer holding(Listening where = host::kServer4);
  /// Starts a program for each connection, with the connection as its input and output (inetd).
  static TcpServer program(const Program::Words& words, Listening where = host::kServer4);

  [[nodiscard]] base::Endpoint endpoint() const;
  [[nodiscard]] std::uint16_t port() const { return base::number(endpoint().port); }

  [[nodiscard]] std::vector<Served> connections() const;
  /// The n-th connection once it has finished. Throws when that takes too long.
  [[nodiscard]] Served wait_for_connection(std::size_t n) const;
  /// Waits until so many have been accepted.
  void wait_for_accepted(std::size_t count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class UdpServer {
 public:
  /// What to answer, if anything.
  using Answer =
      std::function<std::optional<std::string>(const std::string&, const base::Endpoint&)>;

  explicit UdpServer(Answer answer, const std::string& address = host::kServer4);
  ~UdpServer();
  UdpServer(UdpServer&&) noexcept;
  UdpServer& operator=(UdpServer&&) = delete;

  static UdpServer echo(const std::string& address = host::kServer4);
  static UdpServer silent(const std::string& address = host::kServer4);

  [[nodiscard]] base::Endpoint endpoint() const;
  [[nodiscard]] std::uint16_t port() const { return base::number(endpoint().port); }

  struct Datagram {
    base::Endpoint from;
    std::string payload;
  };
  [[nodiscard]] std::vector<Datagram> received() const;
  /// Waits until so many have come.
  [[nodiscard]] std::vector<Datagram> wait_for_datagrams(std::size_t count) const;
  /// On the server's own account, to anybody.
  void send_to(const base::Endpoint& to, const std::string& payload) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// An endpoint of `address` at which nobody listens.
base::Endpoint closed_port(const std::string& address = host::kServer4);

/// "http://192.0.2.1:80/path"
std::string url_of(const base::Endpoint& endpoint, const std::string& path = "/");

}  // namespace integration
