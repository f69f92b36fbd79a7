#include "gateway/policy/rulings.h"

#include <algorithm>
#include <utility>

#include "gateway/flow/flow_budget.h"

namespace gateway {
Rulings::Rulings(std::shared_ptr<const Policy> policy) : policy_(std::move(policy)) {
  make_room();
}

Decision Rulings::decide(const FlowFacts& facts) {
  Decision decision = policy_->decide(facts);
  if (decision.rule == flows::kDefaultRule) {
    ++default_count_;
    return decision;
  }
  ++counts_[decision.rule];
  if (const auto& limit = policy_->rule(policy_->position_of(decision.rule)).limit) {
    auto [bucket, is_new] = limits_[decision.rule].try_emplace(facts.key.tenant, bucket_of(*limit));
    decision.is_over_limit = !bucket->second.take(facts.now);
  }
  return decision;
}

Decision Rulings::peek(const FlowFacts& facts) const {
  Decision decision = policy_->decide(facts);
  if (const auto buckets = limits_.find(decision.rule); buckets != limits_.end()) {
    const auto bucket = buckets->second.find(facts.key.tenant);
    decision.is_over_limit = bucket != buckets->second.end() && !bucket->second.has(facts.now);
  }
  return decision;
}

void Rulings::replace(std::shared_ptr<const Policy> policy) {
  const std::shared_ptr<const Policy> before = std::exchange(policy_, std::move(policy));
  make_room();
  std::erase_if(limits_, [&](const auto& entry) {
    const std::size_t was = before->position_of(entry.first);
    const std::size_t is = policy_->position_of(entry.first);
    return is >= policy_->rule_count() || before->rule(was).limit != policy_->rule(is).limit;
  });
}

void Rulings::make_room() {
  for (std::size_t i = 0; i < policy_->rule_count(); ++i) {
    const std::size_t number = policy_->number_of(i);
    counts_.resize(std::max(counts_.size(), number + 1));
  }
}

}  // namespace gateway
