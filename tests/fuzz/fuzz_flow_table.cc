// Any sequence of inserts, lookups, erasures and timers, against a model made of standard
// containers: table, wheel and snapshot must agree with it at every step.
//
// Every operation is two bytes, what to do and to which flow. 32 keys meet a table of at most 16
// flows in one or two blocks: a block spills, the table fills, and records are reused all the time.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include "base/check.h"
#include "flows/expiry_wheel.h"
#include "flows/flow_snapshot.h"
#include "flows/flow_table.h"
#include "tests/support/flow_region.h"

namespace {

using base::Instant;
using flows::ExpiryWheel;
using flows::Flow;
using flows::FlowIndex;
using flows::FlowKey;
using flows::Side;

constexpr std::uint8_t kKeys = 32;

struct Timer {
  Instant deadline;
  Instant armed;
};

struct ModelFlow {
  FlowIndex index;
  std::uint64_t id;
  bool reversed;  // the flow was opened from the other side
  std::uint32_t tunnel;
  std::optional<Timer> timer;
};

// Every key has a twin that differs from it in one part only.
FlowKey key_number(std::uint8_t number, bool reversed) {
  FlowKey key = test_support::key_number(number / 8);
  if ((number & 1U) != 0) {
    key.tenant = 8;
  }
  if ((number & 2U) != 0) {
    key.protocol = flows::Protocol::kUdp;
  }
  if ((number & 4U) != 0) {
    key.source.port = key.destination.port;
  }
  return reversed ? key.reversed() : key;
}

class Run {
 public:
  explicit Run(std::uint8_t capacity, std::uint8_t seed)
      : made_(capacity, {.low = seed, .high = 0}), wheel_(made_.table, now_) {}

  void step(std::uint8_t what, std::uint8_t which) {
    const auto key = static_cast<std::uint8_t>(which % kKeys);
    switch (what % 8) {
      case 0:
      case 1:
        insert(key, (which & 0x80U) != 0);
        break;
      case 2:
        erase(key);
        break;
      case 3:
        update(key, what);
        break;
      case 4:
        // Up to some turns of the wheel ahead, or a moment, or in the past.
        arm(key, (what >> 4U) * std::chrono::minutes(5) +
                     (which >> 5U) * std::chrono::milliseconds(100) - std::chrono::seconds(1));
        break;
      case 5:
        disarm(key);
        break;
      case 6:
        advance(which * std::chrono::milliseconds(77), what);
        break;
      default:
        advance(which * std::chrono::minutes(1), what);
        break;
    }
    check_key(key);
  }

  void check_all() {
    CHECK(made_.table.size() == model_.size());
    for (std::uint8_t key = 0; key < kKeys; ++key) {
      check_key(key);
    }
    std::set<FlowIndex> listed;
    made_.table.for_each([&](FlowIndex index) { CHECK(listed.insert(index).second); });
    CHECK(listed.size() == model_.size());

    const auto snapshot = flows::FlowSnapshot::open(made_.region.bytes());
    CHECK(snapshot && snapshot->live_count() == model_.size());
    std::map<std::uint64_t, Flow> shown;
    snapshot->for_each([&](const Flow& flow) { CHECK(shown.emplace(flow.id, flow).second); });
    CHECK(shown.size() == model_.size());
    for (const auto& [key, flow] : model_) {
      const Flow& seen = shown.at(flow.id);
      CHECK(seen.key == key_number(key, flow.reversed) && seen.tunnel == flow.tunnel);
    }
  }

  // Ends every flow through the wheel, so that each armed one must come up.
  void drain() {
    const Instant end = now_ + std::chrono::hours(24);
    CHECK(wheel_.advance(end, std::numeric_limits<std::uint32_t>::max(), [&](FlowIndex index) {
      const auto found = model_at(index);
      CHECK(found->second.timer);
      made_.table.erase(index);
      model_.erase(found);
    }));
    for (const auto& [key, flow] : model_) {
      CHECK(!flow.timer);
    }
    check_all();
  }

 private:
  using Model = std::map<std::uint8_t, ModelFlow>;

  Model::iterator model_at(FlowIndex index) {
    const auto found = std::find_if(model_.begin(), model_.end(),
                                    [&](const auto& flow) { return flow.second.index == index; });
    CHECK(found != model_.end());
    return found;
  }

