#include "flows/drop.h"

#include "base/check.h"

namespace flows {

// A case for each of them, so that the compiler knows when one is missing.
// NOLINTNEXTLINE(readability-function-size)
std::string_view name(Drop reason) {
  switch (reason) {
    case Drop::kEmpty:
      return "empty";
    case Drop::kTruncated:
      return "truncated";
    case Drop::kBadVersion:
      return "bad_version";
    case Drop::kBadHeaderLength:
      return "bad_header_length";
    case Drop::kBadTotalLength:
      return "bad_total_length";
    case Drop::kBadIpChecksum:
      return "bad_ip_checksum";
    case Drop::kBadTransportChecksum:
      return "bad_transport_checksum";
    case Drop::kBadTcpFlags:
      return "bad_tcp_flags";
    case Drop::kBadVnetHeader:
      return "bad_vnet_header";
    case Drop::kTooManyExtensions:
      return "too_many_extensions";
    case Drop::kFragment:
      return "fragment";
    case Drop::kBadFragment:
      return "bad_fragment";
    case Drop::kTinyFragment:
      return "tiny_fragment";
    case Drop::kFragmentOverlap:
      return "fragment_overlap";
    case Drop::kFragmentRepeated:
      return "fragment_repeated";
    case Drop::kFragmentTimeout:
      return "fragment_timeout";
    case Drop::kFragmentLimit:
      return "fragment_limit";
    case Drop::kTooBig:
      return "too_big";
    case Drop::kGueTruncated:
      return "gue_truncated";
    case Drop::kGueReservedVariant:
      return "gue_reserved_variant";
    case Drop::kGueBadInnerVersion:
      return "gue_bad_inner_version";
    case Drop::kGueHeaderPastEnd:
      return "gue_header_past_end";
    case Drop::kGueUnknownFlags:
      return "gue_unknown_flags";
    case Drop::kGueControlMessage:
      return "gue_control_message";
    case Drop::kGueNoNextHeader:
      return "gue_no_next_header";
    case Drop::kGueOtherProtocol:
      return "gue_other_protocol";
    case Drop::kGuePeerNotAllowed:
      return "gue_peer_not_allowed";
    case Drop::kGueTenantNotAllowed:
      return "gue_tenant_not_allowed";
    case Drop::kGueTooManyPeers:
      return "gue_too_many_peers";
    case Drop::kGueTenantPeerLimit:
      return "gue_tenant_peer_limit";
    case Drop::kGueOwnDatagram:
      return "gue_own_datagram";
    case Drop::kGueWorkerBusy:
      return "gue_worker_busy";
    case Drop::kOuterTooBig:
      return "outer_too_big";
    case Drop::kMartianSource:
      return "martian_source";
    case Drop::kMartianDestination:
      return "martian_destination";
    case Drop::kSourceNotAllowed:
      return "source_not_allowed";
    case Drop::kNoFlow:
      return "no_flow";
    case Drop::kFlowOfAnotherTunnel:
      return "flow_of_another_tunnel";
    case Drop::kFlowKilled:
      return "flow_killed";
    case Drop::kFlowTableFull:
      return "flow_table_full";
    case Drop::kTenantFlowRate:
      return "tenant_flow_rate";
    case Drop::kTunnelFlowRate:
      return "tunnel_flow_rate";
    case Drop::kOverloaded:
      return "overloaded";
    case Drop::kHalfOpenLimit:
      return "half_open_limit";
    case Drop::kConnectionLimit:
      return "connection_limit";
    case Drop::kGaveWay:
      return "gave_way";
    case Drop::kTenantFlowLimit:
      return "tenant_flow_limit";
    case Drop::kNoFreeBinding:
      return "no_free_binding";
    case Drop::kDialLimit:
      return "dial_limit";
    case Drop::kNoDescriptor:
      return "no_descriptor";
    case Drop::kNoUpstreamPort:
      return "no_upstream_port";
    case Drop::kNoPoolSocket:
      return "no_pool_socket";
    case Drop::kAuditBacklog:
      return "audit_backlog";
    case Drop::kHeldSyn:
      return "held_syn";
    case Drop::kTtlExceeded:
      return "ttl_exceeded";
    case Drop::kUnsupportedProtocol:
      return "unsupported_protocol";
    case Drop::kRejectedByRule:
      return "rejected_by_rule";
    case Drop::kDroppedByRule:
      return "dropped_by_rule";
    case Drop::kRuleLimit:
      return "rule_limit";
    case Drop::kBandwidth:
      return "bandwidth";
    case Drop::kDroppedByHook:
      return "dropped_by_hook";
    case Drop::kNoRoute:
      return "no_route";
    case Drop::kTunnelQueueFull:
      return "tunnel_queue_full";
    case Drop::kTunnelWriteFailed:
      return "tunnel_write_failed";
    case Drop::kTunnelAway:
      return "tunnel_away";
    case Drop::kSandboxWriteFailed:
      return "sandbox_write_failed";
    case Drop::kSandboxDown:
      return "sandbox_down";
    case Drop::kNoBinding:
      return "no_binding";
    case Drop::kPingForbidden:
      return "ping_forbidden";
    case Drop::kNoUdpSocket:
      return "no_udp_socket";
    case Drop::kUnrelatedIcmpError:
      return "unrelated_icmp_error";
    case Drop::kIcmpRateLimited:
      return "icmp_rate_limited";
    case Drop::kFilteredReply:
      return "filtered_reply";
    case Drop::kReplyFlowLimit:
      return "reply_flow_limit";
    case Drop::kUpstreamSendFailed:
      return "upstream_send_failed";
  }
  base::check_failed("reason is a Drop", __FILE__, __LINE__);
}

// NOLINTNEXTLINE(readability-function-size): as above
std::string_view explain(Drop reason) {
  switch (reason) {
    case Drop::kEmpty:
      return "The packet has no byte at all";
    case Drop::kTruncated:
      return "The packet is shorter than its headers say or need";
    case Drop::kBadVersion:
      return "The packet is neither IPv4 nor IPv6";
    case Drop::kBadHeaderLength:
      return "A header gives itself an impossible length";
    case Drop::kBadTotalLength:
      return "A length field contradicts the number of bytes that came";
    case Drop::kBadIpChecksum:
      return "The IPv4 header checksum is wrong";
    case Drop::kBadTransportChecksum:
      return "The TCP, UDP or ICMP checksum is wrong";
    case Drop::kBadTcpFlags:
      return "The TCP flags have SYN with FIN or RST, or none is set";
    case Drop::kBadVnetHeader:
      return "The offload header contradicts the packet behind it";
    case Drop::kTooManyExtensions:
      return "The IPv6 extension header chain is longer than the gateway follows";
    case Drop::kFragment:
      return "The fragment is of a packet that was refused, or that must come whole";
    case Drop::kBadFragment:
      return "The fragment cannot be a part of any packet";
    case Drop::kTinyFragment:
      return "The first fragment does not hold the whole transport header";
    case Drop::kFragmentOverlap:
      return "The fragment overlaps or contradicts others of its packet";
    case Drop::kFragmentRepeated:
      return "The same fragment came twice";
    case Drop::kFragmentTimeout:
      return "The other fragments of its packet did not come in time";
    case Drop::kFragmentLimit:
      return "Unfinished packets of the tenant take more memory than they may";
    case Drop::kTooBig:
      return "The packet is longer than the tunnel's MTU";
    case Drop::kGueTruncated:
      return "The GUE datagram is too short for a header and a packet";
    case Drop::kGueReservedVariant:
      return "The GUE datagram has a reserved variant";
    case Drop::kGueBadInnerVersion:
      return "The packet in the GUE datagram is not of the IP version that it should have";
    case Drop::kGueHeaderPastEnd:
      return "The GUE header gives itself more bytes than the datagram has";
    case Drop::kGueUnknownFlags:
      return "The GUE header has flags, of which none is supported";
    case Drop::kGueControlMessage:
      return "The GUE datagram is a control message";
    case Drop::kGueNoNextHeader:
      return "The GUE datagram says that its payload is not to be parsed (protocol 59)";
    case Drop::kGueOtherProtocol:
      return "The GUE datagram carries something else than an IP packet";
    case Drop::kGuePeerNotAllowed:
      return "The GUE datagram came from an address that is no configured peer";
    case Drop::kGueTenantNotAllowed:
      return "The GUE datagram names a tenant that its peer may not speak for";
    case Drop::kGueTooManyPeers:
      return "The GUE on-ramp has as many peers as it may have";
    case Drop::kGueTenantPeerLimit:
      return "The tenant has as many peers at the GUE on-ramp as there are places left for others";
    case Drop::kGueOwnDatagram:
      return "The GUE datagram was sent by the gateway itself";
    case Drop::kGueWorkerBusy:
      return "The GUE datagram came to another worker than its tenant's, which has no room for it";
    case Drop::kOuterTooBig:
      return "The outer datagram is longer than the path to the peer takes";
    case Drop::kMartianSource:
      return "The source address cannot be that of a host";
    case Drop::kMartianDestination:
      return "The destination address cannot be reached from a tunnel";
    case Drop::kSourceNotAllowed:
      return "The source address is not one of the tunnel's addresses";
    case Drop::kNoFlow:
      return "The TCP segment belongs to no known flow and does not open one";
    case Drop::kFlowOfAnotherTunnel:
      return "The flow belongs to another tunnel of the tenant";
    case Drop::kFlowKilled:
      return "The flow was killed, and its two ends are told as they send";
    case Drop::kFlowTableFull:
      return "The flow table has no room for another flow";
    case Drop::kTenantFlowRate:
      return "The tenant begins more flows than it may in that time";
    case Drop::kTunnelFlowRate:
      return "The tunnel begins more flows than it may in that time";
    case Drop::kOverloaded:
      return "More flows of the tunnel wait to be opened than the gateway has time for";
    case Drop::kHalfOpenLimit:
      return "Too many TCP flows of the tenant have not finished their handshake";
    case Drop::kConnectionLimit:
      return "The tenant has as many upgraded TCP flows as it may have";
    case Drop::kGaveWay:
      return "The first packet of a flow that nobody had answered, whose place another wanted";
    case Drop::kTenantFlowLimit:
      return "The tenant has as many flows as it may have";
    case Drop::kNoFreeBinding:
      return "Every NAT binding is in use";
    case Drop::kDialLimit:
      return "Too many connects of the tenant are under way";
    case Drop::kNoDescriptor:
      return "The process or the system has no descriptor or memory left for a socket, or keeps "
             "the "
             "rest for other tenants (raise ulimit -n)";
    case Drop::kNoUpstreamPort:
      return "No source port (ip_local_port_range), or no address, is left for that upstream";
    case Drop::kNoPoolSocket:
      return "The sandbox could not make a socket for a connection to a tunnel";
    case Drop::kAuditBacklog:
      return "The audit log cannot take another flow";
    case Drop::kHeldSyn:
      return "The SYN came while its upstream is being dialled, or takes the rest of what the "
             "connection before it on the same port has sent";
    case Drop::kTtlExceeded:
      return "The TTL or hop limit ran out";
    case Drop::kUnsupportedProtocol:
      return "The gateway does not carry this IP protocol";
    case Drop::kRejectedByRule:
      return "A rule rejects the flow";
    case Drop::kDroppedByRule:
      return "A rule drops the flow";
    case Drop::kRuleLimit:
      return "A rule lets the tenant begin no more flows just now";
    case Drop::kBandwidth:
      return "The packet is beyond the bandwidth that its rule or its tenant is bound to";
    case Drop::kDroppedByHook:
      return "A packet hook of the app drops the packet";
    case Drop::kNoRoute:
      return "No tunnel of the tenant has the destination address";
    case Drop::kTunnelQueueFull:
      return "The tunnel does not read its packets fast enough";
    case Drop::kTunnelWriteFailed:
      return "The packet could not be sent to the tunnel";
    case Drop::kTunnelAway:
      return "The tunnel has closed, and its flows wait for it to come back";
    case Drop::kSandboxWriteFailed:
      return "The sandbox's TUN device refused the packet";
    case Drop::kSandboxDown:
      return "The sandbox is being restarted";
    case Drop::kNoBinding:
      return "The packet left the sandbox for a NAT binding that nobody holds";
    case Drop::kPingForbidden:
      return "The kernel allows the gateway no ping sockets (net.ipv4.ping_group_range)";
    case Drop::kNoUdpSocket:
      return "The tenant has as many datagram sockets as it may have, all in use";
    case Drop::kUnrelatedIcmpError:
      return "The ICMP error is about no flow that could be told of it";
    case Drop::kIcmpRateLimited:
      return "The tenant has been sent as many ICMP errors as it may be for now";
    case Drop::kFilteredReply:
      return "A datagram came from where the client has not sent anything";
    case Drop::kReplyFlowLimit:
      return "A datagram came that the filter lets in, but a limit forbids a flow for it";
    case Drop::kUpstreamSendFailed:
      return "The datagram could not be sent to its upstream";
  }
  base::check_failed("reason is a Drop", __FILE__, __LINE__);
}

}  // namespace flows
