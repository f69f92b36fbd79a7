// GuePeer: who speaks GUE to the gateway: a device that puts its packets into UDP.
//
//     GuePeer peer({.outer = "192.0.2.5", .gateway = gateway_endpoint});
//     const ClientNetwork client(peer.tunnel(), {});      // its TUN is pumped into GUE
//     client.run({"curl", url_of(server.endpoint())});
//     EXPECT_THAT(peer.headers(), ElementsAre("00040000"));
//
// Lays out and reads the GUE headers by itself, independent of the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "base/fd.h"
#include "integration/support/tunnel_connection.h"
#include "integration/support/wait.h"

namespace integration {

class ClientNetwork;

struct GuePeerOptions {
  std::string outer = "192.0.2.5";
  std::uint16_t port = 6080;  // it sends from; 0: the kernel chooses
  base::Endpoint gateway{};
  bool bare = false;                      // variant 1
  std::optional<std::uint32_t> tenant{};  // named in private data
  std::size_t surplus_words = 0;          // 4 bytes each, behind that
  bool bursts = false;  // pumped packets leave many at a time (UDP_SEGMENT), as from a fast peer
  const ClientNetwork* machine = nullptr;  // on which it runs; else on the host network
};

class GuePeer {
 public:
  using Bytes = std::vector<std::byte>;

  explicit GuePeer(const GuePeerOptions& options);
  ~GuePeer();
  GuePeer(GuePeer&&) noexcept;
  GuePeer& operator=(GuePeer&&) = delete;

  /// From now on packets are pumped: what is sent into the tunnel goes out as GUE, and back. Once.
  [[nodiscard]] TunnelConnection tunnel();

  /// One packet in GUE, in the peer's form.
  void send(std::span<const std::byte> packet) const;
  /// One UDP datagram as it is.
  void send_datagram(std::span<const std::byte> datagram) const;
  void send_hex(const std::string& hex) const;
  /// Datagrams of one length, but for a shorter last, in one call of the kernel (UDP_SEGMENT). A
  /// socket with UDP_GRO receives them in one piece.
  void send_burst(const std::vector<Bytes>& datagrams) const;

  struct Received {
    base::Endpoint from;
    std::string header;  // of GUE, in hexadecimal
    Bytes packet;
  };
  /// The next datagram. Throws when there is none in time. Not while packets are pumped.
  [[nodiscard]] Received receive(base::Duration limit = kPatience) const;
  [[nodiscard]] bool hears_nothing(base::Duration limit) const;

  /// What has come while packets were pumped: every different GUE header, and every sender.
  [[nodiscard]] std::set<std::string> headers() const;
  [[nodiscard]] std::set<base::Endpoint> senders() const;

  [[nodiscard]] base::Endpoint endpoint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Bytes of "00 04 00 00"; spaces do not count.
GuePeer::Bytes bytes_of_hex(const std::string& hex);

}  // namespace integration
