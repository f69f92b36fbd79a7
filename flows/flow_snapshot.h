// FlowSnapshot: reads the flows of a running gateway from another process.
//
// The region is the gateway's flow table, mapped read-only. It is not believed: everything its
// header says is checked against the size of the mapping, so that no read leaves it, and a record
// that stays under change is passed over. The gateway is neither asked nor held up; flows come and
// go while they are listed, but each that is shown is shown whole. A record says what was written
// to it: an enum may hold any number. tests/flows/flow_snapshot_test.cc states the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "flows/flow.h"
#include "flows/flow_region.h"

namespace flows {

class FlowSnapshot {
 public:
  /// `region` must stay mapped, and its file unshrunk, for as long as the snapshot is used. Fails
  /// with what is wrong with it: "flow region: ...".
  static base::Result<FlowSnapshot, std::string> open(std::span<const std::byte> region);

  [[nodiscard]] std::uint32_t live_count() const;

  /// Calls `show(const Flow&)` with a consistent copy of each live record.
  template <class Show>
  void for_each(Show show) const {
    for_each_indexed([&](FlowIndex, const Flow& flow) { show(flow); });
  }
  /// The same with `show(FlowIndex, const Flow&)`: where at() finds the record again.
  template <class Show>
  void for_each_indexed(Show show) const {
    const std::uint32_t end = record_count();
    for (std::uint32_t i = 0; i < end; ++i) {
      if (const auto flow = read_record(records_[i])) {
        show(FlowIndex{i}, *flow);
      }
    }
  }

  /// A consistent copy of the record, which may be another flow's by now; empty when it is free.
  [[nodiscard]] std::optional<Flow> at(FlowIndex index) const {
    return number(index) < capacity_ ? read_record(records_[number(index)]) : std::nullopt;
  }

  /// The host name that a flow had when it was copied. Nothing when it has none, and in the moment
  /// in which another takes its place.
  [[nodiscard]] std::optional<HostName> name(const Flow& flow) const {
    const auto index = static_cast<std::size_t>(flow.name);
    return index < names_.size() ? read_name(names_[index]) : std::nullopt;
  }

  /// Looks at every record: ids are not indexed.
  [[nodiscard]] std::optional<Flow> find(std::uint64_t id) const;

 private:
  FlowSnapshot(const RegionHeader* header, const Flow* records, std::uint32_t capacity,
               std::span<const NameRecord> names)
      : header_(header), records_(records), capacity_(capacity), names_(names) {}

  // Records that may have been in use; at most what the region has room for.
  [[nodiscard]] std::uint32_t record_count() const;

  const RegionHeader* header_;
  const Flow* records_;
  std::uint32_t capacity_;  // as checked; the header could change under us
  std::span<const NameRecord> names_;
};

}  // namespace flows
