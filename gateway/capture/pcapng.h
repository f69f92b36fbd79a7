// pcapng: the blocks of a capture file that Wireshark opens (draft-ietf-opsawg-pcapng), written.
//
//     Section Header | Interface Description ... | Enhanced Packet ... | Interface Statistics ...
//
// Everything is little-endian and padded to 32 bits; a block's length stands at both of its ends.
// Texts that are too long for an option (65,535 bytes) are cut. Pure; tests/fuzz/fuzz_pcapng.cc
// reads back what was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gateway::pcapng {

inline constexpr std::uint16_t kLinkTypeRaw = 101;  // LINKTYPE_RAW: IPv4 or IPv6, as its version is

/// The beginning of every file. `application` is who has written it.
void append_section(std::string& out, std::string_view application);

/// Interfaces are numbered from 0 in the order in which they are described. Times are nanoseconds.
struct Interface {
  std::string_view name{};
  std::string_view description{};
  std::uint16_t link_type = kLinkTypeRaw;
  std::uint32_t snap_bytes = 0;  // 0: no limit
};
void append_interface(std::string& out, const Interface& interface);

enum class Direction : std::uint8_t { kUnknown = 0, kInbound = 1, kOutbound = 2 };

struct Packet {
  std::uint32_t interface = 0;
  std::int64_t time_ns = 0;  // since 1970
  std::span<const std::byte> bytes{};
  std::uint32_t original_bytes = 0;  // when `bytes` were cut; else their number
  Direction direction{};
  std::string_view comment{};  // empty: none
};
void append_packet(std::string& out, const Packet& packet);

struct Statistics {
  std::uint32_t interface = 0;
  std::int64_t time_ns = 0;  // of this count
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  std::uint64_t received = 0;   // that were let through by the filter
  std::uint64_t dropped = 0;    // of those: for want of room
  std::uint64_t delivered = 0;  // in this file
};
void append_statistics(std::string& out, const Statistics& statistics);

}  // namespace gateway::pcapng
