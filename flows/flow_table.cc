#include "flows/flow_table.h"

#include <atomic>
#include <memory>

#include "base/check.h"

namespace flows {
namespace {

// For the words of the header that readers look at: no order is needed, only whole values.
template <class T>
void store(T& word, T value) {
  std::atomic_ref(word).store(value, std::memory_order_relaxed);
}

}  // namespace

std::size_t FlowTable::region_bytes(std::uint32_t capacity) {
  return RegionLayout::of(capacity).bytes;
}

FlowTable FlowTable::create(std::span<std::byte> region, std::uint32_t capacity, HashSeed seed,
                            std::uint64_t first_id) {
  const RegionLayout layout = RegionLayout::of(capacity);
  CHECK(region.size() >= layout.bytes);
  CHECK(reinterpret_cast<std::uintptr_t>(region.data()) % alignof(RegionHeader) == 0);

  auto* header = reinterpret_cast<RegionHeader*>(region.data());
  CHECK(header->magic == 0);  // all zero, or at least not in use
  header->layout_version = RegionHeader::kLayoutVersion;
  header->record_bytes = sizeof(Flow);
  header->capacity = capacity;
  header->block_count = layout.block_count;
  header->blocks_offset = layout.blocks_offset;
  header->records_offset = layout.records_offset;
  header->next_id = first_id;
  // Last, so that who finds it finds the rest.
  std::atomic_ref(header->magic).store(RegionHeader::kMagic, std::memory_order_release);

  return {header,
          {reinterpret_cast<HashBlock*>(region.data() + layout.blocks_offset), layout.block_count},
          reinterpret_cast<Flow*>(region.data() + layout.records_offset),
          seed};
}

std::optional<FlowMatch> FlowTable::find(const FlowKey& key, std::uint32_t hash) const {
  SameFlow way{};
  const auto at = index_.find(hash, [&](std::uint32_t position) {
    way = compare(records_[position].key, key);
    return way == SameFlow::kSameWay ||
           (way == SameFlow::kReversed && !is_denied(records_[position]));
  });
  if (!at) {
    return std::nullopt;
  }
  return FlowMatch{FlowIndex{*at}, way == SameFlow::kSameWay ? Side::kInitiator : Side::kResponder};
}

Flow FlowTable::draft(const FlowKey& key, base::Instant now) const {
  Flow flow;
  flow.key = key;
  flow.id = header_->next_id;
  flow.created_ns = base::to_nanoseconds(now);
  flow.last_seen_ns = flow.created_ns;
  return flow;
}

FlowIndex FlowTable::add(const Flow& flow, const FlowKey& key) {
  const std::uint32_t hash = symmetric_hash(key, seed_);
  CHECK(flow.key == key && flow.id == header_->next_id);
  CHECK(!find(key, hash));

  const std::uint32_t at = take_free_record();
  Flow& record = records_[at];
  record.wheel_previous = kNone32;
  record.wheel_next = kNone32;
  record.wheel_tick = kNone32;
  index_.add(hash, at);
  publish_record(record, flow);
  store(header_->next_id, header_->next_id + 1);
  store(header_->live_count, header_->live_count + 1);
  return FlowIndex{at};
}

std::uint32_t FlowTable::take_free_record() {
  if (header_->free_head != 0) {
    const std::uint32_t at = header_->free_head - 1;
    header_->free_head = records_[at].wheel_next + 1;
    return at;
  }
  const std::uint32_t at = header_->high_water;
  CHECK(at < header_->capacity);
  store(header_->high_water, at + 1);
  return at;
}

void FlowTable::replace(FlowIndex index, const Flow& flow) {
  Flow& record = (*this)[index];
  CHECK(flow.id == record.id && flow.key == record.key && flow.id != 0);
  publish_record(record, flow);
}

void FlowTable::erase(FlowIndex index) {
  Flow& record = (*this)[index];
  CHECK(record.id != 0);
  CHECK(record.wheel_tick == kNone32);
  index_.remove(symmetric_hash(record.key, seed_), number(index));
  retire_record(record);
  record.wheel_next = header_->free_head - 1;
  header_->free_head = number(index) + 1;
  store(header_->live_count, header_->live_count - 1);
}

}  // namespace flows
