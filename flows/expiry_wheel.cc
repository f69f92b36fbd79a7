#include "flows/expiry_wheel.h"

#include <algorithm>

#include "base/check.h"

namespace flows {
namespace {

// 34 years after the clock's epoch; kNone32 itself means "not armed".
constexpr std::int64_t kLastTick = kNone32 - 1;

// The last tick that is not after `instant`.
std::uint32_t tick_before(base::Instant instant) {
  const std::int64_t ticks = instant.time_since_epoch() / ExpiryWheel::kTick;
  CHECK(ticks >= 0 && ticks < kLastTick);
  return static_cast<std::uint32_t>(ticks);
}

// The first tick that is not before `instant`.
std::uint32_t tick_after(base::Instant instant) {
  const auto since_epoch = instant.time_since_epoch();
  const std::int64_t whole = since_epoch / ExpiryWheel::kTick;
  const std::int64_t ticks = whole + (since_epoch % ExpiryWheel::kTick > base::Duration{} ? 1 : 0);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ticks, 0, kLastTick));
}

}  // namespace

ExpiryWheel::ExpiryWheel(FlowTable& table, base::Instant now)
    : table_(&table), heads_(kSlots, kNone32), now_tick_(tick_before(now)), tick_(now_tick_ + 1) {}

void ExpiryWheel::arm(FlowIndex index, base::Instant deadline) {
  disarm(index);
  // Never into a tick that has come: a walk over those ends, whatever `due` arms meanwhile.
  const std::uint32_t tick = std::max(tick_after(deadline), now_tick_ + 1);
  std::uint32_t& head = head_of(tick);
  Flow& flow = (*table_)[index];
  flow.wheel_tick = tick;
  flow.wheel_previous = kNone32;
  flow.wheel_next = head;
  if (head != kNone32) {
    (*table_)[FlowIndex{head}].wheel_previous = number(index);
  }
  head = number(index);
}

void ExpiryWheel::disarm(FlowIndex index) {
  Flow& flow = (*table_)[index];
  if (flow.wheel_tick == kNone32) {
    return;
  }
  if (cursor_ == number(index)) {
    cursor_ = flow.wheel_next;
  }
  if (flow.wheel_previous != kNone32) {
    (*table_)[FlowIndex{flow.wheel_previous}].wheel_next = flow.wheel_next;
  } else {
    head_of(flow.wheel_tick) = flow.wheel_next;
  }
  if (flow.wheel_next != kNone32) {
    (*table_)[FlowIndex{flow.wheel_next}].wheel_previous = flow.wheel_previous;
  }
  flow.wheel_previous = kNone32;
  flow.wheel_next = kNone32;
  flow.wheel_tick = kNone32;
}

void ExpiryWheel::begin(base::Instant now) {
  now_tick_ = std::max(now_tick_, tick_before(now));
  // After a long pause one turn is enough: it meets every flow, and those of earlier ticks are due.
  if (now_tick_ + 1 - tick_ > kSlots) {
    tick_ = now_tick_ - kSlots + 1;
    in_slot_ = false;
  }
}

std::optional<FlowIndex> ExpiryWheel::take_due(std::uint32_t& budget) {
  for (; tick_ <= now_tick_; ++tick_) {
    if (!in_slot_) {
      cursor_ = head_of(tick_);
      in_slot_ = true;
    }
    while (cursor_ != kNone32) {
      if (budget == 0) {
        return std::nullopt;
      }
      --budget;
      const FlowIndex index{cursor_};
      const Flow& flow = (*table_)[index];
      if (flow.wheel_tick <= now_tick_) {
        disarm(index);  // moves the cursor on
        return index;
      }
      cursor_ = flow.wheel_next;  // of a later turn
    }
    in_slot_ = false;
  }
  return std::nullopt;
}

}  // namespace flows
