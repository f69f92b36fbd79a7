// DatagramUpgrade: what UDP and ICMP echo have in common as upgraded flows: the sockets.
//
// Theory of operation
//
//   (tenant, inside source)  <-->  mapping: one unconnected socket  <-->  any number of remotes
//
// A mapping serves every flow of its inside source, so the outside port that remotes see does not
// depend on the remote: endpoint-independent mapping (RFC 4787 REQ-1). What may come back is the
// filter's choice (REQ-8). Replies carry their true source; one from an allowed address but another
// port becomes a flow of its own, if policy would let the client open it. A mapping lives as long
// as it has flows, and flows end by time (FlowKeeper). A tenant that has as many mappings as it may
// have loses the one that has been idle for longest.
//
// ICMP errors arrive on the socket's error queue and go to the client as ICMP errors about its own
// datagram, from whoever sent them: so traceroute sees past us. TTL and DF are the client's: the
// one less a hop, the other as it was.
//
// An app may give a flow a connected socket of its own: a mapping of that flow alone, beside the
// one of its source, which knows nothing of it.
//
// Datagrams are received straight into the arena, behind the room for their headers. What is longer
// than the tunnel's MTU is cut into fragments: we are the sender.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/endpoint.h"
#include "base/fd.h"
#include "base/siphash.h"
#include "flows/datagram.h"
#include "flows/reply.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/loop/event_loop.h"
#include "gateway/onramp/datagram_batch.h"
#include "gateway/onramp/raw_packet.h"
#include "gateway/upgrade/error_queue.h"
#include "gateway/upgrade/last_askers.h"

namespace gateway {

/// Belongs to the shard's thread.
class DatagramUpgrade {
 public:
  class Owner {
   public:
    /// `packet` is for the initiator of `flow`; gone after the call.
    virtual void from_upstream(flows::FlowIndex flow, const RawPacket& packet) = 0;
    /// `error`, from `from`, is for the initiator of `flow`, about its packet `original`. Nothing
    /// for `from`: the gateway itself.
    virtual void failed_upstream(flows::FlowIndex flow, std::span<const std::byte> original,
                                 const flows::IcmpError& error,
                                 const std::optional<base::IpAddress>& from) = 0;
    /// A datagram from `remote` is allowed to the client but has no flow yet: opens `key`, beside
    /// other flows of `tunnel`. Fails with the reason to count.
    virtual base::Result<flows::FlowIndex, flows::Drop> open_beside(
        std::uint32_t tunnel, const flows::FlowKey& key, const base::Endpoint& remote) = 0;
    virtual void dropped(flows::FlowIndex flow, flows::Drop reason) = 0;
    virtual void dropped(flows::Drop reason) = 0;
    /// What the client knows `remote` as (map_host).
    [[nodiscard]] virtual base::IpAddress inside_of(const base::IpAddress& remote) const = 0;
    /// The address that stands for `remote` inside, if one does; the client may still speak to
    /// `remote` itself.
    [[nodiscard]] virtual std::optional<base::IpAddress> stand_in_of(
        const base::Endpoint& remote) const = 0;

   protected:
    ~Owner() = default;
  };

  DatagramUpgrade(EventLoop& loop, FlowKeeper& flows, PacketArena& arena, UdpFilter filter,
                  base::SipKey seed, Owner& owner);
  virtual ~DatagramUpgrade();
  DatagramUpgrade(const DatagramUpgrade&) = delete;
  DatagramUpgrade& operator=(const DatagramUpgrade&) = delete;

  /// Gives a flow that has just been opened its socket: `own` where that is open, which is an
  /// app's, and connected. Fails with why there is none.
  std::optional<flows::Drop> open(flows::FlowIndex flow, base::Fd own = {});
  /// Sends what the client's packet carries.
  void send(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed);
  /// The flow is over; its socket goes with the last flow that uses it.
  void detach(flows::FlowIndex flow);
  /// The flows of tunnel `from` are those of `to` now.
  void tunnel_changed(std::uint32_t from, std::uint32_t to);

  [[nodiscard]] std::size_t sockets() const { return by_source_.size(); }

 protected:
  /// A non-blocking socket of the family, or the errno.
  virtual base::Fd open_socket(bool v4) = 0;
  /// The reason to be counted when open_socket() failed.
  virtual flows::Drop refusal_of(int error) = 0;
  [[nodiscard]] virtual flows::Protocol protocol(bool v4) const = 0;
  /// The part of the client's packet that goes into the socket.
  [[nodiscard]] virtual std::span<std::byte> content(const RawPacket& packet,
                                                     const flows::Packet& parsed) const = 0;
  /// Room in front of what the socket gives, for the headers that wrap() writes.
  [[nodiscard]] virtual std::size_t headers_bytes(bool v4) const = 0;
  /// Nothing when what is behind the room is too short to be anything.
  [[nodiscard]] virtual std::optional<flows::VnetHeader> wrap(std::span<std::byte> packet,
                                                              const flows::Route& route) const = 0;
  /// The flow's destination port for a datagram of `remote` to `source`.
  [[nodiscard]] virtual base::Port remote_port(const base::Endpoint& remote,
                                               const base::Endpoint& source) const = 0;

