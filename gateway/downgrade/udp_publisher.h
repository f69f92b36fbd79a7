// UdpPublisher: published UDP ports: datagrams of the host's network become packets to a tunnel.
//
// Theory of operation
//
//     client --datagram--> the port's socket --> headers on  --> tunnel      one flow for each
//     client <--datagram-- the port's socket <-- headers off <-- tunnel      client of a port
//
// No socket of the sandbox takes part: as in the upgrade, headers are put on and taken off here.
// What the server answers leaves from the address that the client has spoken to, of which a host
// may have several (IP_PKTINFO). Flows end by time. ICMP errors from inside end here: no socket can
// pass them on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/endpoint.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/siphash.h"
#include "flows/datagram.h"
#include "gateway/downgrade/published_flows.h"
#include "gateway/loop/event_loop.h"
#include "gateway/onramp/datagram_batch.h"
#include "gateway/onramp/raw_packet.h"
#include "gateway/opening/time_share.h"

namespace gateway {

/// Belongs to the shard's thread.
class UdpPublisher {
 public:
  class Owner {
   public:
    /// `packet` is for the responder of `flow`, whatever its length; gone after the call.
    virtual void to_responder(flows::FlowIndex flow, const RawPacket& packet) = 0;
    virtual void dropped(flows::FlowIndex flow, flows::Drop reason) = 0;
    virtual void dropped(flows::Drop reason) = 0;
    /// What opening a flow costs is taken from here.
    virtual TimeShare& opening_time() = 0;

   protected:
    ~Owner() = default;
  };

  /// `key` is a secret, against clients that choose their ports for the hash table's sake.
  UdpPublisher(EventLoop& loop, FlowKeeper& flows, PublishedFlows& published, PacketArena& arena,
               base::SipKey key, Owner& owner);
  ~UdpPublisher();
  UdpPublisher(const UdpPublisher&) = delete;
  UdpPublisher& operator=(const UdpPublisher&) = delete;

  /// Clients of `socket`, which is bound and non-blocking, reach `to` at a tunnel of `tenant`,
  /// which outlives the publisher.
  base::SysResult<void> publish(base::Fd socket, Tenant& tenant, const base::Endpoint& to);

  /// Sends what the responder's packet carries to the client of `flow`.
  void answer(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed);
  /// The flow is over.
  void detach(flows::FlowIndex flow);

 private:
  struct Port final : EventLoop::Handler {
    void on_ready(std::uint32_t /*events*/) override { publisher->receive(*this); }

    UdpPublisher* publisher = nullptr;
    std::uint32_t index = 0;
    base::Fd socket;
    Tenant* tenant = nullptr;
    base::Endpoint to;
  };
  // A client of one port.
  struct Remote {
    base::Endpoint endpoint;
    std::uint32_t port = 0;  // index of ours
    friend bool operator==(const Remote&, const Remote&) = default;
  };
  struct Hash {
    base::SipKey key;
    std::size_t operator()(const Remote& remote) const;
  };
  // The address of ours that a client has spoken to.
  struct Local {
    base::IpAddress address;
    unsigned interface = 0;  // for link-local addresses
  };
  struct Client {
    flows::FlowIndex flow = flows::kNoFlowIndex;
    Remote remote;
    Local local;
  };
  void receive(Port& port);
  void deliver(Port& port, const base::Endpoint& remote, const Local& local,
               std::span<std::byte> packet);
  std::optional<flows::FlowIndex> flow_of(Port& port, const Remote& remote);
  void send_piece(flows::FlowIndex flow, const Client& client, std::span<std::byte> piece);
  static std::optional<Local> local_of(msghdr& header);
  static void set_local(msghdr& header, DatagramBatch::Control& control, const Local& local);

  EventLoop& loop_;
  FlowKeeper& flows_;
  PublishedFlows& published_;
  Owner& owner_;
  DatagramBatch batch_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<Client> clients_;  // Flow::attachment is an index
  std::vector<std::uint32_t> free_;
  std::unordered_map<Remote, std::uint32_t, Hash> by_remote_;
};

}  // namespace gateway
