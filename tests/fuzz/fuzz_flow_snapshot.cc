// Any bytes at all as the flow region: open() must refuse them, or whatever is read of them must
// lie inside (AddressSanitizer watches the end of the allocation).
//
// The first byte chooses: 0 takes the rest as the region; anything else makes a real region, writes
// over it what the input says, and may cut it short. So the corpus reaches behind the header checks
// whatever the layout is.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "flows/flow_snapshot.h"
#include "flows/flow_table.h"

namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// Exactly as long as asked for, and aligned like a mapping.
std::unique_ptr<void, Free> zeroed(std::size_t bytes) {
  void* memory = nullptr;
  CHECK(::posix_memalign(&memory, 64, std::max<std::size_t>(bytes, 1)) == 0);
  std::memset(memory, 0, bytes);
  return std::unique_ptr<void, Free>(memory);
}

void read_everything(std::span<const std::byte> region) {
  const auto snapshot = flows::FlowSnapshot::open(region);
  if (!snapshot) {
    CHECK(!snapshot.error().empty());
    return;
  }
  flows::RegionHeader header{};
  std::memcpy(&header, region.data(), sizeof(header));
  CHECK(flows::FlowTable::region_bytes(header.capacity) <= region.size());
  CHECK(snapshot->live_count() <= header.capacity);

  std::uint32_t shown = 0;
  std::uint64_t last_id = 0;
  snapshot->for_each([&](const flows::Flow& flow) {
    CHECK(flow.id != 0 && flow.version % 2 == 0);
    CHECK(!name(flow.action).empty() && !name(flow.state).empty());
    CHECK(!name(flow.tcp_phase).empty() && !name(flow.end_reason).empty());
    CHECK(!flows::protocol_name(flow.key.protocol).empty());
    CHECK(!flow.key.source.to_string().empty() && !flow.upstream.to_string().empty());
    ++shown;
    last_id = flow.id;
  });
  CHECK(shown <= header.capacity);
  CHECK(snapshot->find(last_id).has_value() == (shown > 0));
}

void read_raw(std::span<const std::uint8_t> input) {
  const auto memory = zeroed(input.size());
  std::memcpy(memory.get(), input.data(), input.size());
  read_everything({static_cast<const std::byte*>(memory.get()), input.size()});
}

// Input: capacity, flows, bytes to cut off the end; then patches of offset (2 bytes) and value.
void read_patched(std::span<const std::uint8_t> input) {
  if (input.size() < 3) {
    return;
  }
  const std::uint32_t capacity = input[0] % 8 + 1;
  const std::size_t bytes = flows::FlowTable::region_bytes(capacity);
  const auto memory = zeroed(bytes);
  const std::span region(static_cast<std::byte*>(memory.get()), bytes);
  auto table = flows::FlowTable::create(region, capacity, {});
  for (std::uint16_t i = 0; i < std::min<std::uint32_t>(input[1], capacity); ++i) {
    CHECK(table.insert({.source = {{}, base::Port{i}}, .destination = {}}, {}));
  }

  const std::size_t left = bytes - std::min<std::size_t>(input[2], bytes);
  for (auto rest = input.subspan(3); rest.size() >= 3; rest = rest.subspan(3)) {
    const std::size_t offset = (rest[0] | static_cast<unsigned>(rest[1]) << 8U) % bytes;
    region[offset] = std::byte{rest[2]};
  }
  const auto cut = zeroed(left);
  std::memcpy(cut.get(), memory.get(), left);
  read_everything({static_cast<const std::byte*>(cut.get()), left});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span input(data, size);
  if (input.empty()) {
    return 0;
  }
  if (input[0] == 0) {
    read_raw(input.subspan(1));
  } else {
    read_patched(input.subspan(1));
  }
  return 0;
}
