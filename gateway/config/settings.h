// Settings: everything the gateway can be told, with the default of each key.
//
// The YAML form is the contract in README.md, "Configuration"; config_loader.h reads it,
// config_writer.h prints it. A key that exists here exists in both, and in `config default`.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "base/ip_prefix.h"
#include "flows/flow.h"
#include "flows/packet.h"
#include "gateway/hooks/app_settings.h"

namespace gateway {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;

/// Which tenants a peer process may speak for, by the uid that SO_PEERCRED shows.
struct AllowedUid {
  uid_t uid = 0;
  std::vector<std::string> tenants;  // empty: every tenant

  friend bool operator==(const AllowedUid&, const AllowedUid&) = default;
};

struct SeqpacketOnramp {
  std::string path;  // default: onramp.sock beside the control socket
  mode_t mode = 0600;
  std::vector<AllowedUid> allow;  // empty: only the uid that the gateway runs as, for every tenant
  std::chrono::nanoseconds context_timeout = 5s;  // a client that connects and says nothing

  friend bool operator==(const SeqpacketOnramp&, const SeqpacketOnramp&) = default;
};

/// IANA's port for GUE (Generic UDP Encapsulation).
inline constexpr base::Port kGuePort{6080};

/// Whose packets come from an outer prefix.
struct GuePeers {
  base::IpPrefix prefix = base::IpPrefix::all_v4();
  std::string tenant;                 // of packets that name none
  std::vector<std::string> may_name;  // and the others that a packet may name

  friend bool operator==(const GuePeers&, const GuePeers&) = default;
};

struct GueOnramp {
  base::Endpoint listen{base::IpAddress::v4(0x7f000001), kGuePort};
  base::Port reply_port = kGuePort;  // 0: the port that the packet came from
  std::vector<GuePeers> peers;
  // Chosen: a 1500-byte path less the longest headers around a packet (IPv6, UDP, GUE with a
  // tenant: 60) leaves 1440, and 1400 leaves 40 for PPPoE, a VLAN or a tunnel on the way.
  std::uint32_t mtu_bytes = 1400;
  std::uint32_t max_peers = 16'384;
  std::chrono::nanoseconds peer_timeout = 60s;  // without packets, and without flows

  friend bool operator==(const GueOnramp&, const GueOnramp&) = default;
};

/// One of its parts.
struct Onramp {
  std::optional<SeqpacketOnramp> seqpacket;
  std::optional<GueOnramp> gue;

  friend bool operator==(const Onramp&, const Onramp&) = default;
};

/// Where packets to a prefix go: to a GUE peer, or to the tunnel of a name while there is one.
struct TenantRoute {
  base::IpPrefix prefix = base::IpPrefix::all_v4();
  std::optional<base::Endpoint> gue;
  std::optional<std::string> tunnel;

  friend bool operator==(const TenantRoute&, const TenantRoute&) = default;
};

/// A port of the host that leads to an address behind a tunnel.
struct PublishedEndpoint {
  base::Endpoint listen;  // port 0: the kernel chooses
  base::Endpoint to;
  flows::Protocol protocol = flows::Protocol::kTcp;

  friend bool operator==(const PublishedEndpoint&, const PublishedEndpoint&) = default;
};

/// So many in a span of time.
struct Rate {
  std::uint32_t count = 0;
  std::chrono::nanoseconds span = 1s;

  friend bool operator==(const Rate&, const Rate&) = default;
};

/// How fast bytes may go, as networks count: 1k is 1,000.
struct BitRate {
  std::uint64_t bits_per_second = 0;

  friend bool operator==(const BitRate&, const BitRate&) = default;
};

struct TenantSettings {
  std::string name;
  std::uint32_t id = 0;                 // in the file: default is its position, from 1
  std::vector<base::IpPrefix> sources;  // empty: any source
  std::uint32_t max_flows = 100'000;
  std::uint32_t max_dials = 1'024;
  std::uint32_t max_udp_sockets = 4'096;
  std::uint32_t max_half_open = 4'096;
  std::uint32_t max_connections = 100'000;
  std::optional<Rate> max_new_flows{};            // of all its tunnels
  std::optional<Rate> max_new_flows_of_tunnel{};  // of each
  std::optional<BitRate> bandwidth{};             // of all its flows together, both directions
  std::vector<TenantRoute> routes;                // besides what open tunnels claim
  std::vector<PublishedEndpoint> publish{};

