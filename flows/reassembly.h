// Reassembly: fragments become the packet that they were, in bounded memory and time.
//
// Theory of operation
//
//     add(fragment) --> a datagram's pages: 4 KiB each of what was cut, and two bits for every
//                       eight bytes of it: "is there" and "a fragment began here"
//        |-- all there --> the whole packet, header in front
//        |-- contradiction --> the datagram is given up; nothing of it is ever delivered
//
// Refused is what attacks are made of: fragments that overlap (RFC 1858, RFC 5722; a whole one
// again is only ignored, RFC 8200 4.5), two ends, bytes behind the end, 65,536 bytes or more, and
// fragments of which some are ECN-capable and some are not (RFC 3168 5.3). Whether the first holds
// the transport header is asked by parse_first_fragment() before.
//
// Memory is counted in pages and shared as FragmentTable says. A packet that is not whole in time
// is given up in expire(); who waits forever, sends without end, or leaves a hole costs his own
// tenant pages, no more.
//
// Until its first fragment comes, nobody knows which flow a packet is of, and so whether it is to
// be put together at all. release() gives the fragments back one by one if not.
//
// tests/flows/reassembly_test.cc states the same; tests/fuzz/fuzz_reassembly.cc compares with a
// list of fragments and no cleverness.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "flows/drop.h"
#include "flows/flow.h"
#include "flows/fragment_table.h"
#include "flows/packet.h"

namespace flows {

struct ReassemblyLimits {
  std::uint32_t pages = 4096;             // 16 MiB, touched as they are used
  std::uint32_t pages_per_tenant = 1024;  // 4 MiB, what Linux takes for all (ipfrag_high_thresh)
};

/// Belongs to one shard's thread. Reads no clock, allocates nothing for a fragment.
class Reassembly {
 public:
  using Limits = ReassemblyLimits;

  /// A packet that will not become whole.
  struct GivenUp {
    FragmentKey key;
    WireCount wire;  // what came of it
    Drop reason{};
    std::span<const std::byte> first;  // its first fragment as it came; empty where it has not
  };
  /// Told before add() or expire() returns; calls nothing here.
  class Owner {
   public:
    virtual void given_up(const GivenUp& packet) = 0;

   protected:
    ~Owner() = default;
  };
  struct Whole {
    std::span<std::byte> bytes;  // kHeadroom may be written in front; until the next call
    WireCount wire;              // of its fragments
  };
  static constexpr std::size_t kHeadroom = 16;
  /// Longest headers in front of a fragment's part of the packet, fragment header included. Chosen:
  /// the longest of IPv4 and twice over; for IPv6 room for 80 bytes of extensions.
  static constexpr std::size_t kMaxHeaderBytes = 128;

  Reassembly(const Limits& limits, base::SipKey seed, Owner& owner);

  [[nodiscard]] static FragmentKey key_of(std::uint32_t tenant, std::uint32_t tunnel,
                                          const Packet& packet);

  /// Takes a fragment, whose parse is `packet`. Returns the whole packet when no other is missing.
  /// kBadFragment and kFragmentRepeated refuse this fragment alone. With kFragmentOverlap and
  /// kFragmentLimit its packet has been given up, and the fragment was counted with that.
  base::Result<std::optional<Whole>, Drop> add(const FragmentKey& key,
                                               std::span<const std::byte> bytes,
                                               const Packet& packet, base::Instant now);

  /// Calls `visit(std::span<std::byte>)` for every fragment held of `key`, rebuilt as it came, in
  /// the order of the packet; then forgets them. With kHeadroom in front.
  template <class Visit>
  void release(const FragmentKey& key, Visit visit) {
    const std::uint32_t index = table_.find(key);
    if (index == Table::kNone) {
      return;
    }
    std::uint32_t offset = 0;
    while (const auto fragment = rebuild(table_[index].value, offset)) {
      visit(*fragment);
    }
    forget(index);
  }
  /// Gives the packet up, if there is something of it.
  void discard(const FragmentKey& key, Drop reason);
  [[nodiscard]] bool holds(const FragmentKey& key) const {
    return table_.find(key) != Table::kNone;
  }

