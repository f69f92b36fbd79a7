// IpPrefix: an address block in CIDR form, "10.0.0.0/8" or "fd00::/8".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip_address.h"

namespace base {

class IpPrefix {
 public:
  /// Everything of one family.
  static IpPrefix all_v4();
  static IpPrefix all_v6();
  /// `bits` counts in the family's own terms: 0..32 or 0..128. Host bits are cleared.
  static IpPrefix of(const IpAddress& address, std::uint8_t bits);
  /// "ADDR/BITS", or a bare address for a host prefix. Host bits that are set are refused, because
  /// they are nearly always a mistake for another length.
  static std::optional<IpPrefix> parse(std::string_view text);

  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] bool contains(const IpPrefix& other) const;
  [[nodiscard]] const IpAddress& address() const { return address_; }
  [[nodiscard]] std::uint8_t bits() const;
  [[nodiscard]] bool is_v4() const { return address_.is_v4() && mapped_bits_ >= 96; }
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;

 private:
  IpPrefix(const IpAddress& address, std::uint8_t mapped_bits)
      : address_(address), mapped_bits_(mapped_bits) {}

  IpAddress address_;
  std::uint8_t mapped_bits_;  // of the 128-bit form: an IPv4 /8 is 104
};

}  // namespace base
