// FragmentPath: what happens to fragments: put together for flows that are upgraded, passed on as
// they are for all others, by the flow of the first.
//
// Theory of operation
//
//   the first fragment --> its headers say which flow: what becomes of that?
//        upgraded  --> kept, until Reassembly has the whole packet; that goes on as any other
//        forwarded, rejected, dropped --> goes on itself, as any other; its fate is remembered,
//                      and later fragments follow it
//        refused   --> remembered, too: nothing of such a packet is taken
//   a later one, before the first --> held as if to be put together, then given back
//
// So one memory bound holds for all that waits (flows/reassembly.h), and another for the fates of
// packets, which are small. What is passed on is held against RFC 1858 and RFC 3128 all the same:
// no fragment may lie over the first one, which alone the policy has seen, and a second first one
// must be of the same flow.
//
// A packet that does not become whole in time is answered with "fragment reassembly time exceeded"
// if its first fragment came (RFC 1122 3.3.2, RFC 8200 4.5). integration/fragments_test.cc and
// integration/fragment_attacks_test.cc show it all with real kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/siphash.h"
#include "flows/flow_table.h"
#include "flows/reassembly.h"
#include "gateway/onramp/raw_packet.h"
#include "gateway/onramp/tunnel.h"

namespace gateway {

/// Belongs to the shard's thread.
class FragmentPath final : private flows::Reassembly::Owner {
 public:
  class Owner {
   public:
    /// Whether the packet that begins as `head` says is to be put together.
    [[nodiscard]] virtual bool wants_whole(Tunnel& tunnel, const flows::Packet& head) = 0;
    /// What to do with a whole packet, or with the first fragment of one, whose parse is then that
    /// of parse_first_fragment(). `wire` is what came for it. The bytes are gone after the call.
    virtual void take(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
                      const flows::WireCount& wire) = 0;
    [[nodiscard]] virtual std::optional<flows::FlowMatch> flow_of(
        Tunnel& tunnel, const flows::Packet& head) const = 0;
    /// Unique for a flow, where its index is used again.
    [[nodiscard]] virtual std::uint64_t id_of(flows::FlowIndex flow) const = 0;
    /// A later fragment of a packet of `match`.
    virtual void follow(flows::FlowMatch match, Tunnel& tunnel, const RawPacket& raw,
                        const flows::Packet& packet) = 0;
    /// What came of a packet that never became whole, from `tunnel`, which may have gone. `first`
    /// is its first fragment, or empty.
    virtual void given_up(std::uint32_t tunnel, std::span<const std::byte> first,
                          const flows::WireCount& wire, flows::Drop reason) = 0;
    virtual void dropped(Tunnel& tunnel, flows::Drop reason) = 0;

   protected:
    ~Owner() = default;
  };

  FragmentPath(base::Duration timeout, base::SipKey seed, Owner& owner);

  /// `packet`, the parse of `raw`, is a fragment; where it comes from has been checked.
  void from_tunnel(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
                   base::Instant now);
  void tick(base::Instant now);

 private:
  // What later fragments of a packet find.
  struct Fate {
    flows::FlowIndex flow = flows::kNoFlowIndex;  // none: refused
    std::uint64_t flow_id = 0;
    flows::Side sender{};
    std::uint32_t first_bytes = 0;  // of payload in the first fragment: nothing else may lie there
    flows::Drop reason{};
  };
  using Fates = flows::FragmentTable<Fate>;

  void only(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);
  void first(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
             const flows::FragmentKey& key);
  void first_again(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet, Fate& fate);
  void follow(Fate& fate, Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet);
  void collect(Tunnel& tunnel, const RawPacket& raw, const flows::Packet& packet,
               const flows::FragmentKey& key);
  void refuse(const flows::FragmentKey& key, flows::Drop reason);
  Fate& remember(const flows::FragmentKey& key);
  void given_up(const flows::Reassembly::GivenUp& packet) override;

  base::Duration timeout_;
  Owner& owner_;
  flows::Reassembly reassembly_;
  Fates fates_;
  base::Instant now_{};  // of the fragment at hand
};

}  // namespace gateway
