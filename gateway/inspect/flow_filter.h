// FlowFilter: which flows to show: `tenant=acme protocol=tcp destination=10.0.0.0/8:443`.
//
// Every term must hold. A key may stand more than once: source=10.0.0.0/8 source=:53 is both.
//
//     id                      a number
//     tenant, tunnel, rule    a name, or the number
//     protocol                tcp, udp, icmp, icmpv6, or a number
//     state, action, then     a name
//     mark                    a number, 0x or not; 0: flows that have none
//     dscp                    a code point by name or number; none: flows that keep their own
//     name                    a host name, or *.DOMAIN for all below it
//     source, destination,
//     upstream                ADDRESS, PREFIX, :PORT, ADDRESS:PORT, PREFIX:PORT; IPv6 in brackets
//                             before a port
//     age, idle               AGE>10s, AGE<5m: strictly more or less
//     up, down, bytes, packets, up_packets, down_packets      the same with sizes and numbers
//
// Pure; fuzzed by tests/fuzz/fuzz_flow_filter.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/endpoint.h"
#include "base/ip_prefix.h"
#include "base/result.h"
#include "flows/flow.h"
#include "gateway/inspect/flow_json.h"
#include "gateway/inspect/flow_measure.h"

namespace gateway {

class FlowFilter {
 public:
  FlowFilter() = default;  // lets every flow through

  /// Reads terms, each text one or several of them with spaces between. Fails with what is wrong:
  /// "filter: unknown key 'tennant'; known: tenant, ...".
  static base::Result<FlowFilter, std::string> parse(std::span<const std::string> texts);

  /// `now_ns` (CLOCK_MONOTONIC) is for age and idle; 0 stands for when the flow was last seen.
  [[nodiscard]] bool matches(const flows::Flow& flow, const FlowNames& names,
                             std::int64_t now_ns = 0) const;
  /// Whether a tunnel is meant, whatever flows it has: only terms about tenant and tunnel can hold.
  struct TunnelIdentity {
    std::uint32_t tenant_id;
    std::string_view tenant;
    std::uint32_t tunnel_id;
    std::string_view tunnel;
  };
  [[nodiscard]] bool matches_tunnel(const TunnelIdentity& tunnel) const;
  [[nodiscard]] bool lets_everything_through() const { return terms_.empty(); }
  /// The tenants that it names, each as it was written.
  [[nodiscard]] std::vector<std::string> tenants() const;

 private:
  struct NameTerm {
    enum class Of : std::uint8_t { kTenant, kTunnel, kRule } of{};
    std::string name;
    std::optional<std::uint32_t> number;
  };
  // Of the destination: the host itself, or every host below a domain.
  struct HostTerm {
    std::string name;  // lower case
    bool is_below = false;
  };
  struct EndTerm {
    enum class Of : std::uint8_t { kSource, kDestination, kUpstream } of{};
    std::optional<base::IpPrefix> prefix;
    std::optional<base::Port> port;
  };
  struct IdTerm {
    std::uint64_t id = 0;
  };
  struct ThenTerm {
    bool is_downgraded = false;
  };
  struct MarkTerm {
    std::uint32_t mark = 0;
  };
  struct AmountTerm {
    FlowMeasure of{};
    bool is_more = false;  // than the limit; else less
    std::uint64_t limit = 0;
  };
  using Term = std::variant<NameTerm, HostTerm, EndTerm, IdTerm, ThenTerm, MarkTerm, AmountTerm,
                            flows::Dscp, flows::Protocol, flows::FlowState, flows::Action>;

  static base::Result<Term, std::string> parse_term(std::string_view text);
  static base::Result<Term, std::string> parse_amount_term(std::string_view text, std::size_t sign);
  static base::Result<Term, std::string> parse_value(std::string_view key, std::string_view value);
  static base::Result<Term, std::string> parse_end(std::string_view key, std::string_view value);
  static base::Result<Term, std::string> parse_mark(std::string_view value);
  static base::Result<Term, std::string> parse_dscp_term(std::string_view value);
  static base::Result<Term, std::string> parse_protocol(std::string_view value);
  static bool holds(const NameTerm& term, const flows::Flow& flow, const FlowNames& names);
  static bool holds(const HostTerm& term, const FlowNames& names);
  static bool holds(const EndTerm& term, const flows::Flow& flow);

  std::vector<Term> terms_;
};

/// What a term may be about, and its values where they are few: for completion.
struct FilterKey {
  std::string_view key;
  std::vector<std::string_view> values;
};
std::vector<FilterKey> filter_keys();

}  // namespace gateway
