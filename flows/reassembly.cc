#include "flows/reassembly.h"

#include <algorithm>
#include <numeric>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/internet_checksum.h"

namespace flows {

using base::load_be;
using base::Result;
using base::store_be;
using base::Unexpected;

namespace {

constexpr std::size_t kFragmentHeaderBytes = 8;
constexpr std::size_t kIpv6FixedBytes = 40;
constexpr std::uint16_t kMoreFragments = 0x2000;
constexpr std::uint16_t kDontFragment = 0x4000;

// A bit for each codepoint of the ECN field.
constexpr unsigned kNotCapable = 1U << 0U, kCe = 1U << 3U;

unsigned ecn_bit(const Packet& packet) {
  return 1U << (packet.traffic_class & 3U);
}

bool is_v4(std::span<const std::byte> packet) {
  return (packet[0] >> 4U) == std::byte{4};
}

// Whether fragments with these codepoints can be of one packet (RFC 3168 5.3).
bool may_mix(unsigned seen) {
  return (seen & kNotCapable) == 0 || seen == kNotCapable;
}

// The codepoint of the whole.
unsigned combined_ecn(unsigned seen, unsigned of_first) {
  return (seen & kCe) != 0 ? 3U : of_first;
}

void write_ipv4_checksum(std::span<std::byte> header) {
  store_be<std::uint16_t>(header, 10, 0);
  store_be(header, 10, checksum_of(sum_of(header)));
}

// Where the number of the header at `offset` stands; the chain has been parsed.
std::size_t named_at(std::span<const std::byte> headers, std::size_t offset) {
  constexpr std::size_t kNextHeader = 6;
  constexpr unsigned kAuthentication = 51;
  std::size_t named = kNextHeader;
  std::size_t at = kIpv6FixedBytes;
  while (at < offset) {
    const unsigned units = load_be<std::uint8_t>(headers, at + 1);
    const bool counts_words = load_be<std::uint8_t>(headers, named) == kAuthentication;
    named = at;
    at += counts_words ? (units + 2) * std::size_t{4} : (units + 1) * std::size_t{8};
  }
  return named;
}

}  // namespace

Reassembly::Reassembly(const Limits& limits, base::SipKey seed, Owner& owner)
    : owner_(owner),
      table_(limits.pages, limits.pages_per_tenant, seed),
      pages_(std::make_unique_for_overwrite<Page[]>(limits.pages)),
      free_pages_(limits.pages),
      scratch_(std::make_unique_for_overwrite<std::byte[]>(kHeadroom + kMaxHeaderBytes + 65536)) {
  std::iota(free_pages_.rbegin(), free_pages_.rend(), 0U);
}

FragmentKey Reassembly::key_of(std::uint32_t tenant, std::uint32_t tunnel, const Packet& packet) {
  return {
      .source = packet.source.address,
      .destination = packet.destination.address,
      .tenant = tenant,
      .tunnel = tunnel,
      .id = packet.fragment_id,
      .protocol = packet.is_v4() ? static_cast<std::uint8_t>(packet.protocol) : std::uint8_t{0}};
}

Result<std::optional<Reassembly::Whole>, Drop> Reassembly::add(const FragmentKey& key,
                                                               std::span<const std::byte> bytes,
                                                               const Packet& packet,
                                                               base::Instant now) {
  const Part part{packet.fragment_offset, bytes.subspan(packet.transport_offset),
                  packet.more_fragments};
  // What the whole would have besides: the IPv4 header, or the extensions in front.
  const std::size_t beside = packet.is_v4()
                                 ? packet.transport_offset
                                 : packet.transport_offset - kIpv6FixedBytes - kFragmentHeaderBytes;
  if (part.bytes.empty() || (part.more && part.bytes.size() % kUnit != 0) ||
      part.end() + beside > kMaxBytes || packet.transport_offset > kMaxHeaderBytes) {
    return Unexpected{Drop::kBadFragment};
  }
  std::uint32_t index = table_.find(key);
  if (index != Table::kNone) {
    switch (fit(table_[index].value, part, ecn_bit(packet))) {
      case Fit::kNew:
        break;
      case Fit::kRepeated:
        return Unexpected{Drop::kFragmentRepeated};
      case Fit::kContradicts:
        table_[index].value.wire.packets += 1;
        table_[index].value.wire.bytes += bytes.size();
        give_up(index, Drop::kFragmentOverlap);
        return Unexpected{Drop::kFragmentOverlap};
    }
  } else {
    make_room(key.tenant, Table::kNone);
    index = table_.insert(key, now);  // its unit is the page that take_pages() fills first
  }
  Datagram& datagram = table_[index].value;
  datagram.wire.packets += 1;
  datagram.wire.bytes += bytes.size();
  if (!take_pages(index, part)) {
    give_up(index, Drop::kFragmentLimit);
    return Unexpected{Drop::kFragmentLimit};
  }
  keep_header(datagram, bytes, packet);
  store(datagram, part);
  if (datagram.covered != datagram.total) {
    return std::optional<Whole>{};
  }
  const auto whole = finish(datagram);
  if (!whole) {
    give_up(index, Drop::kFragmentOverlap);  // the first one's header is too long for the rest
    return Unexpected{Drop::kFragmentOverlap};
  }
  forget(index);
  return whole;
}

// ---- What fits ----

bool Reassembly::has(const Datagram& datagram, std::uint32_t unit) const {
  const std::uint32_t page = datagram.pages[unit / (kPageBytes / kUnit)];
  return page != kNoPage && pages_[page].there.test(unit % (kPageBytes / kUnit));
}

bool Reassembly::starts_at(const Datagram& datagram, std::uint32_t unit) const {
  const std::uint32_t page = datagram.pages[unit / (kPageBytes / kUnit)];
  return page != kNoPage && pages_[page].starts.test(unit % (kPageBytes / kUnit));
}

Reassembly::Fit Reassembly::fit(const Datagram& datagram, const Part& part, unsigned ecn) const {
  const std::uint32_t first = part.offset / kUnit;
  const std::uint32_t last = (part.end() - 1) / kUnit;
  for (std::uint32_t unit = first; unit <= last; ++unit) {
    if (has(datagram, unit)) {
      return is_repeated(datagram, part) ? Fit::kRepeated : Fit::kContradicts;
    }
  }
  const bool two_ends = datagram.total && (!part.more || part.end() >= *datagram.total);
  const bool behind_the_end = !part.more && datagram.highest > part.offset;
  const bool fits = !two_ends && !behind_the_end && may_mix(datagram.ecn | ecn);
  return fits ? Fit::kNew : Fit::kContradicts;
}

// One fragment began where this one does and ended where it does, with the same bytes.
bool Reassembly::is_repeated(const Datagram& datagram, const Part& part) const {
  const std::uint32_t first = part.offset / kUnit;
  const std::uint32_t last = (part.end() - 1) / kUnit;
  const bool was_last = datagram.total && part.end() == *datagram.total;
  if (!starts_at(datagram, first) || part.more == was_last || (!part.more && !was_last)) {
    return false;
  }
  if (part.end() > datagram.highest) {
    return false;  // the last one ended within its unit; what is behind it there is another's
  }
  for (std::uint32_t unit = first; unit <= last; ++unit) {
    if (!has(datagram, unit) || (unit != first && starts_at(datagram, unit))) {
      return false;
    }
  }
  const bool goes_on = part.more && part.end() < kMaxBytes && has(datagram, last + 1) &&
                       !starts_at(datagram, last + 1);
  if (goes_on) {
    return false;
  }
  for (std::size_t at = 0; at < part.bytes.size();) {
    const std::size_t offset = part.offset + at;
    const std::size_t in_page = offset % kPageBytes;
    const std::size_t size = std::min(kPageBytes - in_page, part.bytes.size() - at);
    const Page& page = pages_[datagram.pages[offset / kPageBytes]];
    if (!std::ranges::equal(part.bytes.subspan(at, size),
                            std::span(page.bytes).subspan(in_page, size))) {
      return false;
    }
    at += size;
  }
  return true;
}

// ---- Pages ----

bool Reassembly::make_room(std::uint32_t tenant, std::uint32_t keep) {
  while (const auto victim = table_.giver(tenant, keep)) {
    if (*victim == keep) {
      return false;
    }
    give_up(*victim, Drop::kFragmentLimit);
  }
  return true;
}

bool Reassembly::take_pages(std::uint32_t index, const Part& part) {
  Datagram& datagram = table_[index].value;
  const std::size_t last = (part.end() - 1) / kPageBytes;
  // The entry's own unit was taken with it; every further page is another one.
  bool is_first = std::ranges::all_of(datagram.pages, [](auto page) { return page == kNoPage; });
  for (std::size_t i = part.offset / kPageBytes; i <= last; ++i) {
    if (datagram.pages[i] != kNoPage) {
      continue;
    }
    if (!is_first) {
      if (!make_room(table_[index].key.tenant, index)) {
        return false;
      }
      table_.use_unit(index);
    }
    is_first = false;
    datagram.pages[i] = free_pages_.back();
    free_pages_.pop_back();
    pages_[datagram.pages[i]].there.clear();
    pages_[datagram.pages[i]].starts.clear();
  }
  return true;
}

void Reassembly::store(Datagram& datagram, const Part& part) {
  for (std::size_t at = 0; at < part.bytes.size();) {
    const std::size_t offset = part.offset + at;
    const std::size_t in_page = offset % kPageBytes;
    const std::size_t size = std::min(kPageBytes - in_page, part.bytes.size() - at);
    Page& page = pages_[datagram.pages[offset / kPageBytes]];
    std::ranges::copy(part.bytes.subspan(at, size), page.bytes.begin() + std::ptrdiff_t(in_page));
    for (std::size_t unit = in_page / kUnit; unit * kUnit < in_page + size; ++unit) {
      page.there.set(unit);
    }
    at += size;
  }
  pages_[datagram.pages[part.offset / kPageBytes]].starts.set(part.offset % kPageBytes / kUnit);
  datagram.covered += static_cast<std::uint32_t>(part.bytes.size());
  datagram.highest = std::max(datagram.highest, part.end());
  if (!part.more) {
    datagram.total = part.end();
  }
}

void Reassembly::keep_header(Datagram& datagram, std::span<const std::byte> bytes,
                             const Packet& packet) {
  datagram.ecn |= static_cast<std::uint8_t>(ecn_bit(packet));
  const bool is_first = packet.fragment_offset == 0;
  if (datagram.header_bytes != 0 && !is_first) {
    return;
  }
  datagram.has_first = is_first;
  datagram.header_bytes = packet.transport_offset;
  datagram.fragment_header = packet.is_v4() ? std::uint16_t{0} : packet.protocol_offset;
  std::ranges::copy(bytes.first(packet.transport_offset), datagram.header.begin());
  if (is_first) {
    datagram.first_bytes = packet.total_bytes - packet.transport_offset;
  }
}

// ---- What comes out ----

void Reassembly::copy_out(const Datagram& datagram, std::uint32_t offset,
                          std::span<std::byte> out) const {
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t in_page = (offset + at) % kPageBytes;
    const std::size_t size = std::min(kPageBytes - in_page, out.size() - at);
    const Page& page = pages_[datagram.pages[(offset + at) / kPageBytes]];
    std::ranges::copy(std::span(page.bytes).subspan(in_page, size),
                      out.begin() + std::ptrdiff_t(at));
    at += size;
  }
}

