#include "gateway/bandwidth/bandwidth.h"

#include <algorithm>
#include <array>

namespace gateway {

using base::Duration;
using base::Instant;

namespace {

// All chosen. A burst lets a page of an idle client come at once; a share is what the rate gives in
// 5 ms, so that many may have a turn in a short time, but not less than a packet nor more than a
// relay reads at once. An alarm rings at most 500 times a second.
constexpr std::uint64_t kBurstsPerSecond = 10;
constexpr std::uint64_t kLeastBurstBytes = 16 * 1024;
constexpr std::uint64_t kSharesPerSecond = 200;
constexpr std::uint64_t kLeastShareBytes = 1'500;
constexpr std::uint64_t kMostShareBytes = 256 * 1024;
constexpr Duration kLeastSleep = std::chrono::milliseconds(2);

flows::ByteBucket bucket_of(std::uint64_t bits_per_second, Instant now) {
  const std::uint64_t bytes = std::max<std::uint64_t>(bits_per_second / 8, 1);
  return {bytes, std::max(bytes / kBurstsPerSecond, kLeastBurstBytes), now};
}

std::uint32_t share_of(std::uint64_t bits_per_second) {
  return static_cast<std::uint32_t>(
      std::clamp(bits_per_second / 8 / kSharesPerSecond, kLeastShareBytes, kMostShareBytes));
}

}  // namespace

void PacedDirection::leave_line() {
  if (waits_for_ != nullptr) {
    pacer_->leave(*this, pacer_->last_now_);
  }
}

Bandwidth::Bandwidth(std::uint64_t bits_per_second, Instant now)
    : bits_per_second_(bits_per_second),
      share_bytes_(share_of(bits_per_second)),
      bucket_(bucket_of(bits_per_second, now)),
      node_{this},
      place_(node_.begin()) {}

void Bandwidth::set_rate(std::uint64_t bits_per_second, Instant now) {
  if (bits_per_second != bits_per_second_) {
    bits_per_second_ = bits_per_second;
    share_bytes_ = share_of(bits_per_second);
    bucket_ = bucket_of(bits_per_second, now);
  }
}

BandwidthCount Bandwidth::count(Instant now) const {
  BandwidthCount count = count_;
  for (const PacedDirection* direction : line_) {
    count.waited += std::max(now - direction->since_, Duration::zero());
  }
  count.waiting_now = static_cast<std::uint32_t>(line_.size());
  return count;
}

bool Bounds::admit_packets(const flows::WireCount& wire, Instant now) const {
  const std::array both = {rule, tenant};
  for (Bandwidth* bound : both) {
    if (bound != nullptr && !bound->admits_packets(now)) {
      bound->count_.dropped.packets += wire.packets;
      bound->count_.dropped.bytes += wire.bytes;
      return false;
    }
  }
  for (Bandwidth* bound : both) {
    if (bound != nullptr && !bound->line_.empty()) {
      bound->packet_share_ -= static_cast<std::int64_t>(wire.bytes);
    }
  }
  take(wire.bytes, now);
  return true;
}

void Bounds::take(std::uint64_t bytes, Instant now) const {
  for (Bandwidth* bound : {rule, tenant}) {
    if (bound != nullptr) {
      bound->bucket_.take(bytes, now);
      bound->count_.bytes += bytes;
    }
  }
}

std::uint32_t Bounds::share_bytes() const {
  std::uint32_t least = kMostShareBytes;
  for (const Bandwidth* bound : {rule, tenant}) {
    least = bound == nullptr ? least : std::min(least, bound->share_bytes_);
  }
  return least;
}

bool Pacer::may_go(PacedDirection& direction, const Bounds& bounds, Instant now) {
  last_now_ = now;
  if (direction.is_waiting()) {
    return false;
  }
  const bool has_turn = has_turn_ == &direction;
  has_turn_ = has_turn ? nullptr : has_turn_;
  for (Bandwidth* bound : {bounds.rule, bounds.tenant}) {
    if (bound == nullptr) {
      continue;
    }
    const bool others_come_first = !has_turn && !bound->line_.empty();
    if (others_come_first || !bound->bucket_.has_credit(now)) {
      enter(direction, *bound, now);
      return false;
    }
  }
  return true;
}

void Pacer::enter(PacedDirection& direction, Bandwidth& bound, Instant now) {
  if (bound.line_.empty()) {
    bound.packet_share_ = std::min<std::int64_t>(bound.packet_share_, 0) + bound.share_bytes_;
    lines_.splice(lines_.end(), bound.node_);
  }
  bound.line_.splice(bound.line_.end(), direction.node_);
  direction.waits_for_ = &bound;
  direction.pacer_ = this;
  direction.since_ = now;
  ++bound.count_.waits;
  if (!serving_) {
    set_alarm(bound.bucket_.next_credit(), now);
  }
}

void Pacer::leave(PacedDirection& direction, Instant now) {
  Bandwidth& bound = *direction.waits_for_;
  direction.node_.splice(direction.node_.begin(), bound.line_, direction.place_);
  direction.waits_for_ = nullptr;
  bound.count_.waited += std::max(now - direction.since_, Duration::zero());
  if (bound.line_.empty()) {
    bound.node_.splice(bound.node_.begin(), lines_, bound.place_);
  }
}

void Pacer::serve(Instant now) {
  last_now_ = now;
  rings_at_ = Instant::max();
  serving_ = true;
  for (std::size_t left = lines_.size(); left > 0 && !lines_.empty(); --left) {
    Bandwidth& bound = *lines_.front();
    lines_.splice(lines_.end(), lines_, lines_.begin());
    give_turns(bound, now);
  }
  serving_ = false;
  Instant credit = Instant::max();
  for (const Bandwidth* bound : lines_) {
    credit = std::min(credit, bound->bucket_.next_credit());
  }
  if (!lines_.empty()) {
    set_alarm(credit, now);
  }
}

void Pacer::give_turns(Bandwidth& bound, Instant now) {
  for (std::size_t left = bound.line_.size();
       left > 0 && !bound.line_.empty() && bound.bucket_.has_credit(now); --left) {
    PacedDirection& direction = *bound.line_.front();
    // A datagram longer than a share is paid for with the shares to come.
    bound.packet_share_ = std::min<std::int64_t>(bound.packet_share_, 0) + bound.share_bytes_;
    leave(direction, now);
    has_turn_ = &direction;
    direction.take_turn();
    has_turn_ = nullptr;
  }
}

// Credit that is there already is not waited for: a share may be less than what there is.
void Pacer::set_alarm(Instant credit, Instant now) {
  const Instant when = credit <= now ? now : std::max(credit, now + kLeastSleep);
  if (when < rings_at_) {
    rings_at_ = when;
    alarm_.ring_at(when);
  }
}

}  // namespace gateway
