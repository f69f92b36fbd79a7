// ClientNetwork: a client's machine behind a tunnel, real kernel and all.
//
//     +-- client sandbox ------------+
//     | curl, ssh, sockets ...       |
//     | tun0: 100.64.0.2 fd00:64::2  |
//     +------ | ---------------------+
//             | TUN      pump (2 threads of the test)         SEQPACKET
//             +------------------------------------------------------------> gateway
//
// The pump forwards packet for packet, counts them as the wire carried them, and remembers their
// headers, so that a test can compare what the gateway says with what really passed, and can look
// for the RST or the ICMP error that a client should have got.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "flows/packet.h"
#include "integration/support/program.h"
#include "integration/support/tcp_connection.h"
#include "integration/support/tunnel_connection.h"
#include "netns/sandbox.h"

namespace integration {

enum class Direction { kUp, kDown };  // up: from the client

/// Whole IP packets; a super-segment counts as the segments that it stands for.
struct WireTally {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const WireTally&, const WireTally&) = default;
};
std::ostream& operator<<(std::ostream& stream, const WireTally& tally);

/// A packet that passed, as far as its headers tell.
struct SeenPacket {
  Direction direction{};
  flows::Packet headers;
  WireTally wire;
};

class ClientNetwork {
 public:
  /// Opens the tunnel through the gateway's on-ramp, with the MTU and offload that the gateway
  /// grants. Throws when it refuses.
  explicit ClientNetwork(const std::string& onramp_path, const TunnelOptions& options = {});
  /// Over a tunnel that the test has made itself. `options` says addresses, MTU and offload.
  ClientNetwork(TunnelConnection tunnel, const TunnelOptions& options);
  ~ClientNetwork();
  ClientNetwork(ClientNetwork&&) noexcept;
  ClientNetwork& operator=(ClientNetwork&&) = delete;

  /// A program inside, to its end.
  Finished run(const Program::Words& words, base::Duration limit = kPatience,
               const ProgramOptions& options = {}) const;
  /// A program inside that lives on. It is killed when its Program goes.
  [[nodiscard]] Program start(const Program::Words& words,
                              const ProgramOptions& options = {}) const;

  /// Sockets inside, for clients that the test plays itself.
  [[nodiscard]] base::Fd socket(int domain, int type, int protocol = 0) const;
  [[nodiscard]] TcpConnection connect(const base::Endpoint& to) const;
  /// How a connect from inside ends; no error when it works.
  [[nodiscard]] std::error_code try_connect(const base::Endpoint& to,
                                            base::Duration limit = kPatience) const;
  /// A listening socket inside, on the client's own address of the family. Its ports are its own.
  [[nodiscard]] base::Fd listen(const std::string& address, std::uint16_t port = 0) const;

  /// Ends the tunnel, as a device that goes away. The sandbox remains.
  void close_tunnel();
  /// Goes on over a new tunnel, whose MTU may be another; the client's own stays as it is. Only
  /// without offload.
  void reopen_tunnel(const std::string& onramp_path, const TunnelOptions& options);
  /// From now on there is a router between client and tunnel with a next hop of this MTU: what is
  /// longer is dropped and answered with "too big", in both directions. Only without offload.
  void narrow_path(std::uint32_t mtu_bytes);
  /// From now on the way between client and tunnel takes so long, in each direction.
  void delay_path(base::Duration one_way);
  /// Whether the gateway has ended the tunnel.
  [[nodiscard]] bool wait_for_gateway_to_close(base::Duration limit = kPatience) const;

  [[nodiscard]] WireTally up() const;
  [[nodiscard]] WireTally down() const;
  /// Of the packets that `wanted` holds for.
  [[nodiscard]] WireTally tally(const std::function<bool(const SeenPacket&)>& wanted) const;
  /// Waits until such a packet has passed.
  [[nodiscard]] bool sees(const std::function<bool(const SeenPacket&)>& wanted,
                          base::Duration limit = kPatience) const;

  /// The gateway's answer to the context; null when none was asked for.
  [[nodiscard]] const nlohmann::json& reply() const;
  [[nodiscard]] netns::Sandbox& sandbox() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace integration
