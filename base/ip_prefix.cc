#include "base/ip_prefix.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"

namespace base {
namespace {

constexpr std::uint8_t kMappedPrefixBits = 96;

std::uint8_t family_offset(const IpAddress& address) {
  return address.is_v4() ? kMappedPrefixBits : 0;
}

// Whether the first `bits` of both are equal.
bool same_leading_bits(const IpAddress& left, const IpAddress& right, std::uint8_t bits) {
  const std::size_t whole = bits / 8U;
  const auto a = left.bytes();
  const auto b = right.bytes();
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) {
    return false;
  }
  const unsigned rest = bits % 8U;
  if (rest == 0) {
    return true;
  }
  const auto mask = static_cast<std::byte>(0xffU << (8U - rest));
  return (a[whole] & mask) == (b[whole] & mask);
}

IpAddress cleared_after(const IpAddress& address, std::uint8_t bits) {
  std::array<std::byte, 16> bytes{};
  std::ranges::copy(address.bytes(), bytes.begin());
  for (std::size_t bit = bits; bit < 128; ++bit) {
    bytes[bit / 8] &= ~static_cast<std::byte>(0x80U >> (bit % 8));
  }
  return IpAddress::from_v6_bytes(bytes);
}

}  // namespace

IpPrefix IpPrefix::all_v4() {
  return {IpAddress::v4(0), kMappedPrefixBits};
}
IpPrefix IpPrefix::all_v6() {
  return {IpAddress(), 0};
}

IpPrefix IpPrefix::of(const IpAddress& address, std::uint8_t bits) {
  const auto mapped = static_cast<std::uint8_t>(bits + family_offset(address));
  CHECK(mapped <= 128 && bits <= 128);
  return {cleared_after(address, mapped), mapped};
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  const unsigned limit = address->is_v4() ? 32 : 128;
  unsigned bits = limit;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, failed] = std::from_chars(digits.begin(), digits.end(), bits);
    if (failed != std::errc() || end != digits.end() || digits.empty() || bits > limit) {
      return std::nullopt;
    }
  }
  const IpPrefix prefix = of(*address, static_cast<std::uint8_t>(bits));
  if (prefix.address() != *address) {
    return std::nullopt;
  }
  return prefix;
}

bool IpPrefix::contains(const IpAddress& address) const {
  // "::/0" holds every IPv6 address, not the IPv4 ones that we store inside it.
  return address.is_v4() == is_v4() && same_leading_bits(address_, address, mapped_bits_);
}

bool IpPrefix::contains(const IpPrefix& other) const {
  return mapped_bits_ <= other.mapped_bits_ && other.is_v4() == is_v4() &&
         same_leading_bits(address_, other.address_, mapped_bits_);
}

std::uint8_t IpPrefix::bits() const {
  return is_v4() ? static_cast<std::uint8_t>(mapped_bits_ - kMappedPrefixBits) : mapped_bits_;
}

std::string IpPrefix::to_string() const {
  return address_.to_string() + "/" + std::to_string(bits());
}

}  // namespace base
