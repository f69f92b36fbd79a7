// The list of all settings: the name, the kind and the explanation of each, said once.
//
// Theory of operation
//
// describe(visitor, part) walks one part of Settings and tells the visitor about each key. The
// loader is a visitor that fills the part from YAML; the writer is one that prints it. So a setting
// that is added here is read, checked, printed and explained; its default is the initialiser in
// settings.h.
//
//     value(name, field, kind, comment)      one word; required() the same, and it must be there
//     list(name, field, kind, comment)       words
//     any_of(name, field, kind, comment)     words, at least one where the key is given
//     labels(name, field, comment)           a map from words that the file chooses to any_of()
//     required_unless(name, other, field, kind, comment)  required() where the key `other` is not
//     section(name, part, comment)           a map, described by describe(visitor, part)
//     sections(name, parts, comment, samples)  a list of maps; the samples are printed as comments
//     optional_section(name, part, comment)  a map that need not be there: part is a std::optional
//     later(name)                            a key of the design that this version does not have
//     one_of(names)                          exactly one of these keys must be there
//     rule_out(wrong, name, why)             a combination that cannot be meant
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "flows/icmp_type.h"
#include "gateway/config/setting_kinds.h"
#include "gateway/config/settings.h"
#include "gateway/inspect/flow_json.h"