  friend bool operator==(const TenantSettings&, const TenantSettings&) = default;
};

struct PortRange {
  base::Port first{};
  base::Port last{};  // inclusive

  friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// A label that a tunnel must have, with one of these values; `*` in them stands for anything.
struct LabelMatch {
  std::string key;
  std::vector<std::string> values;

  friend bool operator==(const LabelMatch&, const LabelMatch&) = default;
};

/// The same message in both families; where it has one number, both are that.
struct IcmpType {
  std::uint8_t v4 = 0;
  std::uint8_t v6 = 0;

  friend bool operator==(const IcmpType&, const IcmpType&) = default;
};

/// Minutes of the day; over midnight where the end is before the begin.
struct TimeRange {
  std::uint16_t begin = 0;
  std::uint16_t end = 0;  // exclusive; 1440 is the day's end

  friend bool operator==(const TimeRange&, const TimeRange&) = default;
};

/// Days of the week, both included, from 0, which is Monday; over the week's end where the last is
/// before the first.
struct DayRange {
  std::uint8_t first = 0;
  std::uint8_t last = 0;

  friend bool operator==(const DayRange&, const DayRange&) = default;
};

/// The machine's own, or so many minutes east of UTC.
struct Zone {
  std::optional<std::int16_t> minutes_east;

  friend bool operator==(const Zone&, const Zone&) = default;
};

/// Every key that is given must hold; a list means any of.
struct RuleMatch {
  std::vector<std::string> tenant;
  std::vector<std::string> tunnel;  // names; `*` in them stands for anything
  std::vector<LabelMatch> labels;   // of the tunnel; each must be there
  std::vector<flows::Protocol> protocol;
  std::vector<base::IpPrefix> source;
  std::vector<base::IpPrefix> destination;
  std::vector<PortRange> source_port;
  std::vector<PortRange> destination_port;
  std::optional<bool> to_tunnel;  // the destination is claimed by an open tunnel of the tenant
  std::vector<IcmpType> icmp_type;
  std::vector<std::string> name;  // "example.com", "*.example.com", "*"
  std::vector<TimeRange> time;
  std::vector<DayRange> days;
  Zone zone;                                // of time and days
  std::optional<Rate> new_flows;            // the tunnel begins more than so many; span: 1s or 1min
  std::optional<std::uint32_t> open_flows;  // the tunnel has more than so many already
  std::optional<BitRate> bit_rate;          // the tunnel carries more than that now, both ways

  friend bool operator==(const RuleMatch&, const RuleMatch&) = default;
};

/// What follows an upgrade, in place of a connection from the host's own network.
enum class Then : std::uint8_t { kDowngrade };

/// Another destination to dial. Port 0: the one that the client asked for.
struct Redirect {
  base::IpAddress address;
  base::Port port{};

  friend bool operator==(const Redirect&, const Redirect&) = default;
};

struct Rule {
  std::string name;
  RuleMatch match;
  flows::Action action = flows::Action::kUpgrade;
  std::optional<Then> then{};
  std::optional<Redirect> redirect{};
  std::optional<Rate> limit{};          // new flows, for each tenant by itself
  std::optional<BitRate> bandwidth{};   // of its flows, for each tenant by itself
  std::optional<std::uint32_t> mark{};  // not 0
  std::optional<flows::Dscp> dscp{};
  bool log = false;

  friend bool operator==(const Rule&, const Rule&) = default;
};

enum class Handshake : std::uint8_t { kHeld, kEager };

struct Timeouts {
  std::chrono::nanoseconds tcp_established = 2h;
  std::chrono::nanoseconds tcp_handshake = 30s;
  std::chrono::nanoseconds tcp_time_wait = 2s;  // how long a closed flow still answers stragglers
  std::chrono::nanoseconds udp = 30s;
  std::chrono::nanoseconds udp_stream = 120s;
  std::chrono::nanoseconds dns = 5s;
  std::chrono::nanoseconds icmp = 10s;
  std::chrono::nanoseconds other = 600s;     // as Linux's conntrack has it
  std::chrono::nanoseconds fragments = 15s;  // RFC 8200 4.5 says 60; Linux takes 30
  std::chrono::nanoseconds tunnel_away = 2s;

  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

struct FlowSettings {
  std::uint32_t max = 1'000'000;
  Timeouts timeouts;

