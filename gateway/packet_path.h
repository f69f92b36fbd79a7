// PacketPath: what happens to a packet: from a tunnel, or out of the sandbox.
//
// Theory of operation
//
//   tunnel -> parse -> may the tunnel send from there? -> flow table --known--> by the flow's
//   action
//                                                              |
//                                                              +--new--> limits, policy -> open
//   by action:  upgrade -> TCP: held SYN or NAT -> sandbox; UDP, ping: socket
//               forward -> TTL -> the other tunnel
//               reject  -> RST or ICMP                    drop    -> counted
//   sandbox -> parse -> binding -> flow -> un-NAT -> the tunnel of the end that the binding stands
//   for
//
// Nothing here allocates, locks, logs or makes a syscall for a packet; the batch's writes are made
// when it ends. Every packet that goes nowhere is counted under its reason.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "flows/drop.h"
#include "flows/reply.h"
#include "gateway/bandwidth/bandwidths.h"
#include "gateway/capture/capture_tap.h"
#include "gateway/flow/flow_keeper.h"
#include "gateway/fragments/fragment_path.h"
#include "gateway/gateway_addresses.h"
#include "gateway/hooks/hook_desk.h"
#include "gateway/onramp/tunnel.h"
#include "gateway/opening/openings.h"
#include "gateway/policy/rulings.h"
#include "gateway/upgrade/sandbox_link.h"
#include "gateway/upgrade/upgrades.h"
#include "nat/ds_field.h"

