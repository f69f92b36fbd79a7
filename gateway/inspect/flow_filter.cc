#include "gateway/inspect/flow_filter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/utf8.h"
#include "flows/protocol.h"

namespace gateway {
namespace {

using base::Unexpected;
using flows::Action;
using flows::FlowState;
using flows::Protocol;

constexpr std::size_t kShownBytes = 64;
constexpr std::string_view kKeys =
    "tenant, tunnel, protocol, state, action, rule, mark, dscp, name, source, destination, "
    "upstream, then, id";
constexpr std::string_view kAmounts =
    "age, idle, up, down, bytes, up_packets, down_packets, packets with < or >";
constexpr std::array kProtocols = {Protocol::kTcp, Protocol::kUdp, Protocol::kIcmp,
                                   Protocol::kIcmpv6};
constexpr std::array kStates = {FlowState::kDialing, FlowState::kSynReceived,
                                FlowState::kEstablished, FlowState::kClosing, FlowState::kTimeWait};
constexpr std::array kActions = {Action::kUpgrade, Action::kForward, Action::kReject, Action::kDrop,
                                 Action::kDowngrade};

Unexpected<std::string> wrong(const std::string& why) {
  return Unexpected{"filter: " + why};
}

std::string shown(std::string_view text) {
  return "'" + base::printable(text, kShownBytes) + "'";
}

template <class Number>
std::optional<Number> number_of(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (failed != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

// The one of `known` that is called `value`.
template <class Known>
base::Result<typename Known::value_type, std::string> one_of(const Known& known,
                                                             std::string_view key,
                                                             std::string_view value) {
  std::string list;
  for (const auto& candidate : known) {
    if (name(candidate) == value) {
      return candidate;
    }
    list += (list.empty() ? "" : ", ") + std::string(name(candidate));
  }
  return wrong(std::string(key) + ": " + shown(value) + " is not one of " + list);
}

// "10.0.0.0/8:443" into "10.0.0.0/8" and "443". Where there is no port, the second is empty. IPv6
// has colons of its own, so its port stands behind a bracket.
std::pair<std::string_view, std::optional<std::string_view>> split_port(std::string_view value) {
  if (value.starts_with('[')) {
    const std::size_t close = value.find(']');
    if (close != std::string_view::npos && value.substr(close).starts_with("]:")) {
      return {value.substr(1, close - 1), value.substr(close + 2)};
    }
    return {value, std::nullopt};
  }
  const std::size_t colon = value.find(':');
  if (colon == std::string_view::npos || value.find(':', colon + 1) != std::string_view::npos) {
    return {value, std::nullopt};
  }
  return {value.substr(0, colon), value.substr(colon + 1)};
}

}  // namespace

base::Result<FlowFilter, std::string> FlowFilter::parse(std::span<const std::string> texts) {
  static constexpr std::string_view kSpaces = " \t\n";
  FlowFilter filter;
  for (std::string_view rest : texts) {
    while (true) {
      rest.remove_prefix(std::min(rest.find_first_not_of(kSpaces), rest.size()));
      if (rest.empty()) {
        break;
      }
      const std::string_view text = rest.substr(0, rest.find_first_of(kSpaces));
      auto term = parse_term(text);
      if (!term) {
        return Unexpected{term.error()};
      }
      filter.terms_.push_back(std::move(term).value());
      rest.remove_prefix(text.size());
    }
  }
  return filter;
}

base::Result<FlowFilter::Term, std::string> FlowFilter::parse_term(std::string_view text) {
  const std::size_t sign = text.find_first_of("=<>");
  if (sign == std::string_view::npos || sign == 0 || sign + 1 == text.size()) {
    return wrong(shown(text) + " is not key=value; known keys: " + std::string(kKeys) + "; " +
                 std::string(kAmounts));
  }
  return text[sign] == '=' ? parse_value(text.substr(0, sign), text.substr(sign + 1))
                           : parse_amount_term(text, sign);
}

base::Result<FlowFilter::Term, std::string> FlowFilter::parse_amount_term(std::string_view text,
                                                                          std::size_t sign) {
  const std::string_view key = text.substr(0, sign);
  const auto measure = measure_named(key);
  if (!measure) {
    return wrong("unknown key " + shown(key) + "; known: " + std::string(kAmounts));
  }
  const auto limit = parse_amount(*measure, text.substr(sign + 1));
  if (!limit) {
    return wrong(std::string(key) + ": " + shown(text.substr(sign + 1)) + " is not " +
                 limit.error());
  }
  return Term(AmountTerm{.of = *measure, .is_more = text[sign] == '>', .limit = *limit});
}

base::Result<FlowFilter::Term, std::string> FlowFilter::parse_value(std::string_view key,
                                                                    std::string_view value) {
  if (key == "id") {
    if (const auto id = number_of<std::uint64_t>(value)) {
      return Term(IdTerm{*id});
    }
    return wrong("id: " + shown(value) + " is not a number");
  }
  if (key == "then") {
    if (value == "downgrade" || value == "nothing") {
      return Term(ThenTerm{value == "downgrade"});
    }
    return wrong("then: " + shown(value) + " is not one of downgrade, nothing");
  }
  if (key == "tenant") {
    return Term(
        NameTerm{NameTerm::Of::kTenant, std::string(value), number_of<std::uint32_t>(value)});
  }
  if (key == "tunnel") {
    return Term(
        NameTerm{NameTerm::Of::kTunnel, std::string(value), number_of<std::uint32_t>(value)});
  }
  if (key == "rule") {
    return Term(NameTerm{NameTerm::Of::kRule, std::string(value), number_of<std::uint32_t>(value)});
  }
  if (key == "name") {
    const bool is_below = value.starts_with("*.");
    HostTerm term{.name = std::string(value.substr(is_below ? 2 : 0)), .is_below = is_below};
    std::ranges::transform(term.name, term.name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return Term(std::move(term));
  }
  if (key == "source" || key == "destination" || key == "upstream") {
    return parse_end(key, value);
  }
  if (key == "protocol") {
    return parse_protocol(value);
  }
  if (key == "mark") {
    return parse_mark(value);
  }
  if (key == "dscp") {
    return parse_dscp_term(value);
  }
  if (key == "state") {
    const auto state = one_of(kStates, key, value);
    return state ? base::Result<Term, std::string>(*state) : Unexpected{state.error()};
  }
  if (key == "action") {
    const auto action = one_of(kActions, key, value);
    return action ? base::Result<Term, std::string>(*action) : Unexpected{action.error()};
  }
  return wrong("unknown key " + shown(key) + "; known: " + std::string(kKeys) + "; " +
               std::string(kAmounts));
}

base::Result<FlowFilter::Term, std::string> FlowFilter::parse_end(std::string_view key,
                                                                  std::string_view value) {
  const auto [host, digits] = split_port(value);
  using Of = EndTerm::Of;
  EndTerm term{.of = key == "source"     ? Of::kSource
                     : key == "upstream" ? Of::kUpstream
                                         : Of::kDestination,
               .prefix = {},
               .port = {}};
  const auto port = digits ? number_of<std::uint16_t>(*digits) : std::nullopt;
  if (!host.empty()) {
    term.prefix = base::IpPrefix::parse(host);
  }
  const bool host_is_wrong = !host.empty() && !term.prefix;
  const bool port_is_wrong = digits && !port;
  if (host_is_wrong || port_is_wrong || (host.empty() && !port)) {
    return wrong(std::string(key) + ": " + shown(value) +
                 " is not an address, a prefix, or either with :PORT");
  }
  term.port = port ? std::optional(base::Port{*port}) : std::nullopt;
  return Term(term);
}

base::Result<FlowFilter::Term, std::string> FlowFilter::parse_mark(std::string_view value) {
  const bool is_hex = value.starts_with("0x");
  if (const auto mark = number_of<std::uint32_t>(value.substr(is_hex ? 2 : 0), is_hex ? 16 : 10)) {
    return Term(MarkTerm{*mark});
  }
  return wrong("mark: " + shown(value) + " is not a number of 32 bits, such as 23 or 0x17");
}

base::Result<FlowFilter::Term, std::string> FlowFilter::parse_dscp_term(std::string_view value) {
  if (value == "none") {
    return Term(flows::kOwnDscp);
  }
  if (const auto dscp = flows::parse_dscp(value)) {
    return Term(*dscp);
  }
  return wrong("dscp: " + shown(value) +
               " is not a code point such as ef, af41 or cs1, a number from 0 to 63, or none");
}

base::Result<FlowFilter::Term, std::string> FlowFilter::parse_protocol(std::string_view value) {
  for (const Protocol protocol : kProtocols) {
    if (flows::protocol_name(protocol) == value) {
      return Term(protocol);
    }
  }
  if (const auto number = number_of<std::uint8_t>(value)) {
    return Term(Protocol{*number});
  }
  return wrong("protocol: " + shown(value) +
               " is not tcp, udp, icmp, icmpv6 or a number below 256");
}

std::vector<std::string> FlowFilter::tenants() const {
  std::vector<std::string> named;
  for (const Term& term : terms_) {
    const auto* name = std::get_if<NameTerm>(&term);
    if (name != nullptr && name->of == NameTerm::Of::kTenant) {
      named.push_back(name->name);
    }
  }
  return named;
}

bool FlowFilter::holds(const NameTerm& term, const flows::Flow& flow, const FlowNames& names) {
  switch (term.of) {
    case NameTerm::Of::kTenant:
      return term.name == names.tenant || term.number == flow.key.tenant;
    case NameTerm::Of::kTunnel:
      return term.name == names.tunnel || term.number == flow.tunnel;
    case NameTerm::Of::kRule:
      return term.name == names.rule || term.number == flow.rule;
  }
  return false;
}

bool FlowFilter::holds(const HostTerm& term, const FlowNames& names) {
  if (!term.is_below) {
    return names.host == term.name;
  }
  return names.host.size() > term.name.size() && names.host.ends_with(term.name) &&
         names.host[names.host.size() - term.name.size() - 1] == '.';
}

bool FlowFilter::holds(const EndTerm& term, const flows::Flow& flow) {
  using Of = EndTerm::Of;
  const base::Endpoint& end = term.of == Of::kSource     ? flow.key.source
                              : term.of == Of::kUpstream ? flow.upstream
                                                         : flow.key.destination;
  if (term.of == Of::kUpstream && !has_upstream(flow)) {
    return false;
  }
  return (!term.prefix || term.prefix->contains(end.address)) &&
         (!term.port || *term.port == end.port);
}

bool FlowFilter::matches_tunnel(const TunnelIdentity& tunnel) const {
  flows::Flow flow;
  flow.key.tenant = tunnel.tenant_id;
  flow.tunnel = tunnel.tunnel_id;
  return std::ranges::all_of(terms_, [&](const Term& term) {
    const auto* by_name = std::get_if<NameTerm>(&term);
    return by_name != nullptr && by_name->of != NameTerm::Of::kRule &&
           holds(*by_name, flow, {.tenant = tunnel.tenant, .tunnel = tunnel.tunnel, .rule = {}});
  });
}

bool FlowFilter::matches(const flows::Flow& flow, const FlowNames& names,
                         std::int64_t now_ns) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    if (const auto* by_name = std::get_if<NameTerm>(&term)) {
      return holds(*by_name, flow, names);
    }
    if (const auto* host = std::get_if<HostTerm>(&term)) {
      return holds(*host, names);
    }
    if (const auto* end = std::get_if<EndTerm>(&term)) {
      return holds(*end, flow);
    }
    if (const auto* id = std::get_if<IdTerm>(&term)) {
      return id->id == flow.id;
    }
    if (const auto* then = std::get_if<ThenTerm>(&term)) {
      return then->is_downgraded == flows::is_upgraded_then_downgraded(flow);
    }
    if (const auto* marked = std::get_if<MarkTerm>(&term)) {
      return marked->mark == flow.mark;
    }
    if (const auto* dscp = std::get_if<flows::Dscp>(&term)) {
      return *dscp == flow.dscp;
    }
    if (const auto* amount = std::get_if<AmountTerm>(&term)) {
      const std::uint64_t value = value_of(flow, amount->of, now_ns);
      return amount->is_more ? value > amount->limit : value < amount->limit;
    }
    if (const auto* protocol = std::get_if<Protocol>(&term)) {
      return *protocol == flow.key.protocol;
    }
    if (const auto* state = std::get_if<FlowState>(&term)) {
      return *state == flow.state;
    }
    return std::get<Action>(term) == flow.action;
  });
}

std::vector<FilterKey> filter_keys() {
  const auto dscp_values = [] {
    std::vector<std::string_view> values = flows::dscp_names();
    values.emplace_back("none");
    return values;
  };
  const auto names_of = [](const auto& known) {
    std::vector<std::string_view> names;
    names.reserve(std::size(known));
    for (const auto& one : known) {
      names.push_back(name(one));
    }
    return names;
  };
  return {{"tenant", {}},
          {"tunnel", {}},
          {"rule", {}},
          {"protocol", {"tcp", "udp", "icmp", "icmpv6"}},
          {"state", names_of(kStates)},
          {"action", names_of(kActions)},
          {"then", {"downgrade", "nothing"}},
          {"mark", {}},
          {"dscp", dscp_values()},
          {"name", {}},
          {"source", {}},
          {"destination", {}},
          {"upstream", {}},
          {"id", {}}};
}

}  // namespace gateway
