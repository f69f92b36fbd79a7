#include "flows/flow_snapshot.h"

#include <algorithm>
#include <atomic>

namespace flows {
namespace {

// The memory may be read-only; atomic_ref<const T> comes after C++20.
template <class T>
T load(const T& word, std::memory_order order = std::memory_order_relaxed) {
  return std::atomic_ref(const_cast<T&>(word)).load(order);
}

base::Unexpected<std::string> refused(const std::string& why) {
  return base::Unexpected{"flow region: " + why};
}

std::string unlike(const char* what, std::uint64_t found, std::uint64_t wanted) {
  return std::string(what) + " is " + std::to_string(found) + ", expected " +
         std::to_string(wanted);
}

}  // namespace

base::Result<FlowSnapshot, std::string> FlowSnapshot::open(std::span<const std::byte> region) {
  if (region.size() < sizeof(RegionHeader)) {
    return refused("too short for its header");
  }
  if (reinterpret_cast<std::uintptr_t>(region.data()) % alignof(RegionHeader) != 0) {
    return refused("not aligned");
  }
  const auto* header = reinterpret_cast<const RegionHeader*>(region.data());
  if (load(header->magic, std::memory_order_acquire) != RegionHeader::kMagic) {
    return refused("not a flow region");
  }
  if (const auto version = load(header->layout_version); version != RegionHeader::kLayoutVersion) {
    return refused(unlike("layout version", version, RegionHeader::kLayoutVersion) +
                   ": reader and gateway must be of one version");
  }
  if (const auto bytes = load(header->record_bytes); bytes != sizeof(Flow)) {
    return refused(unlike("record size", bytes, sizeof(Flow)));
  }
  const std::uint32_t capacity = load(header->capacity);
  if (capacity < 1 || capacity > kMaxCapacity) {
    return refused("impossible capacity " + std::to_string(capacity));
  }
  const RegionLayout layout = RegionLayout::of(capacity);
  if (const auto count = load(header->block_count); count != layout.block_count) {
    return refused(unlike("block count", count, layout.block_count));
  }
  if (const auto offset = load(header->blocks_offset); offset != layout.blocks_offset) {
    return refused(unlike("offset of the blocks", offset, layout.blocks_offset));
  }
  if (const auto offset = load(header->records_offset); offset != layout.records_offset) {
    return refused(unlike("offset of the records", offset, layout.records_offset));
  }
  if (region.size() < layout.bytes) {
    return refused(unlike("size", region.size(), layout.bytes));
  }
  return FlowSnapshot(header, reinterpret_cast<const Flow*>(region.data() + layout.records_offset),
                      capacity,
                      {reinterpret_cast<const NameRecord*>(region.data() + layout.names_offset),
                       layout.name_count});
}

std::uint32_t FlowSnapshot::live_count() const {
  return std::min(load(header_->live_count), capacity_);
}

std::uint32_t FlowSnapshot::record_count() const {
  return std::min(load(header_->high_water), capacity_);
}

std::optional<Flow> FlowSnapshot::find(std::uint64_t id) const {
  std::optional<Flow> found;
  for_each([&](const Flow& flow) {
    if (flow.id == id) {
      found = flow;
    }
  });
  return found;
}

}  // namespace flows