std::optional<Reassembly::Whole> Reassembly::finish(Datagram& datagram) {
  const std::span<std::byte> room(scratch_.get() + kHeadroom, kMaxHeaderBytes + kMaxBytes);
  const std::size_t header_bytes = write_whole_header(datagram, room);
  const auto whole = room.first(header_bytes + *datagram.total);
  const bool v4 = is_v4(whole);
  const std::size_t counted = whole.size() - (v4 ? 0 : kIpv6FixedBytes);
  if (counted > kMaxBytes) {
    return std::nullopt;
  }
  copy_out(datagram, 0, whole.subspan(header_bytes));
  store_be(whole, v4 ? 2 : 4, static_cast<std::uint16_t>(counted));
  // In both families the ECN field is within the first two bytes, four bits further up in IPv6.
  const unsigned shift = v4 ? 0 : 4;
  const unsigned front = load_be<std::uint16_t>(whole, 0);
  const unsigned ecn = combined_ecn(datagram.ecn, front >> shift & 3U);
  store_be(whole, 0, static_cast<std::uint16_t>((front & ~(3U << shift)) | ecn << shift));
  if (v4) {
    write_ipv4_checksum(whole.first(header_bytes));
  }
  return Whole{whole, datagram.wire};
}

// The headers without a word of fragments, but for the lengths, the ECN bits and the checksum.
std::size_t Reassembly::write_whole_header(const Datagram& datagram, std::span<std::byte> front) {
  const auto kept = std::span(datagram.header).first(datagram.header_bytes);
  if (is_v4(kept)) {
    std::ranges::copy(kept, front.begin());
    store_be<std::uint16_t>(front, 6, load_be<std::uint16_t>(front, 6) & kDontFragment);
    return kept.size();
  }
  const auto in_front = kept.first(datagram.fragment_header);
  std::ranges::copy(in_front, front.begin());
  front[named_at(kept, datagram.fragment_header)] = kept[datagram.fragment_header];
  return in_front.size();
}