namespace gateway {

/// Belongs to the shard's thread.
class PacketPath final : public TcpUpgrade::Owner,
                         public DatagramUpgrade::Owner,
                         public UdpPublisher::Owner,
                         private Openings::Owner,
                         private FragmentPath::Owner {
 public:
  struct Fragments {
    base::Duration timeout;
    base::SipKey seed;
  };

  PacketPath(EventLoop& loop, FlowKeeper& flows, const Rulings& rulings, HookDesk& hooks,
             SandboxLink& sandbox, GatewayAddresses addresses, const Fragments& fragments)
      : loop_(loop),
        flows_(flows),
        rulings_(rulings),
        hooks_(hooks),
        sandbox_(sandbox),
        openings_(loop, *this),
        addresses_(std::move(addresses)),
        fragments_(fragments.timeout, fragments.seed, *this) {}

  /// Before the first packet; the upgrades outlive the path's use.
  void set_upgrades(Upgrades& upgrades) { upgrades_ = &upgrades; }
  /// The same: the desk has an app, which may want to see packets.
  void app_is_set();
  /// The same.
  void set_bandwidths(Bandwidths& bandwidths) { bandwidths_ = &bandwidths; }

  void packets_from(Tunnel& tunnel, std::span<RawPacket> packets);
  void packets_from_sandbox(std::span<RawPacket> packets);
  /// It closes: what it has begun, and nobody had time to open, is dropped.
  void forget(Tunnel& tunnel);
  /// Gives up what has waited for its fragments for too long.
  void tick(base::Instant now) { fragments_.tick(now); }

  void refuse(flows::FlowIndex flow, const HeldSyn& syn,
              std::optional<flows::Unreachable> why) override;
  void from_upstream(flows::FlowIndex flow, const RawPacket& packet) override;
  void failed_upstream(flows::FlowIndex flow, std::span<const std::byte> original,
                       const flows::IcmpError& error,
                       const std::optional<base::IpAddress>& from) override;
  void to_responder(flows::FlowIndex flow, const RawPacket& packet) override;
  base::Result<flows::FlowIndex, flows::Drop> open_beside(std::uint32_t tunnel,
                                                          const flows::FlowKey& key,
                                                          const base::Endpoint& remote) override;
  [[nodiscard]] base::IpAddress inside_of(const base::IpAddress& remote) const override;
  [[nodiscard]] std::optional<base::IpAddress> stand_in_of(
      const base::Endpoint& remote) const override;
  void dropped(flows::FlowIndex flow, flows::Drop reason) override;
  void dropped(Tunnel& tunnel, flows::Drop reason) override;
  void dropped(flows::Drop reason) override { drops_.count(reason); }
  TimeShare& opening_time() override { return openings_.time(); }

  /// Who looks at the packets as they pass.
  [[nodiscard]] CaptureTap& capture() { return capture_; }
  [[nodiscard]] const GatewayAddresses& addresses() const { return addresses_; }
  [[nodiscard]] const flows::DropCounters& drops() const { return drops_; }
  [[nodiscard]] const flows::WireCount& up() const { return up_; }
  [[nodiscard]] const flows::WireCount& down() const { return down_; }

 private:
  void from_tunnel(Tunnel& tunnel, const RawPacket& raw);
  // FragmentPath::Owner; follow() is a packet of a known flow.
  [[nodiscard]] bool wants_whole(Tunnel& tunnel, const flows::Packet& head) override;
  void take(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
            const flows::WireCount& wire) override;
  [[nodiscard]] std::optional<flows::FlowMatch> flow_of(Tunnel& tunnel,
                                                        const flows::Packet& head) const override;
  [[nodiscard]] std::uint64_t id_of(flows::FlowIndex flow) const override;
  void follow(flows::FlowMatch match, Tunnel& tunnel, const RawPacket& raw,
              const flows::Packet& packet) override;
  void given_up(std::uint32_t tunnel, std::span<const std::byte> first,
                const flows::WireCount& wire, flows::Drop reason) override;

  void known(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
             flows::FlowMatch match, const flows::WireCount& wire);
  void fresh(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
             const flows::WireCount& wire);
  // Openings::Owner
  void open_waiting(const Arrivals::Arrival& arrival) override;
  // What `packet` begins is opened, or refused.
  void begin(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
             const flows::WireCount& wire);
  // The number of flows that may begin in a span of time, if that has been reached.
  std::optional<flows::Drop> rate_met(Tunnel& tunnel);
  bool makes_room(Tunnel& tunnel, flows::Drop limit);
  void open(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
            const FlowKeeper::Opening& opening, const flows::WireCount& wire);
  // Gives a flow that is upgraded to datagrams what it sends by. False: it has ended for want of
  // it.
  bool open_datagrams(flows::FlowIndex index, Tunnel& tunnel, const RawPacket& raw,
                      const flows::Packet& packet);
  void stop_killed(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
                   flows::FlowMatch match, const flows::WireCount& wire);
  void act(flows::FlowIndex index, Tunnel& tunnel, const RawPacket& raw,
           const flows::Packet& packet);
  void upgrade_datagram(flows::FlowIndex index, Tunnel& tunnel, const RawPacket& raw,
                        const flows::Packet& packet);
  void forward(flows::FlowIndex index, Tunnel& from, const RawPacket& raw,
               const flows::Packet& packet, std::uint32_t to);
  // Whether a datagram, or a packet that is forwarded, is within what bounds the flow, whose tenant
  // `tunnel` is of; else it is counted as dropped (packet_path_bandwidth.cc).
  [[nodiscard]] bool is_within_bounds(flows::FlowIndex flow, Tunnel& tunnel, const RawPacket& raw,
                                      const flows::Packet& packet) {
    return !bandwidths_->any() || admit(flow, tunnel, raw, packet);
  }
  [[nodiscard]] bool admit(flows::FlowIndex flow, Tunnel& tunnel, const RawPacket& raw,
                           const flows::Packet& packet);
  // Before it is sent to a tunnel: the code point that the flow's rule has given it, if any.
  static void set_dscp(const flows::Flow& flow, const RawPacket& raw) {
    if (flow.dscp != flows::kOwnDscp) [[unlikely]] {
      nat::set_dscp(raw.bytes, flow.dscp);
    }
  }
  void learn_names(flows::FlowIndex flow, const RawPacket& raw, const flows::Packet& packet);
  void from_responder(flows::FlowIndex index, const RawPacket& raw, const flows::Packet& packet,
                      const flows::WireCount& wire);
  void to_responder(flows::FlowIndex index, Tunnel& tunnel, const RawPacket& raw,
                    const flows::Packet& packet);
  void from_sandbox(const RawPacket& raw);
  // Tells the kernel inside that what it sent does not fit the tunnel.
  void too_big_from_sandbox(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);
  // send_down(), in fragments where it does not fit.
  flows::WireCount send_fitting(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);
  void count_down(Tunnel& tunnel, const flows::WireCount& carried);
  flows::WireCount send_down(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);

  // What a flow counts is what is captured of it, and what the app's packet hook looks at
  // (packet_path_look.cc). From a tunnel; false: the hook drops it.
  bool show(flows::FlowIndex index, flows::Side sender, const Tunnel& tunnel, const RawPacket& raw,
            const flows::WireCount& wire) {
    if (!capture_.is_on()) [[likely]] {
      return true;
    }
    return look(index, sender, tunnel, raw, wire);
  }
  // To one: `send` sends it, and says what the wire carries.
  template <class Send>
  flows::WireCount send_shown(flows::FlowIndex index, flows::Side sender, const Tunnel& tunnel,
                              const RawPacket& raw, Send send) {
    if (!capture_.is_on()) [[likely]] {
      return send();
    }
    if (!lets_pass(index, sender, raw)) {
      return {};
    }
    hold_for_capture(index, sender, tunnel, raw, /*is_inbound=*/false);
    const flows::WireCount carried = send();
    capture_.commit(carried.packets);
    return carried;
  }
  // To one, of our own making, in answer to the flow's initiator: `tell` sends it.
  template <class Tell>
  void answer_shown(flows::FlowIndex index, Tell tell) {
    answered_ = index;
    flows_.count_down(index, tell());
    answered_ = flows::kNoFlowIndex;
  }
  bool look(flows::FlowIndex index, flows::Side sender, const Tunnel& tunnel, const RawPacket& raw,
            const flows::WireCount& wire);
  // Whether the app lets it pass, which may have changed its payload; else it is counted as
  // dropped.
  bool lets_pass(flows::FlowIndex index, flows::Side sender, const RawPacket& raw);
  void hold_for_capture(flows::FlowIndex index, flows::Side sender, const Tunnel& tunnel,
                        const RawPacket& raw, bool is_inbound);

  [[nodiscard]] std::string_view logged_rule(const Decision& decision) const;
  // Whether the packet is for the gateway itself, which has answered it then.
  bool is_for_gateway(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);
  void icmp_error_from(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);
  void ttl_exceeded(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);
  // Answers `packet` with an RST where it is TCP and `why` is nothing, else with an ICMP error that
  // quotes `original`: the packet's bytes, or its headers.
  flows::WireCount answer(Tunnel& tunnel, std::span<const std::byte> original,
                          const flows::Packet& packet, std::optional<flows::Unreachable> why);
  // RST or "administratively prohibited".
  flows::WireCount refuse(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);
  flows::WireCount answer_icmp(Tunnel& tunnel, std::span<const std::byte> original,
                               const flows::Packet& packet, const flows::IcmpError& error,
                               const base::IpAddress& from);
  template <class Build>
  flows::WireCount send_built(Tunnel& tunnel, Build build);

  EventLoop& loop_;
  FlowKeeper& flows_;
  const Rulings& rulings_;
  HookDesk& hooks_;
  SandboxLink& sandbox_;
  Upgrades* upgrades_ = nullptr;
  Bandwidths* bandwidths_ = nullptr;
  Openings openings_;
  bool opens_waiting_ = false;  // the packet at hand has waited
  GatewayAddresses addresses_;
  flows::DropCounters drops_;
  flows::WireCount up_;
  flows::WireCount down_;
  CaptureTap capture_;
  flows::FlowIndex answered_ = flows::kNoFlowIndex;  // whose answer is being sent
  std::uint32_t next_fragment_id_ = 0;
  FragmentPath fragments_;
};

}  // namespace gateway