namespace gateway {

// Chosen: what no machine that runs this will need more of.
inline constexpr std::uint32_t kMostFlows = 1U << 26;     // 12 GiB of flow table
inline constexpr std::uint32_t kMostBindings = 1U << 24;  // 261 addresses in the sandbox
inline constexpr std::uint32_t kMostDials = 65'535;
inline constexpr std::uint32_t kMostUdpSockets = 1U << 20;
inline constexpr std::size_t kMostSocketPathBytes = 107;  // unix(7), sun_path without its end
inline constexpr std::size_t kMostPathBytes = 4095;       // PATH_MAX without its end
inline constexpr std::uint32_t kMostGuePeers = 1U << 20;
// What fits into a UDP datagram over IPv4 with the longest GUE header that we send.
inline constexpr std::uint32_t kMostGueMtu = 65'535 - 20 - 8 - 12;
inline constexpr std::size_t kMostRules = flows::kHookRule;
inline constexpr std::uint32_t kMostTracedFlows = 1U << 16;
inline constexpr std::size_t kMostPatternBytes = 256;  // of a tunnel's labels, which are as long

namespace setting_kinds {

inline constexpr PathKind kSocketPath{.most_bytes = kMostSocketPathBytes};
inline constexpr DurationKind kTimeout{.least = std::chrono::milliseconds(1),
                                       .most = std::chrono::hours(24 * 30)};

inline constexpr DurationKind kTemplateInterval{.least = std::chrono::seconds(1),
                                                .most = std::chrono::hours(1)};
// Of apps, which say more with rule_out().
inline constexpr DurationKind kAppDuration{.least = {}, .most = std::chrono::hours(24 * 3650)};
inline constexpr PathKind kAppText{.most_bytes = kMostPathBytes, .may_be_empty = true};

inline constexpr DurationKind kBusyPoll{.least = {}, .most = std::chrono::milliseconds(10)};

inline constexpr RateKind kNewFlows{.longest = std::chrono::minutes(1), .before = ">"};
inline constexpr RateKind kLimit{.longest = std::chrono::hours(1)};
inline constexpr std::array<std::pair<std::string_view, Then>, 1> kThens = {
    {{"downgrade", Then::kDowngrade}}};
inline constexpr std::array<std::pair<std::string_view, flows::Protocol>, 2> kPublishable = {
    {{"tcp", flows::Protocol::kTcp}, {"udp", flows::Protocol::kUdp}}};
inline constexpr std::array<std::pair<std::string_view, Handshake>, 2> kHandshakes = {
    {{"held", Handshake::kHeld}, {"eager", Handshake::kEager}}};
inline constexpr std::array<std::pair<std::string_view, Confine>, 3> kConfines = {
    {{"auto", Confine::kAuto}, {"log", Confine::kLog}, {"off", Confine::kOff}}};
inline constexpr std::array<std::pair<std::string_view, UdpFilter>, 3> kUdpFilters = {
    {{"address_dependent", UdpFilter::kAddressDependent},
     {"endpoint_independent", UdpFilter::kEndpointIndependent},
     {"address_and_port_dependent", UdpFilter::kAddressAndPortDependent}}};
inline constexpr std::array<std::pair<std::string_view, LogSettings::Format>, 2> kFormats = {
    {{"text", LogSettings::Format::kText}, {"json", LogSettings::Format::kJson}}};
inline constexpr std::array<std::pair<std::string_view, LogSettings::Level>, 5> kLevels = {
    {{"trace", LogSettings::Level::kTrace},
     {"debug", LogSettings::Level::kDebug},
     {"info", LogSettings::Level::kInfo},
     {"warn", LogSettings::Level::kWarn},
     {"error", LogSettings::Level::kError}}};

}  // namespace setting_kinds

/// Ports are a matter of TCP and UDP.
inline bool has_ports(flows::Protocol protocol) {
  return protocol == flows::Protocol::kTcp || protocol == flows::Protocol::kUdp;
}

/// What `config default` shows where a list is empty.
namespace setting_samples {

inline std::vector<AllowedUid> allowed_uids() {
  return {{.uid = 1000, .tenants = {"default"}}};
}

inline std::vector<Onramp> onramps() {
  GueOnramp gue;
  gue.listen.address = base::IpAddress::v4(0);
  gue.peers = {{.prefix = *base::IpPrefix::parse("192.0.2.0/24"),
                .tenant = "default",
                .may_name = {"default"}}};
  return {{.seqpacket = {}, .gue = gue}};
}

inline std::vector<TenantRoute> routes() {
  return {{.prefix = *base::IpPrefix::parse("10.9.0.0/16"),
           .gue = base::Endpoint{base::IpAddress::v4(0xc0000201), kGuePort},
           .tunnel = {}},
          {.prefix = *base::IpPrefix::parse("fd00:9::/48"), .gue = {}, .tunnel = "office"}};
}

inline std::vector<PublishedEndpoint> publish() {
  return {{.listen = *base::Endpoint::parse("127.0.0.1:8080"),
           .to = *base::Endpoint::parse("100.64.0.2:80")}};
}

inline std::vector<Rule> rules() {
  using flows::Action;
  using flows::Protocol;
  const auto prefix = [](const char* text) { return *base::IpPrefix::parse(text); };
  const auto ports = [](std::uint16_t first, std::uint16_t last) {
    return PortRange{base::Port{first}, base::Port{last}};
  };
  Rule every_key{.name = "no-printers-for-guests", .match = {}, .action = Action::kReject};
  every_key.match = {.tenant = {"default"},
                     .tunnel = {"guest-*"},
                     .labels = {{.key = "user", .values = {"guest", "intern-*"}}},
                     .protocol = {Protocol::kTcp, Protocol::kUdp},
                     .source = {prefix("100.64.8.0/24")},
                     .destination = {prefix("10.20.0.0/16"), prefix("fd00:20::/32")},
                     .source_port = {ports(1024, 65535)},
                     .destination_port = {ports(631, 631), ports(9100, 9107)},
                     .to_tunnel = false,
                     .icmp_type = {},
                     .name = {"printer.example.com", "*.printers.example.com"},
                     .time = {{18 * 60, 8 * 60}},
                     .days = {{0, 4}},
                     .zone = {},
                     .new_flows = Rate{.count = 100, .span = std::chrono::seconds(1)},
                     .open_flows = 50,
                     .bit_rate = BitRate{50'000'000}};
  every_key.limit = Rate{.count = 1000, .span = std::chrono::minutes(1)};
  every_key.mark = 0x17;
  every_key.log = true;
  Rule metadata{.name = "no-metadata", .match = {}, .action = Action::kReject};
  metadata.match.destination = {prefix("169.254.0.0/16"), prefix("fe80::/10")};
  Rule peers{.name = "peers", .match = {}, .action = Action::kForward};
  peers.match.to_tunnel = true;
  Rule ssh{
      .name = "audited-ssh", .match = {}, .action = Action::kUpgrade, .then = Then::kDowngrade};
  ssh.match.destination_port = {ports(22, 22)};
  ssh.match.to_tunnel = true;
  Rule ping{.name = "no-ping-out", .match = {}, .action = Action::kReject};
  ping.match.icmp_type = {{8, 128}};
  Rule local_mirror{.name = "local-mirror", .match = {}, .action = Action::kUpgrade};
  local_mirror.match.name = {"mirror.example.com"};
  local_mirror.redirect = Redirect{*base::IpAddress::parse("127.0.0.1"), base::Port{3142}};
  Rule web{.name = "dns-and-web", .match = {}, .action = Action::kUpgrade};
  web.match.protocol = {Protocol::kTcp, Protocol::kUdp};
  web.match.destination_port = {ports(53, 53), ports(80, 80), ports(443, 443)};
  web.bandwidth = BitRate{20'000'000};
  web.dscp = flows::Dscp{18};
  return {every_key, metadata,     ssh, peers,
          ping,      local_mirror, web, {.name = "rest", .match = {}, .action = Action::kDrop}};
}

}  // namespace setting_samples

template <class V>
void describe(V& v, AllowedUid& allowed) {
  v.required("uid", allowed.uid, UidKind{}, "The peer's uid, as the kernel tells it; or a user.");
  v.list("tenants", allowed.tenants, TenantNameKind{}, "Empty: every tenant.");
}

template <class V>
void describe(V& v, SeqpacketOnramp& onramp) {
  v.value("path", onramp.path, setting_kinds::kSocketPath,
          "Of the unix socket. Default: onramp.sock beside the control socket.");
  v.value("mode", onramp.mode, ModeKind{}, "Of the socket, in octal: who may connect at all.");
  v.sections("allow", onramp.allow,
             "Which user may speak for which tenants. Empty: only the user that the gateway runs\n"
             "as, for every tenant.",
             setting_samples::allowed_uids());
  v.value("context_timeout", onramp.context_timeout, setting_kinds::kTimeout,
          "How long a client may take to say whose packets will follow.");
}

template <class V>
void describe(V& v, GuePeers& peers) {
  v.required("prefix", peers.prefix, PrefixKind{}, "Of outer addresses.");
  v.required("tenant", peers.tenant, TenantNameKind{}, "Whose packets those are that name none.");
  v.list("may_name", peers.may_name, TenantNameKind{},
         "The other tenants that a packet may name, in the private data of its GUE header.");
}

template <class V>
void describe(V& v, GueOnramp& onramp) {
  v.value("listen", onramp.listen, EndpointKind{.usual_port = kGuePort, .least_port = 0},
          "The gateway's own outer address. 0.0.0.0 is every IPv4 address, [::] every IPv6\n"
          "address; answers come from the one that was spoken to. Port 0: the kernel chooses.");
  v.value("reply_port", onramp.reply_port, ReplyPortKind{},
          "Where on the peer answers go to: a port, or source, the one that it sent from.");
  v.sections("peers", onramp.peers,
             "Who is heard, and for whom. The longest prefix decides; nobody else is heard.", {});
  v.value("mtu", onramp.mtu_bytes, CountKind{.least = 1280, .most = kMostGueMtu},
          "Of the packets inside. UDP and GUE add 40 bytes to them over IPv4 and 60 over IPv6.");
  v.value("max_peers", onramp.max_peers, CountKind{.most = kMostGuePeers},
          "At once on a worker, each with every form and tenant that it uses. One of several\n"
          "tenants may add another while it has fewer than there are places left.");
  v.value("peer_timeout", onramp.peer_timeout, setting_kinds::kTimeout,
          "After which a peer without flows is forgotten.");
  v.rule_out(onramp.peers.empty(), "peers", "needs at least one: nobody else is heard");
}

/// One on-ramp: a map of one key, which is its kind.
template <class V>
void describe(V& v, Onramp& onramp) {
  v.optional_section("seqpacket", onramp.seqpacket,
                     "Raw IP packets over a unix SOCK_SEQPACKET socket.");
  v.optional_section("gue", onramp.gue, "Raw IP packets in UDP (Generic UDP Encapsulation).");
  v.one_of({"seqpacket", "gue"});
}

template <class V>
void describe(V& v, TenantRoute& route) {
  v.required("prefix", route.prefix, PrefixKind{}, "");
  v.value("gue", route.gue, EndpointKind{.usual_port = kGuePort},
          "The outer address of a peer of a gue on-ramp.");
  v.value("tunnel", route.tunnel, TunnelNameKind{}, "Or the name of a tunnel, while it is open.");
  v.one_of({"gue", "tunnel"});
}

template <class V>
void describe(V& v, PublishedEndpoint& port) {
  v.required("listen", port.listen, EndpointKind{.least_port = 0},
             "Of this host. Port 0: the kernel chooses one, and the log says which.");
  v.required("to", port.to, EndpointKind{},
             "Of the tunnel that claims the address; refused while there is none.");
  v.value("protocol", port.protocol, ChoiceKind<flows::Protocol>{setting_kinds::kPublishable},
          "tcp or udp.");
}

template <class V>
void describe(V& v, TenantSettings& tenant) {
  v.required("name", tenant.name, NameKind{}, "");
  v.value("id", tenant.id, CountKind{.least = 1, .most = 0xfffffffe},
          "The number that stands for it. Default: its position in this list, from 1.");
  v.list("sources", tenant.sources, PrefixKind{},
         "The addresses that its tunnels may claim and send from. Empty: any.");
  v.sections("routes", tenant.routes,
             "Prefixes behind a GUE peer or a tunnel, besides the addresses that open tunnels\n"
             "claim; the longest prefix decides. They may send from there, too.",
             setting_samples::routes());
  v.value("max_flows", tenant.max_flows, CountKind{.most = kMostFlows}, "At once.");
  v.value("max_dials", tenant.max_dials, CountKind{.most = kMostDials},
          "Connections to upstreams under way at once.");
  v.value("max_udp_sockets", tenant.max_udp_sockets, CountKind{.most = kMostUdpSockets},
          "Each serves all UDP flows of one client port. When there are as many, the one that has\n"
          "been idle for longest gives way. As many again for ICMP echo.");
  v.value("max_half_open", tenant.max_half_open, CountKind{.most = kMostFlows},
          "TCP flows whose handshake is not finished, dials included. When there are as many, as\n"
          "when there are as many flows or dials as there may be, one that nobody has answered\n"
          "gives way: the oldest of the tunnels that have most of them. Flows that were answered\n"
          "never do.");
  v.value("max_connections", tenant.max_connections, CountKind{.most = kMostFlows},
          "TCP flows that are upgraded, each of which takes two of the gateway's descriptors.");
  v.value("max_new_flows", tenant.max_new_flows, RateLimitKind{},
          "That may begin in a second (s), minute (m) or hour (h): 5000/s. What is beyond is\n"
          "dropped without an answer, before any rule is asked. any: there is no such limit.");
  v.value("max_new_flows_of_tunnel", tenant.max_new_flows_of_tunnel, RateLimitKind{},
          "The same for each of its tunnels by itself.");
  v.value(
      "bandwidth", tenant.bandwidth, BitRateOrNoneKind{},
      "Of all its flows together, both directions: none, or a bound such as 100Mbit/s. What is\n"
      "counted, and what becomes of what is beyond, says `bandwidth` of the rules.");
  v.sections(
      "publish", tenant.publish,
      "Ports of this host that lead to an address behind a tunnel of the tenant. The server\n"
      "there sees the client's own address, or the gateway's where that means nothing to it\n"
      "(loopback, the other family).",
      setting_samples::publish());
}

template <class V>
void describe(V& v, RuleMatch& match) {
  v.any_of("tenant", match.tenant, TenantNameKind{}, "");
  v.any_of("tunnel", match.tunnel,
           PatternKind{.of = "a tunnel's name", .most_bytes = kMostPatternBytes},
           "By name; * stands for anything.");
  v.labels("labels", match.labels,
           "That the tunnel's context has said. Each must be there, with one of the values; in\n"
           "them * stands for anything.");
  v.any_of("protocol", match.protocol, ProtocolKind{},
           "tcp, udp, icmp, icmpv6, or an IP protocol number.");
  v.any_of("source", match.source, PrefixKind{}, "Of the flow's first packet.");
  v.any_of("destination", match.destination, PrefixKind{}, "");
  v.any_of("source_port", match.source_port, PortRangeKind{}, "Of TCP and UDP.");
  v.any_of("destination_port", match.destination_port, PortRangeKind{}, "");
  v.value("to_tunnel", match.to_tunnel, BoolKind{},
          "Whether an open tunnel of the same tenant claims the destination.");
  v.any_of("icmp_type", match.icmp_type, IcmpTypeKind{},
           "echo_request, echo_reply or a number. Of ICMP and ICMPv6. An answer is part of the\n"
           "flow that asked for it, and begins none.");
  v.any_of("name", match.name, HostPatternKind{},
           "What the destination was looked up as: a host, *. and a domain for all below it, or *\n"
           "for any name. It holds only where a name server has answered the tenant so, over UDP\n"
           "through the gateway, so let it ask one.");
  v.any_of("time", match.time, TimeRangeKind{}, "Of the day. May go past midnight: 18:00-08:00.");
  v.any_of("days", match.days, DayRangeKind{},
           "Of the week, mon to sun; of the moment itself where `time` goes past midnight.");
  v.value(
      "zone", match.zone, ZoneKind{},
      "Of time and days: local (the machine's), utc, or a distance from it such as \"+02:00\".");
  v.value(
      "new_flows", match.new_flows, setting_kinds::kNewFlows,
      "The tunnel begins more flows than so many a second (s) or minute (m), this one and those\n"
      "that were refused included.");
  v.value("open_flows", match.open_flows, MoreThanKind{},
          "The tunnel has more flows than so many already.");
  v.value("bit_rate", match.bit_rate, MoreThanBitRateKind{},
          "The tunnel carries more than so much now, both directions together: the mean of the\n"
          "last second, IP headers included.");
  v.later("sni");
  v.later("host");
  const bool no_icmp =
      !match.protocol.empty() && std::ranges::none_of(match.protocol, flows::is_icmp);
  v.rule_out(
      no_icmp && !match.icmp_type.empty(), "icmp_type",
      "can never match: none of the rule's protocols is ICMP; leave it out, or add icmp there");
  const bool no_clock = match.time.empty() && match.days.empty();
  v.rule_out(no_clock && match.zone != Zone{}, "zone",
             "is of `time` and `days`, and has neither; add one, or leave it out");
  const bool no_ports = !match.protocol.empty() && std::ranges::none_of(match.protocol, has_ports);
  constexpr const char* kWhy =
      "can never match: none of the rule's protocols has ports; leave it out, or add tcp or udp "
      "there";
  v.rule_out(no_ports && !match.source_port.empty(), "source_port", kWhy);
  v.rule_out(no_ports && !match.destination_port.empty(), "destination_port", kWhy);
}

template <class V>
void describe(V& v, Rule& rule) {
  v.value("name", rule.name, NameKind{.is_rules = true},
          "What the audit log and flowctl call it. Default: rule-N, N its position from 1.");
  v.section("match", rule.match, "Every key that is given must hold; a list means any of.");
  v.required_unless(
      "action", "redirect", rule.action, ActionKind{},
      "upgrade: terminate and proxy it. forward: to the tunnel that claims the destination.\n"
      "reject: answer with RST or ICMP. drop: say nothing. `then: downgrade` after upgrade: the\n"
      "proxied connection becomes packets again, to the tunnel that claims the destination.");
  v.value("then", rule.then, ChoiceKind<Then>{setting_kinds::kThens}, "");
  v.value(
      "redirect", rule.redirect, RedirectKind{},
      "With upgrade, which may be left out then: dials this address instead, at the port that\n"
      "the client asked for or at another (192.0.2.1:8080). Of TCP, and of UDP in the address's\n"
      "family. The gateway's own loopback is allowed. The audit log says both.");
  v.value("limit", rule.limit, setting_kinds::kLimit,
          "New flows by this rule, for each tenant by itself: so many a second (s), minute (m) or\n"
          "hour (h). What is beyond is dropped without an answer.");
  v.value(
      "bandwidth", rule.bandwidth, BitRateKind{},
      "Of the rule's flows together, both directions, for each tenant by itself: 64kbit/s,\n"
      "10Mbit/s, 1Gbit/s. A proxied connection is slowed down and loses nothing; its payload is\n"
      "counted. Datagrams and forwarded packets are dropped when they are too many; they are\n"
      "counted with their IP headers. What has not been used is saved up for 0.1 s, or 16 KiB.");
  v.value("mark", rule.mark, MarkKind{},
          "A number that the rule's flows carry from their begin to their end, wherever they are\n"
          "shown: flowctl, the audit log, events, hooks. The kernel has it of the sockets to\n"
          "upstreams (SO_MARK), for routing and filters, where the gateway may set it: with\n"
          "CAP_NET_RAW when it starts, which it keeps if a rule marks; `liftgate doctor` says so.");
  v.value(
      "dscp", rule.dscp, DscpKind{},
      "What the rule's flows ask of the network (RFC 2474): cs0 to cs7, af11 to af43, ef, va,\n"
      "le, or 0 to 63. It is in all of their packets that leave, to upstreams and to tunnels, in\n"
      "place of what they had; ECN is left alone. No privilege is needed. RSTs and ICMP errors\n"
      "of the gateway's own making do not have it.");
  v.value("log", rule.log, BoolKind{},
          "One line to stderr for each flow that the rule decides; at most 20 a second.");
  const bool never_redirected =
      !rule.match.protocol.empty() && std::ranges::none_of(rule.match.protocol, has_ports);
  const bool carries_nothing =
      rule.action == flows::Action::kReject || rule.action == flows::Action::kDrop;
  v.rule_out(rule.bandwidth && carries_nothing, "bandwidth",
             "needs a flow that is let through; write `action: upgrade` or `forward`, or leave it "
             "out");
  v.rule_out(rule.dscp && carries_nothing, "dscp",
             "needs a flow that is let through; write `action: upgrade` or `forward`, or leave it "
             "out");
  v.rule_out(rule.redirect && rule.action != flows::Action::kUpgrade, "redirect",
             "goes with `action: upgrade` only; write that, or leave it out");
  v.rule_out(rule.redirect && rule.then, "redirect",
             "cannot go with `then`; leave one of them out");
  v.rule_out(
      rule.redirect && never_redirected, "redirect",
      "can never be: none of the rule's protocols is tcp or udp; leave it out, or add one there");
  v.rule_out(rule.then && rule.action != flows::Action::kUpgrade, "then",
             "can only follow `action: upgrade`; write that, or leave it out");
  v.rule_out(
      rule.then && rule.match.to_tunnel == false, "then",
      "needs a tunnel at the destination, and the rule matches only where there is none; write "
      "`to_tunnel: true`");
}

template <class V>
void describe(V& v, Timeouts& timeouts) {
  using setting_kinds::kTimeout;
  v.value("tcp_established", timeouts.tcp_established, kTimeout, "");
  v.value("tcp_handshake", timeouts.tcp_handshake, kTimeout,
          "Until the connection stands, the dial to the upstream included.");
  v.value("tcp_time_wait", timeouts.tcp_time_wait, kTimeout,
          "How long a closed flow still answers stragglers; longer while TCP sends its end again.");
  v.value("udp", timeouts.udp, kTimeout, "Until both ends have spoken repeatedly.");
  v.value("udp_stream", timeouts.udp_stream, kTimeout, "From then on.");
  v.value("dns", timeouts.dns, kTimeout, "UDP to port 53.");
  v.value("icmp", timeouts.icmp, kTimeout, "");
  v.value("other", timeouts.other, kTimeout, "ESP, SCTP, GRE and whatever else is forwarded.");
  v.value("fragments", timeouts.fragments, kTimeout,
          "How long the fragments of a packet wait for its others.");
  v.value(
      "tunnel_away", timeouts.tunnel_away, kTimeout,
      "How long the flows of a tunnel that has a name, and has closed, wait for another of its\n"
      "tenant with that name, which takes them over.");
}

template <class V>
void describe(V& v, FlowSettings& flows) {
  v.value("max", flows.max, CountKind{.most = kMostFlows},
          "Of all tenants at once; 192 bytes each, touched as they are used.");
  v.section("timeouts", flows.timeouts, "How long a flow may be idle before it is forgotten.");
}

template <class V>
void describe(V& v, NatSettings& nat) {
  v.value(
      "bindings", nat.bindings, CountKind{.most = kMostBindings},
      "Slots for upgraded TCP flows of a worker; a slot rests as long as possible before it is\n"
      "used again.");
}

template <class V>
void describe(V& v, UdpSettings& udp) {
  v.value("filter", udp.filter, ChoiceKind<UdpFilter>{setting_kinds::kUdpFilters},
          "From where datagrams may come back to a client's port: from the addresses that it has\n"
          "sent to (address_dependent), from anywhere (endpoint_independent), or only from the\n"
          "very ports (address_and_port_dependent).");
}

template <class V>
void describe(V& v, IoSettings& io) {
  v.value("busy_poll", io.busy_poll, setting_kinds::kBusyPoll,
          "How long a worker that has just had work looks for more before it sleeps: waking up\n"
          "costs more. 0s: not at all, as with a single processor.");
  v.value("coalesce", io.coalesce, BoolKind{},
          "Segments of a tunnel enter the sandbox as one super-segment where they may (GRO).");
  v.value("tun_offload", io.tun_offload, BoolKind{},
          "Checksums and segmentation are left out where a TUN device is in between.");
  v.value("udp_offload", io.udp_offload, BoolKind{},
          "GUE: many datagrams in one call, each way (UDP_GRO, UDP_SEGMENT).");
  v.value("pace_nearby", io.pace_nearby, BoolKind{},
          "Paces what clients within a millisecond get, too, where the host's congestion control\n"
          "paces (bbr). They are slower with it.");
}

template <class V>
void describe(V& v, LogSettings& log) {
  v.value("format", log.format, ChoiceKind<LogSettings::Format>{setting_kinds::kFormats},
          "text or json: one line or one object per fact, to stderr.");
  v.value("level", log.level, ChoiceKind<LogSettings::Level>{setting_kinds::kLevels},
          "The least that is written: trace, debug, info, warn or error.");
}

template <class V>
void describe(V& v, HookSettings& hooks) {
  v.value(
      "trace", hooks.trace, CountKind{.least = 0, .most = kMostTracedFlows},
      "Of how many flows, for each worker, `flowctl flow ID --hooks` can say which hooks have "
      "run,\n"
      "of the rules and of an app, how long, and what they decided; the latest flows are kept.\n"
      "0: of none.");
}

/// An app's own settings are described by the app, one by one, as ours are here.
template <class V>
class AppSettingVisitor final : public hooks::SettingVisitor {
 public:
  explicit AppSettingVisitor(V& visitor) : visitor_(visitor) {}