 private:
  struct Source {
    base::Endpoint endpoint;
    std::uint32_t tenant = 0;
    friend bool operator==(const Source&, const Source&) = default;
  };
  // Clients choose their ports and remotes: without the key, nobody can aim at one bucket.
  struct Hash {
    base::SipKey key;
    std::size_t operator()(const Source& source) const;
    std::size_t operator()(const base::IpAddress& address) const;
  };
  struct Mapping;
  // A tenant's mappings, the one used last at the end.
  struct Budget {
    std::list<Mapping*> by_use;
  };
  struct Mapping final : EventLoop::Handler {
    explicit Mapping(const Hash& hash) : remotes(0, hash) {}
    void on_ready(std::uint32_t events) override { upgrade->receive(*this, events); }
    [[nodiscard]] bool is_v4() const { return source.endpoint.address.is_v4(); }

    DatagramUpgrade* upgrade = nullptr;
    std::uint32_t index = 0;
    Source source;
    base::Fd socket;
    bool is_apps = false;                   // connected, and of one flow only
    std::uint32_t tunnel = flows::kNone32;  // where the client was heard last
    base::Port outer_port{};                // and its outer port (flows/flow.h)
    std::unordered_set<flows::FlowIndex> flows;
    std::unordered_map<base::IpAddress, std::uint32_t, Hash> remotes;  // and how many flows each
    // Its flows whose datagrams go to another endpoint than the client has named: what comes from
    // there is an answer to the last of them that has asked.
    LastAskers elsewhere;
    base::Instant last_used{};
    std::list<Mapping*>::iterator by_use;
    int discover = -1;                   // IP_MTU_DISCOVER as last set
    int ttl = -1;                        // IP_TTL as last set
    std::uint32_t mark = 0;              // SO_MARK as last asked for
    flows::Dscp dscp = flows::kOwnDscp;  // IP_TOS as last set
  };
  struct ErrorsRead {
    bool any = false;
    std::optional<std::uint32_t> mtu_bytes;  // our own kernel's EMSGSIZE
  };
  base::Result<Mapping*, flows::Drop> make_mapping(const Source& source, base::Fd own,
                                                   bool is_alone);
  void free_mapping(Mapping& mapping);
  bool evict_idle(Budget& budget);
  void join(Mapping& mapping, flows::FlowIndex flow);
  void use(Mapping& mapping);
  void set_path_options(Mapping& mapping, const flows::Packet& parsed);
  void set_marks(Mapping& mapping, const flows::Flow& flow);
  void send_one(Mapping& mapping, flows::FlowIndex flow, std::span<std::byte> content,
                const RawPacket& packet, const flows::Packet& parsed);
  void send_failed(flows::FlowIndex flow, int error, const ErrorsRead& read,
                   const RawPacket& packet, const flows::Packet& parsed);
  void receive(Mapping& mapping, std::uint32_t events);
  void deliver(Mapping& mapping, const base::Endpoint& remote, std::span<std::byte> packet);
  base::Result<flows::FlowIndex, flows::Drop> find_or_open(Mapping& mapping,
                                                           const flows::FlowKey& key,
                                                           const base::Endpoint& remote);
  void deliver_in_fragments(flows::FlowIndex flow, const RawPacket& packet, std::size_t mtu_bytes);
  ErrorsRead read_errors(Mapping& mapping);
  void report(Mapping& mapping, const QueuedError& error, std::span<std::byte> packet);
  [[nodiscard]] flows::FlowKey key_of(const Mapping& mapping, const base::Endpoint& remote) const;
  [[nodiscard]] std::optional<flows::FlowIndex> find(const Mapping& mapping,
                                                     const flows::FlowKey& key) const;
  [[nodiscard]] bool lets_in(const Mapping& mapping, const base::IpAddress& remote) const;

  EventLoop& loop_;
  FlowKeeper& flows_;
  UdpFilter filter_;
  Owner& owner_;
  Hash hash_;
  DatagramBatch batch_;
  std::vector<std::unique_ptr<Mapping>> mappings_;  // Flow::attachment is an index
  std::vector<std::uint32_t> free_;
  std::unordered_map<Source, std::uint32_t, Hash> by_source_;
  std::unordered_map<std::uint32_t, Budget> budgets_;  // by tenant
  std::uint32_t next_fragment_id_ = 0;
};

}  // namespace gateway