// The fragment that begins at `offset` or next behind; `offset` moves to its end.
std::optional<std::span<std::byte>> Reassembly::rebuild(const Datagram& datagram,
                                                        std::uint32_t& offset) {
  while (offset < datagram.highest && !has(datagram, offset / kUnit)) {
    offset += kUnit;
  }
  if (offset >= datagram.highest) {
    return std::nullopt;
  }
  std::uint32_t end = offset + kUnit;
  while (end < datagram.highest && has(datagram, end / kUnit) &&
         !starts_at(datagram, end / kUnit)) {
    end += kUnit;
  }
  end = std::min(end, datagram.highest);
  const auto header = std::span(datagram.header).first(datagram.header_bytes);
  const std::span<std::byte> fragment(scratch_.get() + kHeadroom, header.size() + end - offset);
  std::ranges::copy(header, fragment.begin());
  copy_out(datagram, offset, fragment.subspan(header.size()));
  const bool more = end != datagram.total;
  if (is_v4(fragment)) {
    const unsigned kept = load_be<std::uint16_t>(fragment, 6) & kDontFragment;
    store_be(fragment, 2, static_cast<std::uint16_t>(fragment.size()));
    store_be(fragment, 6,
             static_cast<std::uint16_t>(kept | (more ? kMoreFragments : 0U) | offset / kUnit));
    write_ipv4_checksum(fragment.first(header.size()));
  } else {
    store_be(fragment, 4, static_cast<std::uint16_t>(fragment.size() - kIpv6FixedBytes));
    store_be(fragment, datagram.fragment_header + 2U,
             static_cast<std::uint16_t>(offset | (more ? 1U : 0U)));
  }
  offset = end;
  return fragment;
}

