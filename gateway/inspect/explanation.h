// Explanation: what the gateway would do with a packet, and why, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

/// Which packet; everything is text as a stranger wrote it.
struct ExplainQuery {
  std::string packet;  // gateway/inspect/packet_text.h
  std::string tenant;  // empty: the only one there is
  std::string tunnel;  // name or id; empty: the one that claims the source, or the only one
  std::string host;    // what the destination was looked up as; empty: what the gateway knows

  friend bool operator==(const ExplainQuery&, const ExplainQuery&) = default;
};

struct RuleVerdict {
  std::string rule;
  bool matches = false;
  // Unless it matches: the first key that does not hold.
  std::string key{};
  std::string found{};
  std::string wanted{};
};

/// What the app says that the gateway is, asked after the rules.
struct AppVerdict {
  std::string app;
  std::string answer;   // of its hook flow_decide: "reject"; empty: it has failed
  bool failed = false;  // it threw, or answered what cannot be: the rules' word stands
};

struct Usage {
  std::string of;  // "flows of the tenant"
  std::uint64_t used = 0;
  std::uint64_t most = 0;
};

/// That the flow would share with others.
struct ExplainedBandwidth {
  std::string of;     // "rule web"
  std::string bound;  // "10Mbit/s"
  std::uint64_t bits_per_second = 0;
};

struct Explanation {
  std::string packet;  // in full
  std::string tenant;
  std::string tunnel;  // empty: it is not known which
  std::uint32_t tunnel_id = 0;
  std::string host;
  std::optional<std::uint64_t> flow;   // that there is already, and decides
  std::vector<RuleVerdict> rules;      // up to the one that decides a new flow
  std::optional<AppVerdict> app;       // nothing: there is none, or it is not asked
  std::string rule;                    // that decides, by name; "hook": the app does
  std::string action;                  // its action; what an existing flow has, where there is one
  std::string then;                    // "downgrade", where it follows
  std::uint32_t mark = 0;              // that the flow carries; 0: none
  std::string dscp;                    // that its packets get; empty: they keep their own
  std::string upstream;                // what is dialled; empty: nothing
  std::string to_tunnel;               // what it leaves by; empty: none
  std::optional<std::string> refusal;  // the drop reason, where the packet gets nowhere
  std::string says;                    // all that in one sentence
  std::vector<Usage> limits;
  std::vector<ExplainedBandwidth> bandwidths;  // of a flow that would carry anything
};

}  // namespace gateway
