// Rulings: the policy in force on one shard, with what it keeps count of: how many flows each rule
// has decided, and what is left of each rule's limit.
//
// A tenant lives on one shard, so its limits are whole here.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "flows/token_bucket.h"
#include "gateway/policy/policy.h"

namespace gateway {

/// Belongs to the shard's thread.
class Rulings {
 public:
  explicit Rulings(std::shared_ptr<const Policy> policy);

  /// For a flow that begins: counted, and taken from the rule's limit.
  Decision decide(const FlowFacts& facts);
  /// What decide() would say.
  [[nodiscard]] Decision peek(const FlowFacts& facts) const;

  [[nodiscard]] const Policy& policy() const { return *policy_; }
  [[nodiscard]] std::shared_ptr<const Policy> shared_policy() const { return policy_; }
  /// Flows that each rule has decided, by its number, and those that none has.
  [[nodiscard]] const std::vector<std::uint64_t>& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t default_count() const { return default_count_; }

  /// From now on. Rules that go on under their name keep their counts, and what is left of a limit
  /// where that is the same.
  void replace(std::shared_ptr<const Policy> policy);

 private:
  using Buckets = std::unordered_map<std::uint32_t, flows::TokenBucket>;  // by tenant

  void make_room();

  std::shared_ptr<const Policy> policy_;
  std::vector<std::uint64_t> counts_;
  std::uint64_t default_count_ = 0;
  std::unordered_map<std::uint16_t, Buckets> limits_;  // by rule, made as they are first asked
};

}  // namespace gateway