  void value(std::string_view name, bool& field, std::string_view comment) override {
    visitor_.value(name, field, BoolKind{}, comment);
  }
  void value(std::string_view name, std::uint32_t& field, std::string_view comment) override {
    visitor_.value(name, field, CountKind{.least = 0, .most = 0xffffffff}, comment);
  }
  void value(std::string_view name, std::chrono::nanoseconds& field,
             std::string_view comment) override {
    visitor_.value(name, field, setting_kinds::kAppDuration, comment);
  }
  void value(std::string_view name, std::string& field, std::string_view comment) override {
    visitor_.value(name, field, setting_kinds::kAppText, comment);
  }
  void value(std::string_view name, base::Endpoint& field, std::string_view comment) override {
    visitor_.value(name, field, EndpointKind{.least_port = 0}, comment);
  }
  void list(std::string_view name, std::vector<std::string>& field,
            std::string_view comment) override {
    visitor_.list(name, field, setting_kinds::kAppText, comment);
  }
  void list(std::string_view name, std::vector<base::IpPrefix>& field,
            std::string_view comment) override {
    visitor_.list(name, field, PrefixKind{}, comment);
  }
  void rule_out(bool wrong, std::string_view name, std::string_view why) override {
    visitor_.rule_out(wrong, name, why);
  }

