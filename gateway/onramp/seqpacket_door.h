// SeqpacketDoor: accepts connections, reads the context of each, and hands on those that may
// open a tunnel. Runs on the control thread, so that no hostile or silent client costs a packet.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include "base/error.h"
#include "gateway/config/settings.h"
#include "gateway/control/unix_listener.h"
#include "gateway/inspect/health.h"
#include "gateway/onramp/tunnel_context.h"

namespace gateway {

class SeqpacketDoor {
 public:
  class Owner {
   public:
    /// The id that the tunnel of an admitted context gets, where there is room for `room` more
    /// tunnels; or why it gets none. Whether the peer is answered, the door knows.
    virtual base::Result<std::uint32_t, ContextRefusal> next_tunnel_id(const std::string& tenant,
                                                                       std::uint32_t room) = 0;
    /// `socket` becomes a tunnel, and its peer is sent `reply` then; empty: it has not asked for
    /// one.
    virtual void tunnel_admitted(base::Fd socket, std::uint32_t id, const TunnelContext& context,
                                 const std::string& reply) = 0;
    virtual void tunnel_refused(ContextError error) = 0;
    /// What the first datagram of a peer says.
    virtual base::Result<TunnelContext, ContextRefusal> read_context(
        std::span<const std::byte> datagram, const UnixPeer& peer) = 0;

   protected:
    ~Owner() = default;
  };

  /// Binds the socket. `settings`, `tenants` and the references outlive the door.
  static base::SysResult<std::unique_ptr<SeqpacketDoor>> open(
      asio::io_context& context, const SeqpacketOnramp& settings,
      const std::vector<TenantSettings>& tenants, Owner& owner);
  ~SeqpacketDoor();
  [[nodiscard]] OnrampHealth health() const {
    return {.kind = "seqpacket", .at = listener_.path(), .is_listening = listener_.is_in_place()};
  }

 private:
  static constexpr std::size_t kMaxWaiting = 1024;  // chosen: clients that have not spoken yet

  struct Client {
    Client(asio::io_context& context, UnixPeer connected)
        : peer(std::move(connected)), descriptor(context, peer.socket.get()), timer(context) {}
    ~Client() { stop(); }
    // Waits for nothing any more; `peer` keeps the socket.
    void stop() {
      is_waiting = false;
      timer.cancel();
      if (descriptor.is_open()) {
        (void)descriptor.release();
      }
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    UnixPeer peer;
    asio::posix::stream_descriptor descriptor;
    asio::steady_timer timer;
    std::list<std::shared_ptr<Client>>::iterator place;  // in waiting_
    bool is_waiting = true;  // the time-out and the context may both be ready: the first one counts
  };
  using ClientPtr = std::shared_ptr<Client>;

  SeqpacketDoor(asio::io_context& context, UnixListener listener, const SeqpacketOnramp& settings,
                const std::vector<TenantSettings>& tenants, Owner& owner);
  void wait_for_clients();
  void accept_clients();
  void greet(UnixPeer peer);
  // When all places are taken: whoever waits longest has spoken by now, or makes room.
  void hurry(const ClientPtr& client);
  void read_context(const ClientPtr& client);
  void admit_or_refuse(const ClientPtr& client, std::span<const std::byte> datagram);
  void refuse(const ClientPtr& client, const ContextRefusal& refusal);

  asio::io_context& context_;
  UnixListener listener_;
  const SeqpacketOnramp& settings_;
  const std::vector<TenantSettings>& tenants_;
  Owner& owner_;
  asio::posix::stream_descriptor listening_;
  asio::steady_timer backoff_;
  std::list<ClientPtr> waiting_;  // by age
};

}  // namespace gateway
