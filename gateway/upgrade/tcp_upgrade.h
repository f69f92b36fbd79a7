// TcpUpgrade: TCP flows become kernel sockets: the held SYN, the dial, the accept, the relay.
//
// Theory of operation
//
//   SYN --> open(): held; dial upstream --connected--> SYN enters the sandbox --> accepted():
//                                        |               relay client <-> upstream --> retire
//                                        +--refused--> RST to the client       --> retire
//                                        +--unreachable--> ICMP to the client  --> retire
//                                        +--silence--> silence, until the client gives up
//
// The client sees what it would have seen without us, because nothing is answered before the
// upstream has. Its retransmitted SYNs find the flow dialling and wait with the first. With
// `handshake: eager` the SYN enters at once and the dial follows the accept; a failed dial is then
// an RST on an open connection.
//
// The dial of a flow that is downgraded goes through the sandbox as well (tcp_downgrade.h), and so
// does that of a connection to a published port, which was accepted before it came here: a Session
// that begins with its client's socket. Its failed dial is an RST, for its client's SYN has been
// answered by the host's own kernel.
//
// Where an app has given an upstream several addresses, they are dialled one after the other until
// one answers; what the client is told is what became of the last.
//
// One Session serves one flow from its SYN to its last byte; Flow::attachment is its index.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "flows/reply.h"
#include "gateway/bandwidth/bandwidths.h"
#include "gateway/downgrade/tcp_downgrade.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/hooks/hook_desk.h"
#include "gateway/loop/event_loop.h"
#include "gateway/onramp/raw_packet.h"
#include "gateway/opening/time_share.h"
#include "gateway/relay/pipe_pool.h"
#include "gateway/relay/tcp_relay.h"
#include "gateway/upgrade/congestion_control.h"
#include "gateway/upgrade/held_syn.h"
#include "gateway/upgrade/lent_sockets.h"
#include "gateway/upgrade/sandbox_link.h"
#include "gateway/upgrade/source_ports.h"
#include "nat/icmp_error_rewrite.h"

namespace gateway {

/// Belongs to the shard's thread.
class TcpUpgrade final {
 public:
  class Owner {
   public:
    /// The client of `flow` is to be told that its SYN, `syn`, failed: nothing means an RST.
    virtual void refuse(flows::FlowIndex flow, const HeldSyn& syn,
                        std::optional<flows::Unreachable> why) = 0;
    virtual void dropped(flows::FlowIndex flow, flows::Drop reason) = 0;
    /// What there is for opening flows, of which dialling is a part.
    virtual TimeShare& opening_time() = 0;

   protected:
    ~Owner() = default;
  };

  TcpUpgrade(EventLoop& loop, FlowKeeper& flows, SandboxLink& sandbox, TcpDowngrade& downgrade,
             Handshake handshake, CongestionControl congestion_control, base::SipKey seed,
             Owner& owner);
  ~TcpUpgrade();

  /// Before the first flow; without, no app is asked.
  void set_hooks(HookDesk& hooks) { hooks_ = &hooks; }

  /// Before the first flow: what bounds connections, and who gives them their turns.
  void set_bandwidths(Bandwidths& bandwidths, Pacer& pacer) {
    bandwidths_ = &bandwidths;
    pacer_ = &pacer;
  }
  /// The bounds have changed.
  void rebound();
  /// The rules have changed, which have let the addresses through that were to be dialled next.
  void forget_other_addresses();

  /// The first SYN of a flow that has just been opened, as it came in.
  void open(flows::FlowIndex flow, const RawPacket& syn, const flows::Packet& parsed);
  /// The same for a flow whose client has been accepted already, on a published port.
  void open_accepted(flows::FlowIndex flow, base::Fd client);
  /// A later packet of the client, not rewritten yet. True: it is to enter the sandbox.
  bool admits(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed);
  /// Rewrites a packet of the client to its binding. Only while the flow is claimed one.
  void to_outside(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed);

  /// The same for an ICMP error about a packet to the client, whose quote is `quote`.
  void error_to_outside(flows::FlowIndex flow, const RawPacket& packet, const flows::Packet& parsed,
                        const nat::Quote& quote);

  /// What a SYN finds that comes for a flow whose ends have said their last word, as far as their
  /// segments tell.
  enum class LastConnection : std::uint8_t {
    kGone,
    kGoesOn,    // an RST that is not at its place ends nothing (RFC 5961 3)
    kDelivers,  // the client has finished, and the upstream has not taken all of it yet
  };
  /// System calls; may accept connections and end flows, but erases none.
  [[nodiscard]] LastConnection last_connection(flows::FlowIndex flow);

