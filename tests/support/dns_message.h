// DnsMessage: answers of name servers, for tests, a field at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"

namespace test_support {

/// An answer to one question for addresses. Names are written out, "www.example.org", or as a
/// pointer, "@12"; the question's begins at 12.
class DnsMessage {
 public:
  static constexpr std::uint16_t kA = 1, kCname = 5, kAaaa = 28, kTxt = 16;

  explicit DnsMessage(std::string_view asked, std::uint16_t type = kA) {
    bytes_.resize(12);
    set_u16(2, 0x8180);
    set_u16(4, 1);
    name(asked).u16(type).u16(1);
  }

  DnsMessage& address(std::string_view owner, const base::IpAddress& address,
                      std::uint32_t ttl = 60) {
    const auto data = address.wire_bytes();
    record(owner, address.is_v4() ? kA : kAaaa, ttl, data.size());
    bytes_.insert(bytes_.end(), data.begin(), data.end());
    return *this;
  }
  DnsMessage& cname(std::string_view owner, std::string_view target, std::uint32_t ttl = 60) {
    DnsMessage data;
    data.name(target);
    record(owner, kCname, ttl, data.bytes_.size());
    bytes_.insert(bytes_.end(), data.bytes_.begin(), data.bytes_.end());
    return *this;
  }
  DnsMessage& record(std::string_view owner, std::uint16_t type, std::uint32_t ttl,
                     std::size_t length) {
    set_u16(6, static_cast<std::uint16_t>(++records_));
    return name(owner)
        .u16(type)
        .u16(1)
        .u16(static_cast<std::uint16_t>(ttl >> 16U))
        .u16(static_cast<std::uint16_t>(ttl))
        .u16(static_cast<std::uint16_t>(length));
  }
  DnsMessage& flags(std::uint16_t value) { return set_u16(2, value); }
  DnsMessage& questions(std::uint16_t count) { return set_u16(4, count); }

  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  DnsMessage() = default;

  DnsMessage& u16(std::uint16_t value) {
    bytes_.push_back(std::byte(value >> 8U));
    bytes_.push_back(std::byte(value & 0xffU));
    return *this;
  }
  DnsMessage& set_u16(std::size_t offset, std::uint16_t value) {
    bytes_[offset] = std::byte(value >> 8U);
    bytes_[offset + 1] = std::byte(value & 0xffU);
    return *this;
  }
  DnsMessage& name(std::string_view text) {
    if (text.starts_with('@')) {
      return u16(static_cast<std::uint16_t>(0xc000U | std::stoul(std::string(text.substr(1)))));
    }
    while (!text.empty()) {
      const std::size_t dot = std::min(text.find('.'), text.size());
      bytes_.push_back(std::byte(dot));
      for (const char letter : text.substr(0, dot)) {
        bytes_.push_back(std::byte(static_cast<unsigned char>(letter)));
      }
      text.remove_prefix(std::min(dot + 1, text.size()));
    }
    bytes_.push_back(std::byte{0});
    return *this;
  }

  std::vector<std::byte> bytes_;
  std::size_t records_ = 0;
};

}  // namespace test_support
