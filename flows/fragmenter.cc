#include "flows/fragmenter.h"

#include <algorithm>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/ip_header.h"
#include "flows/offload_headers.h"

namespace flows {

using base::load_be;
using base::store_be;

namespace {

constexpr std::size_t kFragmentHeaderBytes = 8;
constexpr std::uint8_t kFragmentHeader = 44;  // IANA "IPv6 Extension Header Types"
constexpr std::size_t kUnit = 8;              // bytes that an offset counts
constexpr std::size_t kIpv4Fragment = 6;
constexpr std::uint16_t kMoreFragments = 0x2000, kOffsetMask = 0x1fff;

std::size_t header_bytes_of(std::span<const std::byte> packet) {
  return is_v4(packet) ? std::to_integer<std::size_t>(packet[0] & std::byte{0x0f}) * 4
                       : kIpv6HeaderBytes;
}

// What stands in front of the payload in each fragment.
std::size_t headers_bytes(std::span<const std::byte> header) {
  return header.size() + (is_v4(header) ? 0 : kFragmentHeaderBytes);
}

// Options without the "copied" bit are for the first fragment only (RFC 791 3.1).
void blank_options(std::span<std::byte> options) {
  constexpr std::uint8_t kEnd = 0, kNoOperation = 1, kCopied = 0x80;
  for (std::size_t at = 0; at < options.size();) {
    const auto kind = load_be<std::uint8_t>(options, at);
    if (kind == kEnd) {
      return;
    }
    std::size_t length = 1;
    if (kind != kNoOperation) {
      length = at + 1 < options.size() ? load_be<std::uint8_t>(options, at + 1) : 0;
      if (length < 2 || length > options.size() - at) {
        return;  // they make no sense from here on, and nobody reads them further
      }
    }
    if ((kind & kCopied) == 0) {
      std::ranges::fill(options.subspan(at, length), std::byte{kNoOperation});
    }
    at += length;
  }
}

// `out` is exactly the fragment.
void finish_ipv4(std::span<std::byte> out, std::size_t offset, bool more, std::uint32_t id) {
  store_be(out, kIpv4Id, static_cast<std::uint16_t>(id));
  store_be(out, kIpv4Fragment,
           static_cast<std::uint16_t>(offset / kUnit | (more ? kMoreFragments : 0U)));
  write_ip_length(out.first(header_bytes_of(out)), out.size());
}

void finish_ipv6(std::span<std::byte> out, std::size_t offset, bool more, std::uint32_t id) {
  const auto fragment = out.subspan(kIpv6HeaderBytes, kFragmentHeaderBytes);
  fragment[0] = out[6];
  fragment[1] = std::byte{0};
  store_be(fragment, 2, static_cast<std::uint16_t>(offset | (more ? 1U : 0U)));
  store_be(fragment, 4, id);
  out[6] = std::byte{kFragmentHeader};
  write_ip_length(out.first(kIpv6HeaderBytes), out.size());
}

}  // namespace

Fragmenter::Fragmenter(std::span<const std::byte> packet, std::size_t mtu_bytes, std::uint32_t id)
    : header_(packet.first(header_bytes_of(packet))),
      rest_(packet.subspan(header_.size())),
      most_bytes_((mtu_bytes - headers_bytes(header_)) / kUnit * kUnit),
      id_(id) {
  CHECK(packet.size() > mtu_bytes && mtu_bytes >= headers_bytes(header_) + kUnit);
  if (is_v4(header_)) {
    const auto field = load_be<std::uint16_t>(header_, kIpv4Fragment);
    offset_ = (field & kOffsetMask) * kUnit;
    goes_on_ = (field & kMoreFragments) != 0;
    is_first_ = offset_ == 0;
  }
}

Fragmenter::Fragmenter(std::span<const std::byte> packet, std::size_t mtu_bytes)
    : Fragmenter(packet, mtu_bytes, load_be<std::uint16_t>(packet, kIpv4Id)) {
  CHECK(is_v4(packet));
}

std::optional<std::size_t> Fragmenter::next(std::span<std::byte> out) {
  if (rest_.empty()) {
    return std::nullopt;
  }
  const auto piece = rest_.first(std::min(rest_.size(), most_bytes_));
  rest_ = rest_.subspan(piece.size());
  const auto fragment = out.first(headers_bytes(header_) + piece.size());
  std::ranges::copy(header_, fragment.begin());
  std::ranges::copy(piece, fragment.subspan(headers_bytes(header_)).begin());
  const bool more = goes_on_ || !rest_.empty();
  if (is_v4(header_)) {
    if (!is_first_) {
      blank_options(fragment.subspan(kIpv4HeaderBytes, header_.size() - kIpv4HeaderBytes));
    }
    finish_ipv4(fragment, offset_, more, id_);
  } else {
    finish_ipv6(fragment, offset_, more, id_);
  }
  is_first_ = false;
  offset_ += piece.size();
  return fragment.size();
}

}  // namespace flows
