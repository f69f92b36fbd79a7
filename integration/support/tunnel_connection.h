// TunnelConnection: a tunnel to the gateway's SEQPACKET on-ramp, as a tunnel back end holds it: the
// context first, then raw packets both ways.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "integration/support/wait.h"

namespace integration {

/// What a tunnel says about itself. Empty fields are left out of the context.
struct TunnelOptions {
  std::string tenant = "acme";
  std::string name{};
  std::vector<std::string> addresses = {"100.64.0.2/32", "fd00:64::2/128"};
  std::uint32_t mtu = 1400;
  bool offload = false;
  bool reply = true;
  nlohmann::json labels{};
};
nlohmann::json context_of(const TunnelOptions& options);

class TunnelConnection {
 public:
  using Bytes = std::vector<std::byte>;

  /// Connects and says nothing yet.
  explicit TunnelConnection(const std::string& onramp_path);
  /// Over a socket that is connected already: the other end of a pair, in tests of the harness.
  explicit TunnelConnection(base::Fd socket) : socket_(std::move(socket)) {}

  /// Connects, sends the context, and waits for the reply where one is asked for.
  static TunnelConnection open(const std::string& onramp_path, const TunnelOptions& options = {});

  /// One datagram: a context, a packet, or anything else. False when the gateway has closed.
  bool send(std::span<const std::byte> datagram) const;
  bool send(const std::string& datagram) const;

  /// The next datagram. Nothing: none came in time, or the gateway has closed.
  [[nodiscard]] std::optional<Bytes> receive(base::Duration limit = kPatience) const;
  /// The answer to a context. Null when the gateway closed instead.
  [[nodiscard]] nlohmann::json receive_reply() const;
  /// The reply that open() got.
  [[nodiscard]] const nlohmann::json& reply() const { return reply_; }

  /// Whether the gateway closes within `limit`; packets that come before are thrown away.
  [[nodiscard]] bool is_closed_by_gateway(base::Duration limit = kPatience) const;
  void close() { socket_.reset(); }
  [[nodiscard]] const base::Fd& socket() const { return socket_; }

 private:
  base::Fd socket_;
  nlohmann::json reply_;
};

}  // namespace integration