  void accepted(base::Fd client, flows::FlowIndex flow);
  /// Sockets for dials that wait for one; `failed`: there are none to come.
  void sockets_arrived(bool v4, bool failed);
  /// Answers the client's SYN with RST, when the client has not been accepted yet. Else nothing:
  /// the RST of its socket's close tells it.
  void reset_unaccepted(flows::FlowIndex flow);
  /// `flow` is over: closes its sockets, with RST where they were open.
  void detach(flows::FlowIndex flow);
  /// Ends resets whose last bytes have gone out meanwhile.
  void tick(base::Instant now);

  [[nodiscard]] std::uint32_t dials() const { return dials_; }
  [[nodiscard]] std::uint32_t relays() const { return relays_; }
  /// Those whose client has more to send, or may have: looks at every session.
  [[nodiscard]] std::uint32_t relays_from_client() const;
  [[nodiscard]] std::uint32_t pipes_in_use() const { return pipes_.in_use(); }
  /// The gateway stops: where a client has finished, its upstream gets the rest of what it sent
  /// from the kernel, as after the end of any process.
  void let_upstreams_read_on();

  /// Payload bytes, those of relays that go on included: looks at every session.
  struct RelayedBytes {
    std::uint64_t up = 0;
    std::uint64_t down = 0;
  };
  [[nodiscard]] RelayedBytes relayed() const;

 private:
  // Serves one flow. epoll and the relay know its address.
  struct Session final : EventLoop::Handler, TcpRelay::Owner, TcpRelay::Watcher {
    void on_ready(std::uint32_t /*events*/) override { upgrade->dial_answered(*this); }
    void relay_ended(TcpRelay& /*relay*/, TcpRelay::Outcome outcome) override {
      upgrade->relay_ended(*this, outcome);
    }
    void relay_lingers(TcpRelay& /*relay*/) override { upgrade->lingering_.push_back(index); }

    bool passes(flows::Side sender, std::uint64_t offset,
                std::span<const std::byte> bytes) override;

    TcpUpgrade* upgrade = nullptr;
    std::uint32_t index = 0;
    flows::FlowIndex flow = flows::kNoFlowIndex;  // none: the session is free
    base::Fd upstream;                            // being dialled, or waiting for the accept
    base::Fd client;                              // eager or published: waiting for the dial
    std::unique_ptr<HeldSyn> syn;  // taken: it is in the sandbox; kept to refuse it, until accepted
    std::optional<TcpRelay> relay;
    std::shared_ptr<LentSockets> lent;   // instead of the relay: an app has the sockets
    std::vector<base::Endpoint> others;  // dialled when this one fails; the next one at the end
    base::Instant dialled{};             // when the dial began
    base::Instant asked_again{};         // when a SYN came on the client's port, and it had moved
    std::uint64_t moved_by_then = 0;     // so many bytes since the one before
    bool dialling = false;
    bool awaits_socket = false;  // while dialling: the pool is empty
    bool asked = false;          // an app, about the upstream
    bool let_in = false;         // by an app, which is told of the end
  };

  Session& new_session(flows::FlowIndex flow);
  Session* session(flows::FlowIndex flow);
  static const base::Fd& client_of(const Session& session);
  static HookDesk::Relayed relayed_by(const Session& session);
  void take_measurements(const Session& session);
  void free_session(Session& session);
  void admit_syn(Session& session);
  void dial(Session& session);
  base::Result<base::Fd, int> start_dial(const Session& session);
  // The app's own socket to the upstream, closed where it has none. Nothing: the app has refused,
  // and the flow is over.
  std::optional<base::Fd> socket_of_app(Session& session);
  // Takes the next of the upstream's addresses; false: there is none.
  bool take_next_address(Session& session);
  // Whether the app lets the client in; else the flow is over.
  bool lets_in(Session& session);
  void dial_answered(Session& session);
  void measure_dial(const Session& session, FlowHistogram result);
  void dial_failed(Session& session, int error, flows::Drop lack = flows::Drop::kNoDescriptor);
  void end_dial(Session& session);
  // `client` has connected: whether it gets the congestion control of those who are far.
  void choose_congestion_control(flows::FlowIndex flow, const base::Fd& client);
  void start_relay(Session& session);
  void set_bounds(Session& session);
  // An app relays, and given_back() follows.
  void lend(Session& session);
  void given_back(std::uint32_t session, const LentSockets* sockets);
  void relay_ended(Session& session, TcpRelay::Outcome outcome);
  bool still_delivers(Session& session);

  EventLoop& loop_;
  FlowKeeper& flows_;
  SandboxLink& sandbox_;
  TcpDowngrade& downgrade_;
  Handshake handshake_;
  CongestionControl congestion_control_;
  Owner& owner_;
  HookDesk* hooks_ = nullptr;
  Bandwidths* bandwidths_ = nullptr;
  Pacer* pacer_ = nullptr;
  PipePool pipes_;
  SourcePorts source_ports_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> lingering_;
  std::vector<std::uint32_t> awaiting_sockets_;
  std::uint32_t dials_ = 0;  // under way
  std::uint32_t relays_ = 0;
  RelayedBytes relayed_by_ended_;
};

}  // namespace gateway
