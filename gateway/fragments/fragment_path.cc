#include "gateway/fragments/fragment_path.h"

#include <algorithm>

#include "flows/first_fragment.h"
#include "flows/reply.h"
#include "flows/segmenter.h"

namespace gateway {

using flows::Drop;
using flows::FragmentKey;
using flows::Packet;
using flows::Reassembly;
using flows::WireCount;

namespace {

// Chosen: packets whose fragments are under way at once; the oldest are forgotten first, and of
// those nothing more is to come.
constexpr std::uint32_t kFates = 8192, kFatesPerTenant = 4096;

}  // namespace

FragmentPath::FragmentPath(base::Duration timeout, base::SipKey seed, Owner& owner)
    : timeout_(timeout),
      owner_(owner),
      reassembly_({}, seed, *this),
      fates_(kFates, kFatesPerTenant, seed) {}

void FragmentPath::from_tunnel(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                               base::Instant now) {
  now_ = now;
  if (packet.fragment_offset == 0 && !packet.more_fragments) {
    only(tunnel, raw, packet);
    return;
  }
  const FragmentKey key = Reassembly::key_of(tunnel.tenant().settings.id, tunnel.id(), packet);
  if (const std::uint32_t known = fates_.find(key); known != Fates::kNone) {
    Fate& fate = fates_[known].value;
    if (packet.fragment_offset == 0) {
      first_again(tunnel, raw, packet, fate);
    } else {
      follow(fate, tunnel, raw, packet);
    }
  } else if (packet.fragment_offset == 0) {
    first(tunnel, raw, packet, key);
  } else {
    collect(tunnel, raw, packet, key);
  }
}

// An IPv6 packet in one fragment is whole (RFC 6946); forwarded, it stays as it is. An ICMP error
// is read for what it quotes, as a whole packet.
void FragmentPath::only(Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  const WireCount wire = flows::wire_count(packet, raw.vnet);
  const auto head = flows::parse_first_fragment(raw.bytes, packet);
  if (!head) {
    owner_.dropped(tunnel, head.error());
  } else if (!flows::is_icmp_error(*head) && !owner_.wants_whole(tunnel, *head)) {
    owner_.take(tunnel, raw, *head, wire);
  } else {
    const RawPacket whole{raw.vnet, flows::without_fragment_header(raw.bytes, packet)};
    const auto parsed = flows::parse(whole.bytes, whole.vnet);
    if (parsed) {
      owner_.take(tunnel, whole, *parsed, wire);
    } else {
      owner_.dropped(tunnel, parsed.error());
    }
  }
}

void FragmentPath::first(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                         const FragmentKey& key) {
  const auto head = flows::parse_first_fragment(raw.bytes, packet);
  if (!head || flows::is_icmp_error(*head)) {
    const Drop reason = head ? Drop::kFragment : head.error();
    owner_.dropped(tunnel, reason);
    refuse(key, reason);
    return;
  }
  if (owner_.wants_whole(tunnel, *head)) {
    collect(tunnel, raw, packet, key);
    return;
  }
  owner_.take(tunnel, raw, *head, flows::wire_count(packet, raw.vnet));
  const auto match = owner_.flow_of(tunnel, *head);
  if (!match) {
    refuse(key, Drop::kFragment);
    return;
  }
  Fate& fate = remember(key);
  fate = {.flow = match->index,
          .flow_id = owner_.id_of(match->index),
          .sender = match->sender,
          .first_bytes = packet.total_bytes - packet.transport_offset};
  reassembly_.release(key, [&](std::span<std::byte> held) {
    const RawPacket fragment{{}, held};
    if (const auto parsed = flows::parse(held, fragment.vnet)) {
      follow(fate, tunnel, fragment, *parsed);
    }
  });
}

void FragmentPath::first_again(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                               Fate& fate) {
  const auto head = flows::parse_first_fragment(raw.bytes, packet);
  const auto match = head ? owner_.flow_of(tunnel, *head) : std::nullopt;
  if (fate.flow != flows::kNoFlowIndex && (!match || match->index != fate.flow)) {
    fate = {.reason = Drop::kFragmentOverlap};
  }
  follow(fate, tunnel, raw, packet);
}

void FragmentPath::follow(Fate& fate, Tunnel& tunnel, const RawPacket& raw, const Packet& packet) {
  const bool lies_over_first =
      packet.fragment_offset != 0 && packet.fragment_offset < fate.first_bytes;
  if (lies_over_first) {
    fate = {.reason = Drop::kFragmentOverlap};
  }
  if (fate.flow == flows::kNoFlowIndex) {
    owner_.dropped(tunnel, fate.reason);
  } else if (owner_.id_of(fate.flow) != fate.flow_id) {
    owner_.dropped(tunnel, Drop::kNoFlow);  // it has ended
  } else {
    owner_.follow({fate.flow, fate.sender}, tunnel, raw, packet);
  }
}

void FragmentPath::collect(Tunnel& tunnel, const RawPacket& raw, const Packet& packet,
                           const FragmentKey& key) {
  const auto added = reassembly_.add(key, raw.bytes, packet, now_);
  if (!added) {
    // Otherwise given_up() has counted it with the others of its packet.
    if (added.error() == Drop::kBadFragment || added.error() == Drop::kFragmentRepeated) {
      owner_.dropped(tunnel, added.error());
    }
    return;
  }
  if (!*added) {
    return;
  }
  const RawPacket whole{{}, (*added)->bytes};
  auto parsed = flows::parse(whole.bytes, whole.vnet);
  if (!parsed) {
    owner_.dropped(tunnel, parsed.error());
    return;
  }
  // Its sender has cut it, so whoever sends it on may, too: also with IPv6.
  parsed->dont_fragment = false;
  owner_.take(tunnel, whole, *parsed, (*added)->wire);
}

void FragmentPath::refuse(const FragmentKey& key, Drop reason) {
  reassembly_.discard(key, reason);
  remember(key) = {.reason = reason};
}

FragmentPath::Fate& FragmentPath::remember(const FragmentKey& key) {
  std::uint32_t index = fates_.find(key);
  if (index == Fates::kNone) {
    while (const auto oldest = fates_.giver(key.tenant, Fates::kNone)) {
      fates_.erase(*oldest);
    }
    index = fates_.insert(key, now_);
  }
  return fates_[index].value;
}

void FragmentPath::given_up(const Reassembly::GivenUp& packet) {
  if (packet.reason == Drop::kFragmentOverlap) {
    remember(packet.key) = {.reason = packet.reason};  // RFC 5722: those yet to come, too
  }
  owner_.given_up(packet.key.tunnel, packet.first, packet.wire, packet.reason);
}

void FragmentPath::tick(base::Instant now) {
  now_ = now;
  reassembly_.expire(now - timeout_);
  while (const auto oldest = fates_.arrived_by(now - timeout_)) {
    fates_.erase(*oldest);
  }
}

}  // namespace gateway