  friend bool operator==(const FlowSettings&, const FlowSettings&) = default;
};

/// Of the sandbox's NAT; see nat/binding_table.h.
struct NatSettings {
  std::uint32_t bindings = 1U << 20;

  friend bool operator==(const NatSettings&, const NatSettings&) = default;
};

/// What may come back to a UDP client (RFC 4787 section 5).
enum class UdpFilter : std::uint8_t {
  kEndpointIndependent,
  kAddressDependent,
  kAddressAndPortDependent,
};

struct UdpSettings {
  UdpFilter filter = UdpFilter::kAddressDependent;

  friend bool operator==(const UdpSettings&, const UdpSettings&) = default;
};

/// How packets get in and out. What is on is used where the kernel has it.
struct IoSettings {
  std::chrono::nanoseconds busy_poll = std::chrono::microseconds(20);
  bool coalesce = true;
  bool tun_offload = true;
  bool udp_offload = true;
  bool pace_nearby = false;

  friend bool operator==(const IoSettings&, const IoSettings&) = default;
};

/// What the gateway may still do once it serves; see netns/confinement.h.
enum class Confine : std::uint8_t {
  kAuto,  // only what its role needs, as far as the kernel enforces that; anything else kills it
  kLog,   // the same, but system calls outside of the role are told to the kernel's log
  kOff,
};

struct LogSettings {
  enum class Format : std::uint8_t { kText, kJson };
  enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError };
  Format format = Format::kText;
  Level level = Level::kInfo;

  friend bool operator==(const LogSettings&, const LogSettings&) = default;
};

/// A text that is shown to nobody.
struct Secret {
  std::string value;  // empty: there is none
  std::string
      source;  // where the file says that it is, "env:NAME" or "file:PATH"; empty: in itself

  friend bool operator==(const Secret&, const Secret&) = default;
};

/// Where records of flows that have ended go (RFC 7011).
struct IpfixSettings {
  std::optional<base::Endpoint> collector;  // UDP; nowhere
  std::uint32_t domain = 1;                 // of observation
  std::chrono::nanoseconds template_interval = 60s;
  std::uint32_t mtu_bytes = 1500;  // of the way to the collector

  friend bool operator==(const IpfixSettings&, const IpfixSettings&) = default;
};

/// What is served over HTTP, and what is told to others.
struct TelemetrySettings {
  std::optional<base::Endpoint> listen;  // nowhere
  bool page = true;
  Secret token;
  IpfixSettings ipfix;

  friend bool operator==(const TelemetrySettings&, const TelemetrySettings&) = default;
};

/// Of the app's hooks (gateway/hooks/hook_table.h).
struct HookSettings {
  std::uint32_t trace = 0;  // flows of each worker whose hooks are written down; 0: none

  friend bool operator==(const HookSettings&, const HookSettings&) = default;
};

struct Settings {
  std::uint32_t workers = 0;  // 0: as many as fit the machine
  std::string control_path;   // default: see gateway/control/socket_path.h
  std::vector<Onramp> onramps;
  std::vector<TenantSettings> tenants;
  std::vector<Rule> rules;
  FlowSettings flows;
  NatSettings nat;
  UdpSettings udp;
  IoSettings io;
  Handshake handshake = Handshake::kHeld;
  Confine confine = Confine::kAuto;
  std::string audit_path;  // empty: no audit log
  TelemetrySettings telemetry;
  LogSettings log;
  HookSettings hooks;
  hooks::AppSection app;  // empty: the program is no app, and the file has no such key

  friend bool operator==(const Settings&, const Settings&) = default;
};

/// What holds when the file says nothing: one on-ramp beside the control socket, one tenant
/// "default" with id 1 and any source, no rules.
Settings default_settings();

}  // namespace gateway
