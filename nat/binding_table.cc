#include "nat/binding_table.h"

#include "base/byte_order.h"
#include "base/check.h"

namespace nat {
namespace {

using base::Endpoint;
using base::IpAddress;
using base::Port;
using flows::Drop;
using flows::FlowIndex;
using flows::kNoFlowIndex;
using flows::kNone32;

// The part of an address that IpAddress::plus() counts in.
std::uint32_t last_32_bits(const IpAddress& address) {
  return base::load_be<std::uint32_t>(address.bytes(), 12);
}

}  // namespace

BindingTable::BindingTable(const BindingRange& range) : range_(range) {
  CHECK(range.first_v4.is_v4() && range.first_v6.is_v6());
  CHECK(number(range.first_port) > 0 && range.first_port <= range.last_port);
  CHECK(range.slots >= 1 && range.slots < kNone32);
  ports_ = std::uint32_t{number(range.last_port)} - number(range.first_port) + 1;
  const std::uint32_t last_offset = (range.slots - 1) / ports_;
  CHECK(last_offset <= ~last_32_bits(range.first_v4));
  CHECK(last_offset <= ~last_32_bits(range.first_v6));
  slots_.reserve(range.slots);
}

base::Result<BindingIndex, Drop> BindingTable::claim(FlowIndex flow) {
  CHECK(flow != kNoFlowIndex);
  auto slot = static_cast<std::uint32_t>(slots_.size());
  if (slot < range_.slots) {
    slots_.push_back({.flow = flow});
  } else if (longest_free_ != kNone32) {
    slot = longest_free_;
    longest_free_ = slots_[slot].next_or_note;
    slots_[slot] = {.flow = flow};
  } else {
    return base::Unexpected{Drop::kNoFreeBinding};
  }
  ++claimed_;
  return BindingIndex{slot};
}

void BindingTable::release(BindingIndex binding) {
  const std::uint32_t slot = number(binding);
  CHECK(is_claimed(slot));
  slots_[slot] = {};
  if (longest_free_ == kNone32) {
    longest_free_ = slot;
  } else {
    slots_[last_freed_].next_or_note = slot;
  }
  last_freed_ = slot;
  --claimed_;
}

Endpoint BindingTable::outside(BindingIndex binding, Family family) const {
  const std::uint32_t slot = number(binding);
  CHECK(slot < range_.slots);
  const auto port = static_cast<std::uint16_t>(number(range_.first_port) + slot % ports_);
  return {first(family).plus(slot / ports_), Port{port}};
}

std::optional<BindingIndex> BindingTable::find(const Endpoint& outside) const {
  if (outside.port < range_.first_port || outside.port > range_.last_port) {
    return std::nullopt;
  }
  const IpAddress& start = first(outside.address.is_v4() ? Family::kV4 : Family::kV6);
  const std::uint32_t offset = last_32_bits(outside.address) - last_32_bits(start);
  if (outside.address != start.plus(offset)) {
    return std::nullopt;  // another prefix
  }
  const std::uint64_t slot =
      std::uint64_t{offset} * ports_ + number(outside.port) - number(range_.first_port);
  if (slot >= range_.slots || !is_claimed(static_cast<std::uint32_t>(slot))) {
    return std::nullopt;
  }
  return BindingIndex{static_cast<std::uint32_t>(slot)};
}

FlowIndex BindingTable::flow(BindingIndex binding) const {
  CHECK(is_claimed(number(binding)));
  return slots_[number(binding)].flow;
}

std::uint32_t BindingTable::note(BindingIndex binding) const {
  CHECK(is_claimed(number(binding)));
  return slots_[number(binding)].next_or_note;
}

void BindingTable::set_note(BindingIndex binding, std::uint32_t note) {
  CHECK(is_claimed(number(binding)));
  slots_[number(binding)].next_or_note = note;
}

}  // namespace nat