  /// Gives up what came at `limit` or before.
  void expire(base::Instant limit);

  [[nodiscard]] std::uint32_t packets() const { return table_.size(); }
  [[nodiscard]] std::uint32_t pages() const { return table_.used(); }

 private:
  static constexpr std::size_t kUnit = 8;  // bytes that a fragment offset counts
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kMaxBytes = 65535;
  static constexpr std::size_t kMaxPages = (kMaxBytes + kPageBytes - 1) / kPageBytes;
  static constexpr std::uint32_t kNoPage = 0xffffffff;

  // A bit for each unit of a page. Trivial, so that no page is touched before it is used.
  struct Units {
    std::array<std::uint64_t, kPageBytes / kUnit / 64> words;
    void clear() { words.fill(0); }
    void set(std::size_t unit) { words[unit / 64] |= std::uint64_t{1} << unit % 64; }
    [[nodiscard]] bool test(std::size_t unit) const {
      return (words[unit / 64] >> unit % 64 & 1U) != 0;
    }
  };
  struct Page {
    Units there;
    Units starts;
    std::array<std::byte, kPageBytes> bytes;
  };
  struct Datagram {
    Datagram() { pages.fill(kNoPage); }
    std::array<std::uint32_t, kMaxPages> pages{};
    std::array<std::byte, kMaxHeaderBytes> header{};  // the first's, else of whichever came first
    std::uint16_t header_bytes = 0;
    std::uint16_t fragment_header = 0;  // IPv6: where it begins
    bool has_first = false;
    std::uint8_t ecn = 0;           // a bit for each codepoint that was seen
    std::uint32_t first_bytes = 0;  // of payload in the first fragment
    std::uint32_t covered = 0;      // bytes that are there
    std::uint32_t highest = 0;      // where the furthest fragment ends
    std::optional<std::uint32_t> total;
    WireCount wire;
  };
  using Table = FragmentTable<Datagram>;

  struct Part {  // what of the packet a fragment holds
    std::uint32_t offset = 0;
    std::span<const std::byte> bytes;
    bool more = false;
    [[nodiscard]] std::uint32_t end() const {
      return offset + static_cast<std::uint32_t>(bytes.size());
    }
  };
  enum class Fit : std::uint8_t { kNew, kRepeated, kContradicts };

  [[nodiscard]] Fit fit(const Datagram& datagram, const Part& part, unsigned ecn) const;
  [[nodiscard]] bool is_repeated(const Datagram& datagram, const Part& part) const;
  [[nodiscard]] bool has(const Datagram& datagram, std::uint32_t unit) const;
  [[nodiscard]] bool starts_at(const Datagram& datagram, std::uint32_t unit) const;
  // False: the tenant has no page left to give but those of this very packet.
  bool make_room(std::uint32_t tenant, std::uint32_t keep);
  bool take_pages(std::uint32_t index, const Part& part);
  void store(Datagram& datagram, const Part& part);
  void keep_header(Datagram& datagram, std::span<const std::byte> bytes, const Packet& packet);
  [[nodiscard]] std::optional<Whole> finish(Datagram& datagram);
  std::size_t write_whole_header(const Datagram& datagram, std::span<std::byte> front);
  std::optional<std::span<std::byte>> rebuild(const Datagram& datagram, std::uint32_t& offset);
  void copy_out(const Datagram& datagram, std::uint32_t offset, std::span<std::byte> out) const;
  void give_up(std::uint32_t index, Drop reason);
  void forget(std::uint32_t index);

  Owner& owner_;
  Table table_;
  std::unique_ptr<Page[]> pages_;
  std::vector<std::uint32_t> free_pages_;
  std::unique_ptr<std::byte[]> scratch_;  // one packet, as it is handed out
};

/// `packet`, an IPv6 packet that is its own only fragment (RFC 6946), without its fragment header,
/// in place: its first bytes are gone then. `parsed` is its parse.
std::span<std::byte> without_fragment_header(std::span<std::byte> packet, const Packet& parsed);

}  // namespace flows
