// HostName: a DNS name in presentation form, in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace flows {

/// Lower case, labels joined by dots, without the root's. The longest name has 253 characters so
/// (RFC 1035 2.3.4: 255 octets on the wire).
class HostName {
 public:
  static constexpr std::size_t kMaxBytes = 253;

  [[nodiscard]] std::string_view text() const { return {text_.data(), length_}; }
  [[nodiscard]] bool is_empty() const { return length_ == 0; }

  /// Adds a label behind those that are there. False, and unchanged, when there is no room.
  bool append_label(std::string_view label) {
    const std::size_t dot = is_empty() ? 0 : 1;
    if (length_ + dot + label.size() > kMaxBytes) {
      return false;
    }
    if (dot != 0) {
      text_[length_++] = '.';
    }
    for (const char letter : label) {
      const bool is_upper = letter >= 'A' && letter <= 'Z';
      text_[length_++] = is_upper ? static_cast<char>(letter - 'A' + 'a') : letter;
    }
    return true;
  }

  friend bool operator==(const HostName& a, const HostName& b) { return a.text() == b.text(); }

 private:
  std::array<char, kMaxBytes> text_{};
  std::uint8_t length_ = 0;
};

}  // namespace flows
