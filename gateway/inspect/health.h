// Health: whether a gateway can serve, and what hinders it, as plain values. Pure.
//
// A gateway is not ready when a shard of it cannot serve: traffic should go elsewhere until that is
// cured. What it can serve without (a collector, the audit log's disk) makes it degraded: it goes
// on, and somebody should look.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

/// As the shard said at its last tick.
struct ShardHealth {
  /// Chosen: twenty ticks. A shard that is only busy is late by far less.
  static constexpr std::chrono::seconds kStuckAfter{5};

  bool has_sandbox = false;
  std::int32_t helper = 0;  // its pid; 0: there is none
  std::uint64_t sandbox_restarts = 0;
  std::int64_t tick_age_ns = 0;  // since that tick
  std::int64_t lag_ns = 0;       // by how much that tick was late
  std::uint32_t flows = 0;
  std::uint32_t dials = 0;  // under way

  [[nodiscard]] bool is_stuck() const {
    return tick_age_ns > std::chrono::nanoseconds(kStuckAfter).count();
  }
  [[nodiscard]] bool is_ready() const { return has_sandbox && !is_stuck(); }
};

struct AuditHealth {
  std::string path{};          // empty: there is no audit log
  std::uint64_t waiting = 0;   // lines that the file has not got yet; none is lost while we run
  bool refuses_flows = false;  // so many that no flow may begin
  std::uint64_t write_errors = 0;
  std::string error{};  // why it cannot be written; empty: it can
};

struct IpfixHealth {
  std::string collector;
  std::uint64_t sent = 0;  // records
  std::uint64_t lost = 0;
  // What is known of the way there: UDP tells of failures only, and not of all.
  std::string error{};
};

struct OnrampHealth {
  std::string kind;  // "seqpacket", "gue"
  std::string at;    // path, or address and port
  bool is_listening = false;
};

struct GatewayHealth {
  std::vector<ShardHealth> shards;
  std::uint32_t flows = 0;
  std::uint32_t flows_max = 0;  // of all shards together
  AuditHealth audit;
  std::optional<IpfixHealth> ipfix;
  std::vector<OnrampHealth> onramps;
};

struct HealthProblem {
  bool is_serious = false;  // the gateway is not ready
  std::string what;         // of which part; nothing that a stranger may not read
  std::string cure;
};

/// The serious ones first.
std::vector<HealthProblem> problems_of(const GatewayHealth& health);

enum class Readiness : std::uint8_t { kOk, kDegraded, kUnready };
Readiness readiness_of(const std::vector<HealthProblem>& problems);

/// "ok\n", for a load balancer; of an unready gateway: what is the matter and the cure.
std::string health_text(const std::vector<HealthProblem>& problems);
/// One object: `status` and `problems`, and unless there is none, all of `health`.
std::string health_json(const std::vector<HealthProblem>& problems, const GatewayHealth* health);

}  // namespace gateway
