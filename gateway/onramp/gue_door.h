// GueDoor: the GUE on-ramp: datagrams in from any peer that is allowed, answers out to it.
//
// Theory of operation
//
//   socket -> datagrams -> who sent it, in which form? --known--> its tunnel -> batch by tunnel
//                              |                                                    |
//                              +--new--> may it speak for the tenant? is it a       v
//                                        packet? --> a tunnel of its own        PacketPath
//
// There is one socket, and a GueTunnel for each peer, tenant and form that was heard lately, so
// that answers go back as the packets came. A tunnel is a place to count and to send to, not a
// session: any packet can be understood alone, and a flow whose packets come from another peer of
// its tenant is that peer's from then on (FlowKeeper::hears). A peer that has no flow and says
// nothing for peer_timeout is forgotten, so that spoofed addresses cost little and not for long.
// They cost their own tenant: where several share the door, one may have another peer while it has
// fewer than there are places left (Choudhury and Hahne, 1998).
// The peers that routes of tenants lead to are there from the start and stay.
//
// Where there are several shards, each has a door of its own (gue_exchange.h). What another shard
// hands over is taken as if it had come out of the socket.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/siphash.h"
#include "gateway/loop/event_loop.h"
#include "gateway/onramp/gue_exchange.h"
#include "gateway/onramp/gue_peers.h"
#include "gateway/onramp/gue_receiver.h"
#include "gateway/onramp/gue_sender.h"
#include "gateway/onramp/gue_socket.h"
#include "gateway/onramp/gue_tunnel.h"
#include "gateway/onramp/packet_arena.h"

namespace gateway {

/// Belongs to the shard's thread.
class GueDoor final : private EventLoop::Handler, private GueSender::Owner {
 public:
  class Owner : public Tunnel::Sink {
   public:
    [[nodiscard]] virtual Tenant* tenant(std::uint32_t id) = 0;
    /// A fresh id for a tunnel of that name.
    virtual std::uint32_t register_tunnel(const std::string& name) = 0;
    /// The tunnel is the owner's, until tunnel_closed().
    virtual void peer_heard(std::unique_ptr<Tunnel> tunnel) = 0;
    using Tunnel::Sink::dropped;
    virtual void dropped(flows::Drop reason) = 0;

   protected:
    ~Owner() = default;
  };

  /// What the door shares with the rest of its shard; everything outlives it.
  struct Surroundings {
    EventLoop& loop;
    PacketArena& arena;
    const FlowKeeper& flows;
    const std::vector<TenantSettings>& tenants;
    Owner& owner;
  };

  /// The doors of other shards; nothing: there are none.
  struct Others {
    std::size_t own_shard = 0;
    std::shared_ptr<GueExchange> exchange{};
  };

  GueDoor(GueSocket socket, const GueOnramp& settings, base::SipKey seed, const Surroundings& with,
          Others others);
  ~GueDoor();

  /// Hears its peers from now on.
  base::SysResult<void> start();
  /// Opens the peer of `routes`, which are the tenant's to one outer address.
  void add_route(Tenant& tenant, const TenantRoute& route);
  /// Forgets peers; now and then.
  void tick(base::Instant now);

 private:
  struct Hash {
    base::SipKey key;
    std::size_t operator()(const GueKey& of) const;
  };
  // Rings when other shards have handed something over.
  class Bell final : public EventLoop::Handler {
   public:
    explicit Bell(GueDoor& door) : door_(door) {}
    void on_ready(std::uint32_t events) override { door_.take_handed(events != 0); }

   private:
    GueDoor& door_;
  };
  struct Gathered {
    GueTunnel* tunnel = nullptr;
    base::Port port{};
    RawPacket packet;
  };

  void on_ready(std::uint32_t events) override;
  void wants_flush() override { loop_.again(*this); }
  void wants_room() override;
  void send_failed(const GuePath& path, flows::Drop reason, std::size_t datagrams) override;

  void receive();
  void take(const GueReceiver::Message& message);
  void take_datagram(const GueReceiver::Message& message, std::span<std::byte> datagram);
  void take_handed(bool rang);
  GueTunnel* tunnel_of(const GueReceiver::Message& message, const flows::GueMessage& decoded,
                       std::span<std::byte> datagram);
  void hand_over(std::size_t shard, const GueReceiver::Message& message,
                 std::span<std::byte> datagram);
  void wake_others();
  // Why the tenant may have no other peer, if so.
  [[nodiscard]] std::optional<flows::Drop> limit_met(std::uint32_t tenant) const;
  GueTunnel* open_tunnel(const GueKey& key, std::uint32_t tenant,
                         std::span<const std::byte> packet);
  GueTunnel& add_tunnel(const GueKey& key, Tenant& tenant, const GueTunnel::Ports& ports);
  void deliver();
  void deliver_group(std::size_t first);
  void forget_idle(base::Instant now);

  GueSocket socket_;
  GueOnramp settings_;
  EventLoop& loop_;
  PacketArena& arena_;
  const FlowKeeper& flows_;
  Owner& owner_;
  GuePeerList peers_;
  GueReceiver receiver_;
  GueSender sender_;
  std::unordered_map<GueKey, GueTunnel*, Hash> tunnels_;
  std::size_t routes_ = 0;                                   // of tunnels_, those that stay
  std::unordered_map<std::uint32_t, std::size_t> peers_of_;  // the others, by tenant
  bool is_shared_ = false;                                   // by tenants: of this shard, several
  GueTunnel* last_ = nullptr;  // packets of one peer follow each other
  std::array<Gathered, PacketArena::kBatch> gathered_;
  std::size_t gathered_count_ = 0;
  Others others_;
  std::vector<bool> handed_;  // by shard: something, in this wake-up
  Bell bell_{*this};
  base::Instant next_tick_{};
  bool waits_for_room_ = false;
};

}  // namespace gateway