std::span<std::byte> without_fragment_header(std::span<std::byte> packet, const Packet& parsed) {
  constexpr std::size_t kLength = 4;
  const std::size_t header = parsed.protocol_offset;
  const auto length = load_be<std::uint16_t>(packet, kLength);
  packet[named_at(packet, header)] = packet[header];
  store_be(packet, kLength, static_cast<std::uint16_t>(length - kFragmentHeaderBytes));
  const auto in_front = packet.first(header);
  std::ranges::copy_backward(
      in_front, packet.begin() + static_cast<std::ptrdiff_t>(header + kFragmentHeaderBytes));
  return packet.subspan(kFragmentHeaderBytes);
}

// ---- What does not ----

void Reassembly::give_up(std::uint32_t index, Drop reason) {
  const Datagram& datagram = table_[index].value;
  GivenUp packet{.key = table_[index].key, .wire = datagram.wire, .reason = reason, .first = {}};
  if (datagram.has_first) {
    std::uint32_t offset = 0;
    packet.first = *rebuild(datagram, offset);
  }
  owner_.given_up(packet);
  forget(index);
}

void Reassembly::forget(std::uint32_t index) {
  for (const std::uint32_t page : table_[index].value.pages) {
    if (page != kNoPage) {
      free_pages_.push_back(page);
    }
  }
  table_.erase(index);
}

void Reassembly::discard(const FragmentKey& key, Drop reason) {
  if (const std::uint32_t index = table_.find(key); index != Table::kNone) {
    give_up(index, reason);
  }
}

void Reassembly::expire(base::Instant limit) {
  while (const auto index = table_.arrived_by(limit)) {
    give_up(*index, Drop::kFragmentTimeout);
  }
}

}  // namespace flows