 private:
  V& visitor_;
};

template <class V>
void describe(V& v, hooks::AppSection& app) {
  AppSettingVisitor<V> visitor(v);
  app.describe(visitor);
}

/// The two sections that are one path each in Settings.
struct ControlPart {
  std::string& path;
};
template <class V>
void describe(V& v, ControlPart& control) {
  v.value("path", control.path, setting_kinds::kSocketPath,
          "Default: $LIFTGATE_SOCKET, else $XDG_RUNTIME_DIR/liftgate/control.sock, else\n"
          "/run/liftgate/control.sock where that may be written, else\n"
          "/tmp/liftgate-UID/control.sock.");
}
struct AuditPart {
  std::string& path;
};
template <class V>
void describe(V& v, AuditPart& audit) {
  v.value("path", audit.path, PathKind{.most_bytes = kMostPathBytes, .may_be_empty = true},
          "One JSON object a line, two lines a flow. Empty: no audit log.");
}

inline constexpr EndpointKind kTelemetryEndpoint{.usual_port = base::Port{9464}, .least_port = 0};
inline constexpr EndpointKind kIpfixEndpoint{.usual_port = base::Port{4739}};
template <class V>
void describe(V& v, IpfixSettings& ipfix) {
  v.value("collector", ipfix.collector, EndpointOrNoneKind{kIpfixEndpoint},
          "Who is told, over UDP, such as 192.0.2.7:4739. Empty: nobody.");
  v.value("domain", ipfix.domain, CountKind{.least = 0, .most = 0xffffffff},
          "The observation domain: tells gateways apart that one collector hears.");
  v.value("template_interval", ipfix.template_interval, setting_kinds::kTemplateInterval,
          "How often the form of the records is repeated, for collectors that have begun since.");
  v.value("mtu", ipfix.mtu_bytes, CountKind{.least = 576, .most = 65'535},
          "Of the way to the collector: no datagram is longer.");
}

template <class V>
void describe(V& v, TelemetrySettings& telemetry) {
  v.value(
      "listen", telemetry.listen, EndpointOrNoneKind{kTelemetryEndpoint},
      "Where /metrics (Prometheus), /health, /debug/heap and a page for people are served over\n"
      "HTTP, to whoever asks, such as 127.0.0.1:9464. Empty: nowhere. Port 0: the kernel\n"
      "chooses, and the log says which.");
  v.value("page", telemetry.page, BoolKind{},
          "Whether the page is there, at /, and what it reads, below /api/: tunnels, flows and\n"
          "their addresses.");
  v.value("token", telemetry.token, SecretKind{},
          "What whoever asks must know, but for /health: `Authorization: Bearer TOKEN`; the page\n"
          "asks for it. env:NAME and file:PATH say where it is. Empty: nothing need be known, and\n"
          "/debug/heap is not to be had.");
  v.section("ipfix", telemetry.ipfix, "Flow records for a collector, when flows end (RFC 7011).");
}

template <class V>
void describe(V& v, Settings& settings) {
  ControlPart control{settings.control_path};
  AuditPart audit{settings.audit_path};
  v.value(
      "workers", settings.workers, WorkersKind{},
      "Threads that handle packets, each with a sandbox and a flow table of its own. A tenant\n"
      "lives on one of them, so there are never more than tenants. auto: one for each processor\n"
      "that the gateway may use.");
  v.section("control", control, "The socket that flowctl talks to.");
  v.sections("onramps", settings.onramps, "Where packets come in.", setting_samples::onramps());
  v.sections("tenants", settings.tenants,
             "Whose packets they can be. Addresses of different tenants may overlap.", {});
  v.sections(
      "rules", settings.rules,
      "What becomes of a new flow: the first rule that matches decides. When none does, and\n"
      "without rules, packets to a tunnel of the same tenant are forwarded and everything\n"
      "else is upgraded; end the list with a rule without `match` to decide otherwise.",
      setting_samples::rules());
  v.section("flows", settings.flows, "");
  v.section("nat", settings.nat, "");
  v.section("udp", settings.udp, "");
  v.section("io", settings.io,
            "How packets get in and out. The defaults are right; each can be turned off when a\n"
            "kernel does not do as it says.");
  v.value("handshake", settings.handshake, ChoiceKind<Handshake>{setting_kinds::kHandshakes},
          "held: a client's SYN is answered when its upstream has answered, and as it has.\n"
          "eager: it is answered at once.");
  v.value(
      "confine", settings.confine, ChoiceKind<Confine>{setting_kinds::kConfines},
      "auto: once it serves, the gateway may make the system calls and open the files that it\n"
      "needs, as far as the kernel can see to that, and any other call ends it. log: such a call\n"
      "is done, and told to the kernel's log (`liftgate doctor --audit-syscalls`). off: nothing\n"
      "of this.");
  v.section("audit", audit, "");
  v.section("log", settings.log, "");
  v.section("telemetry", settings.telemetry, "");
  v.section("hooks", settings.hooks, "");
  if (settings.app.is_there()) {
    v.section("app", settings.app, "What the app that runs this gateway can be told.");
  }
  v.rule_out(settings.tenants.empty(), "tenants",
             "at least one tenant is needed; add one, or leave the key out");
  v.rule_out(settings.rules.size() > kMostRules, "rules", "too many: at most 65534");
}

}  // namespace gateway
