#include "flows/gue.h"

#include <algorithm>
#include <array>

#include "base/byte_order.h"
#include "base/check.h"

namespace flows {

using base::Unexpected;

namespace {

constexpr std::size_t kFixedBytes = 4;  // of the header; and the least that a message has
constexpr std::size_t kTenantBytes = 8;
constexpr std::array kTenantMagic{std::byte{0x4c}, std::byte{0x47}, std::byte{1}, std::byte{0}};

// Protocol numbers of the payload (IANA).
constexpr unsigned kIpv4 = 4;
constexpr unsigned kIpv6 = 41;
constexpr unsigned kNoNextHeader = 59;

unsigned version_of(std::byte first) {
  return std::to_integer<unsigned>(first) >> 4U;
}

std::optional<std::uint32_t> named_tenant(std::span<const std::byte> private_data) {
  if (private_data.size() < kTenantBytes ||
      !std::ranges::equal(private_data.first<4>(), kTenantMagic)) {
    return std::nullopt;
  }
  return base::load_be<std::uint32_t>(private_data, kTenantMagic.size());
}

base::Result<GueMessage, Drop> decode_with_header(std::span<const std::byte> datagram) {
  const auto first = std::to_integer<unsigned>(datagram[0]);
  const std::size_t header_bytes = kFixedBytes + std::size_t{4} * (first & 0x1fU);
  if (header_bytes > datagram.size()) {
    return Unexpected{Drop::kGueHeaderPastEnd};
  }
  if (datagram[2] != std::byte{0} || datagram[3] != std::byte{0}) {
    return Unexpected{Drop::kGueUnknownFlags};
  }
  if ((first & 0x20U) != 0) {
    return Unexpected{Drop::kGueControlMessage};
  }
  const auto protocol = std::to_integer<unsigned>(datagram[1]);
  if (protocol == kNoNextHeader) {
    return Unexpected{Drop::kGueNoNextHeader};
  }
  if (protocol != kIpv4 && protocol != kIpv6) {
    return Unexpected{Drop::kGueOtherProtocol};
  }
  if (header_bytes == datagram.size()) {
    return Unexpected{Drop::kGueTruncated};
  }
  if (version_of(datagram[header_bytes]) != (protocol == kIpv4 ? 4U : 6U)) {
    return Unexpected{Drop::kGueBadInnerVersion};
  }
  const auto private_data = datagram.first(header_bytes).subspan(kFixedBytes);
  return GueMessage{.form = {.bare = false, .tenant = named_tenant(private_data)},
                    .header_bytes = header_bytes};
}

}  // namespace

base::Result<GueMessage, Drop> decode_gue(std::span<const std::byte> datagram) {
  if (datagram.size() < kFixedBytes) {
    return Unexpected{Drop::kGueTruncated};
  }
  const unsigned version = version_of(datagram[0]);
  switch (version >> 2U) {
    case 0:
      return decode_with_header(datagram);
    case 1:
      if (version != 4 && version != 6) {
        return Unexpected{Drop::kGueBadInnerVersion};
      }
      return GueMessage{.form = {.bare = true, .tenant = std::nullopt}, .header_bytes = 0};
    default:
      return Unexpected{Drop::kGueReservedVariant};
  }
}

std::size_t gue_header_bytes(const GueForm& form) {
  if (form.bare) {
    return 0;
  }
  return kFixedBytes + (form.tenant ? kTenantBytes : 0);
}

void encode_gue(const GueForm& form, bool is_v4, std::span<std::byte> out) {
  CHECK(out.size() == gue_header_bytes(form));
  if (form.bare) {
    return;
  }
  std::ranges::fill(out, std::byte{0});
  out[0] = static_cast<std::byte>((out.size() - kFixedBytes) / 4);
  out[1] = static_cast<std::byte>(is_v4 ? kIpv4 : kIpv6);
  if (form.tenant) {
    std::ranges::copy(kTenantMagic, out.subspan(kFixedBytes).begin());
    base::store_be(out, kFixedBytes + kTenantMagic.size(), *form.tenant);
  }
}

}  // namespace flows
