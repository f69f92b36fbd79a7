// Drop: every reason for which a packet or a new flow is refused, each with its counter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace flows {

/// `flowctl drops` shows each by the name that name() gives it; the names are part of the contract.
enum class Drop : std::uint8_t {
  // The bytes are not a packet (flows/packet.h).
  kEmpty,                 // no byte at all
  kTruncated,             // shorter than a header says or needs
  kBadVersion,            // neither IPv4 nor IPv6
  kBadHeaderLength,       // IHL, data offset or extension length impossible
  kBadTotalLength,        // the length field contradicts the bytes
  kBadIpChecksum,         // IPv4 header
  kBadTransportChecksum,  // TCP, UDP, ICMP, ICMPv6
  kBadTcpFlags,           // SYN with FIN or RST, or no flag at all
  kBadVnetHeader,         // offload header that contradicts the packet
  kTooManyExtensions,     // longer IPv6 extension chain than we follow
  kFragment,              // of a packet that was refused, or where only whole ones are taken
  kBadFragment,           // empty, cut where no fragment is, or beyond 65,535 bytes
  kTinyFragment,          // the first one does not hold the whole transport header
  kFragmentOverlap,       // contradicts others of its packet: overlaps them, ends it twice
  kFragmentRepeated,      // that one again
  kFragmentTimeout,       // the others did not come in time
  kFragmentLimit,         // fragments of the tenant take more memory than they may
  kTooBig,                // longer than the tunnel's MTU without offload
  // The outer datagram is not GUE as we speak it, or not from whom we listen to (flows/gue.h).
  kGueTruncated,        // too short for a GUE header and a packet
  kGueReservedVariant,  // variant 2 or 3
  kGueBadInnerVersion,  // neither IPv4 nor IPv6, or not what the header says
  kGueHeaderPastEnd,    // Hlen exceeds the datagram
  kGueUnknownFlags,     // any flag: the base protocol defines none
  kGueControlMessage,
  kGueNoNextHeader,      // protocol 59: not to be parsed
  kGueOtherProtocol,     // neither IPv4 nor IPv6
  kGuePeerNotAllowed,    // in no configured outer prefix
  kGueTenantNotAllowed,  // names a tenant that its prefix may not name
  kGueTooManyPeers,
  kGueTenantPeerLimit,  // there is room, but not for this tenant
  kGueOwnDatagram,      // answers that a gateway sent to itself
  kGueWorkerBusy,       // came to another worker than its tenant's, which has no room for it
  // The addresses are not to be believed or reached.
  kMartianSource,  // loopback, multicast, unspecified, v4-mapped ... as a source
  kMartianDestination,
  kSourceNotAllowed,  // not one of the tunnel's addresses
  // The flow is not to be had.
  kNoFlow,               // TCP without SYN for a flow that we do not know (answered with RST)
  kFlowOfAnotherTunnel,  // the same tenant and 5-tuple, but from a tunnel that does not own the
                         // flow
  kFlowKilled,           // flowctl kill; its sender is answered
  kFlowTableFull,
  kTenantFlowLimit,
  kTenantFlowRate,   // the tenant begins more flows than it may in that time
  kTunnelFlowRate,   // the same of the tunnel
  kOverloaded,       // there is no time to open more flows, and too many of the tunnel wait for it
  kHalfOpenLimit,    // too many TCP flows of the tenant have not finished their handshake
  kConnectionLimit,  // too many TCP flows of the tenant have sockets
  kGaveWay,          // a flow that nobody had answered, ended because its place was wanted
  kNoFreeBinding,
  kDialLimit,       // too many connects of the tenant are under way
  kNoDescriptor,    // EMFILE, ENFILE, ENOBUFS, ENOMEM, or what is left is for other tenants
  kNoUpstreamPort,  // EADDRNOTAVAIL: no source port, or address, for the upstream
  kNoPoolSocket,    // the sandbox's helper has no socket for a downgrade
  kAuditBacklog,    // the audit log cannot take another flow
  kHeldSyn,         // a SYN while its upstream is being dialled, or has the last one's rest
  kTtlExceeded,
  kUnsupportedProtocol,
  kNoUdpSocket,    // the tenant has as many datagram sockets as it may have, all in use
  kPingForbidden,  // by net.ipv4.ping_group_range
  // Policy.
  kRejectedByRule,
  kDroppedByRule,
  kRuleLimit,      // a rule lets the tenant begin no more flows now
  kBandwidth,      // beyond what its rule, or its tenant, may carry
  kDroppedByHook,  // the app has said so of this one packet
  kNoRoute,        // forwarding to a tunnel that is not there
  // The way out.
  kTunnelQueueFull,  // the tunnel does not read fast enough
  kTunnelWriteFailed,
  kOuterTooBig,         // EMSGSIZE: longer than the path to a GUE peer
  kTunnelAway,          // the tunnel has closed, and its flows wait for it to come back
  kSandboxWriteFailed,  // the kernel refused a packet on the sandbox's TUN
  kSandboxDown,         // the sandbox is being restarted
  kNoBinding,           // out of the sandbox for a binding that nobody holds
  kUpstreamSendFailed,  // the kernel refused a datagram to its upstream
  // The way back.
  kFilteredReply,       // a datagram from where the client has not sent anything
  kReplyFlowLimit,      // one that is let in, but may begin no flow now
  kIcmpRateLimited,     // one ICMP error of our own too many
  kUnrelatedIcmpError,  // about no flow that could be told of it
};

inline constexpr std::size_t kDropCount = static_cast<std::size_t>(Drop::kUnrelatedIcmpError) + 1;

/// "bad_ip_checksum": snake case of the enumerator without its k.
std::string_view name(Drop reason);

/// One sentence for people: "IPv4 header checksum is wrong".
std::string_view explain(Drop reason);

/// One shard's counters; written by its thread only.
class DropCounters {
 public:
  void count(Drop reason) { ++counts_[static_cast<std::size_t>(reason)]; }
  [[nodiscard]] std::uint64_t of(Drop reason) const {
    return counts_[static_cast<std::size_t>(reason)];
  }

 private:
  std::array<std::uint64_t, kDropCount> counts_{};
};

}  // namespace flows
