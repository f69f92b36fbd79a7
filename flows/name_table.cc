#include "flows/name_table.h"

#include <atomic>
#include <cstring>

#include "base/check.h"
#include "flows/flow_region.h"

namespace flows {
namespace {

constexpr int kMaxTries = 1000;  // a change takes some hundred nanoseconds

template <class T>
T load(const T& value) {
  return std::atomic_ref(const_cast<T&>(value)).load(std::memory_order_acquire);
}

template <class T>
void store(T& value, T to) {
  std::atomic_ref(value).store(to, std::memory_order_release);
}

std::size_t position(NameIndex index) {
  return static_cast<std::size_t>(index);
}

// Readers hold nothing of a name but its bytes, so its labels are those of a host name or it is
// none.
std::optional<HostName> as_host_name(std::string_view text) {
  HostName name;
  while (!text.empty()) {
    const std::size_t dot = std::min(text.find('.'), text.size());
    if (dot == 0 || !name.append_label(text.substr(0, dot))) {
      return std::nullopt;
    }
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return name;
}

void write(NameRecord& record, std::string_view text) {
  std::array<std::uint64_t, 32> words{};
  std::memcpy(words.data(), text.data(), text.size());
  const std::uint32_t version = record.version;
  store(record.version, version + 1);
  store(record.length, static_cast<std::uint32_t>(text.size()));
  for (std::size_t i = 0; i < words.size(); ++i) {
    store(record.words[i], words[i]);
  }
  store(record.version, version + 2);
}

}  // namespace

std::optional<HostName> read_name(const NameRecord& record) {
  for (int i = 0; i < kMaxTries; ++i) {
    const std::uint32_t version = load(record.version);
    if (version % 2 != 0) {
      continue;
    }
    const std::size_t length = load(record.length);
    std::array<std::uint64_t, 32> words{};
    for (std::size_t word = 0; word < words.size(); ++word) {
      words[word] = load(record.words[word]);
    }
    if (load(record.version) != version) {
      continue;
    }
    if (length == 0 || length > HostName::kMaxBytes) {
      return std::nullopt;
    }
    return as_host_name({reinterpret_cast<const char*>(words.data()), length});
  }
  return std::nullopt;
}

NameTable NameTable::in_region(std::span<std::byte> region, std::uint32_t capacity) {
  const RegionLayout layout = RegionLayout::of(capacity);
  CHECK(region.size() >= layout.bytes);
  return NameTable(
      {reinterpret_cast<NameRecord*>(region.data() + layout.names_offset), layout.name_count});
}

std::optional<NameIndex> NameTable::use(const HostName& name) {
  CHECK(!name.is_empty());
  if (const auto known = by_text_.find(name.text()); known != by_text_.end()) {
    use(known->second);
    return known->second;
  }
  const auto index = free_record();
  if (!index) {
    return std::nullopt;
  }
  write(records_[position(*index)], name.text());
  by_text_.emplace(text(*index), *index);
  use(*index);
  return index;
}

std::optional<NameIndex> NameTable::free_record() {
  if (uses_.size() < records_.size()) {
    uses_.push_back(0);
    return NameIndex{static_cast<std::uint16_t>(uses_.size() - 1)};
  }
  if (free_.empty()) {
    return std::nullopt;
  }
  const NameIndex index = free_.front();
  free_.pop_front();
  return index;
}

void NameTable::use(NameIndex index) {
  ++uses_[position(index)];
}

void NameTable::release(NameIndex index) {
  std::uint32_t& uses = uses_[position(index)];
  CHECK(uses > 0);
  if (--uses == 0) {
    by_text_.erase(text(index));
    free_.push_back(index);
  }
}

std::string_view NameTable::text(NameIndex index) const {
  const NameRecord& record = records_[position(index)];
  return {reinterpret_cast<const char*>(record.words.data()), record.length};
}

}  // namespace flows
