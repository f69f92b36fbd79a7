#include "flows/fragmenter.h"

#include <algorithm>

#include "base/byte_order.h"
#include "base/check.h"
#include "flows/ip_header.h"
#include "flows/offload_headers.h"

namespace flows {

using base::store_be;

namespace {

constexpr std::size_t kFragmentHeaderBytes = 8;
constexpr std::uint8_t kFragmentHeader = 44;  // IANA "IPv6 Extension Header Types"
constexpr std::size_t kUnit = 8;              // bytes that an offset counts

std::size_t headers_bytes(bool v4) {
  return v4 ? kIpv4HeaderBytes : kIpv6HeaderBytes + kFragmentHeaderBytes;
}

// `out` is exactly the fragment.
void finish_ipv4(std::span<std::byte> out, std::size_t offset, bool more, std::uint32_t id) {
  constexpr std::uint16_t kMoreFragments = 0x2000;
  store_be(out, kIpv4Id, static_cast<std::uint16_t>(id));
  store_be(out, 6, static_cast<std::uint16_t>(offset / kUnit | (more ? kMoreFragments : 0U)));
  write_ip_length(out.first(kIpv4HeaderBytes), out.size());
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
    : header_(packet.first(ip_header_bytes(is_v4(packet)))),
      rest_(packet.subspan(header_.size())),
      most_bytes_((mtu_bytes - headers_bytes(is_v4(packet))) / kUnit * kUnit),
      id_(id) {
  CHECK(packet.size() > mtu_bytes && mtu_bytes >= headers_bytes(is_v4(packet)) + kUnit);
}

std::optional<std::size_t> Fragmenter::next(std::span<std::byte> out) {
  if (rest_.empty()) {
    return std::nullopt;
  }
  const bool v4 = is_v4(header_);
  const auto piece = rest_.first(std::min(rest_.size(), most_bytes_));
  rest_ = rest_.subspan(piece.size());
  const auto fragment = out.first(headers_bytes(v4) + piece.size());
  std::ranges::copy(header_, fragment.begin());
  std::ranges::copy(piece, fragment.subspan(headers_bytes(v4)).begin());
  if (v4) {
    finish_ipv4(fragment, offset_, !rest_.empty(), id_);
  } else {
    finish_ipv6(fragment, offset_, !rest_.empty(), id_);
  }
  offset_ += piece.size();
  return fragment.size();
}

}  // namespace flows
