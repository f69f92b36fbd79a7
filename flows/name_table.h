// NameTable: the host names that flows carry, each once, where other processes read them too.
//
// Theory of operation
//
// A name lies in a record of the flow region for as long as somebody uses it: a flow that is to it,
// or whoever remembers its addresses. Flow::name is the record's index. A name that is free again
// rests as long as possible before another takes its record, so that a reader who has copied a flow
// hardly ever finds the wrong one; it never finds half of one (a seqlock, as in flow_region.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flows/flow.h"
#include "flows/host_name.h"

namespace flows {

/// Different names at once. Chosen: what a flow's record leaves of 192 bytes for each
/// of a million flows; kNoName is beyond.
inline constexpr std::uint32_t kMaxNames = 24'576;

struct NameRecord {
  std::uint32_t version = 0;  // odd while the name changes
  std::uint32_t length = 0;
  std::array<std::uint64_t, 32> words{};  // the text; behind it, anything
};
static_assert(sizeof(NameRecord) >= HostName::kMaxBytes + 8);

/// What the record holds now, in another process as well. Nothing when it is empty, was changing
/// for as long as we were willing to try, or holds no name.
std::optional<HostName> read_name(const NameRecord& record);

/// Belongs to one thread.
class NameTable {
 public:
  /// `records` are all zero.
  explicit NameTable(std::span<NameRecord> records) : records_(records) {}
  /// The names' part of a flow region for `capacity` flows.
  static NameTable in_region(std::span<std::byte> region, std::uint32_t capacity);

  /// The record of `name`, with one use more. Nothing when all are in use.
  std::optional<NameIndex> use(const HostName& name);
  void use(NameIndex index);
  void release(NameIndex index);

  /// The record of the name; nothing: it has none.
  [[nodiscard]] std::optional<NameIndex> find(std::string_view text) const {
    const auto known = by_text_.find(text);
    return known == by_text_.end() ? std::nullopt : std::optional(known->second);
  }
  [[nodiscard]] std::string_view text(NameIndex index) const;
  [[nodiscard]] std::size_t size() const { return by_text_.size(); }
  /// Records that are free.
  [[nodiscard]] std::size_t room() const { return records_.size() - by_text_.size(); }

 private:
  [[nodiscard]] std::optional<NameIndex> free_record();

  std::span<NameRecord> records_;
  std::vector<std::uint32_t> uses_;  // of the records used so far
  std::deque<NameIndex> free_;       // the one that has rested longest first
  std::unordered_map<std::string_view, NameIndex> by_text_;  // in the records
};

}  // namespace flows