  void insert(std::uint8_t key, bool reversed) {
    if (model_.contains(key)) {
      return;
    }
    const auto index =
        made_.table.insert(key_number(key, reversed), now_, [&](Flow& flow) { flow.tunnel = key; });
    CHECK(index.has_value() == (model_.size() < made_.table.capacity()));
    if (index) {
      model_[key] = {*index, made_.table[*index].id, reversed, key, {}};
      CHECK(ids_.insert(made_.table[*index].id).second);
    }
  }

  void erase(std::uint8_t key) {
    if (const auto found = model_.find(key); found != model_.end()) {
      wheel_.disarm(found->second.index);
      made_.table.erase(found->second.index);
      model_.erase(found);
    }
  }

  void update(std::uint8_t key, std::uint8_t tunnel) {
    if (const auto found = model_.find(key); found != model_.end()) {
      made_.table.update(found->second.index, [&](Flow& flow) { flow.tunnel = tunnel; });
      found->second.tunnel = tunnel;
    }
  }

  void arm(std::uint8_t key, base::Duration after) {
    if (const auto found = model_.find(key); found != model_.end()) {
      wheel_.arm(found->second.index, now_ + after);
      found->second.timer = Timer{now_ + after, now_};
    }
  }

  void disarm(std::uint8_t key) {
    if (const auto found = model_.find(key); found != model_.end()) {
      wheel_.disarm(found->second.index);
      found->second.timer.reset();
    }
  }

  void advance(base::Duration by, std::uint8_t choice) {
    now_ += by;
    const std::uint32_t budget = choice < 128 ? 1000 : choice % 4;
    std::uint32_t shown = 0;
    const bool done = wheel_.advance(now_, budget, [&](FlowIndex index) {
      ++shown;
      ModelFlow& flow = model_at(index)->second;
      CHECK(flow.timer && flow.timer->deadline <= now_);  // never early, never twice
      flow.timer.reset();
      answer(index, static_cast<std::uint8_t>(choice + shown));
    });
    CHECK(shown <= budget);
    for (const auto& [key, flow] : model_) {
      if (done && flow.timer) {  // late by at most one tick
        const Instant due = std::max(flow.timer->deadline, flow.timer->armed);
        CHECK(due + ExpiryWheel::kTick > now_);
      }
    }
  }

  // What the owner does with a flow that is due.
  void answer(FlowIndex index, std::uint8_t choice) {
    const std::uint8_t key = model_at(index)->first;
    const auto other = static_cast<std::uint8_t>((key + choice) % kKeys);
    switch (choice % 5) {
      case 0:
        erase(key);
        break;
      case 1:
        erase(key);
        erase(other);
        break;
      case 2:
        arm(key, std::chrono::seconds(choice));
        break;
      case 3:
        disarm(other);
        arm(other, std::chrono::seconds(choice) - std::chrono::minutes(1));
        break;
      default:
        erase(key);
        insert(other, false);
        break;
    }
  }

  void check_key(std::uint8_t key) {
    const auto up = made_.table.find(key_number(key, false));
    const auto down = made_.table.find(key_number(key, true));
    const auto found = model_.find(key);
    CHECK(up.has_value() == (found != model_.end()) && down.has_value() == up.has_value());
    if (!up) {
      return;
    }
    const ModelFlow& flow = found->second;
    CHECK(up->index == flow.index && down->index == flow.index);
    CHECK(up->sender == (flow.reversed ? Side::kResponder : Side::kInitiator));
    CHECK(down->sender == (flow.reversed ? Side::kInitiator : Side::kResponder));
    CHECK(made_.table[flow.index].id == flow.id);
    CHECK(made_.table[flow.index].tunnel == flow.tunnel);
  }

  Instant now_{std::chrono::hours(1)};
  test_support::TestTable made_;
  ExpiryWheel wheel_;
  Model model_;
  std::set<std::uint64_t> ids_;  // every one ever given
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span input(data, size);
  if (size < 2) {
    return 0;
  }
  Run run(static_cast<std::uint8_t>(input[0] % 16 + 1), input[1]);
  for (auto rest = input.subspan(2); rest.size() >= 2; rest = rest.subspan(2)) {
    run.step(rest[0], rest[1]);
  }
  run.check_all();
  run.drain();
  return 0;
}
