// WireWriter and WireReader: the integers and strings of our own messages, as bytes.
//
// Big-endian, strings and lists with their length in front. A reader never trusts a length: once
// something does not fit it has failed, returns zeroes and empty strings, and says so in `ok()`.
// What a writer wrote is the only spelling of it (fuzz_sandbox_message holds that).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"

namespace netns {

class WireWriter {
 public:
  void u8(std::uint8_t value) { integer(value); }
  void u32(std::uint32_t value) { integer(value); }
  void i32(std::int32_t value) { integer(static_cast<std::uint32_t>(value)); }
  void boolean(bool value) { u8(value ? 1 : 0); }
  void string(std::string_view text);
  void address(const base::IpAddress& address);

  [[nodiscard]] std::vector<std::byte> take() && { return std::move(bytes_); }

 private:
  template <class T>
  void integer(T value);

  std::vector<std::byte> bytes_;
};

class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  std::uint8_t u8() { return integer<std::uint8_t>(); }
  std::uint32_t u32() { return integer<std::uint32_t>(); }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  bool boolean();
  std::string string();
  base::IpAddress address();
  /// The number of list entries that follow. Each takes `entry_bytes` at least, so that a large
  /// number from a hostile writer reserves no memory.
  std::uint32_t count(std::size_t entry_bytes);

  /// Everything was read, all of it was there, and nothing is left.
  [[nodiscard]] bool finished() const { return ok_ && rest_.empty(); }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  template <class T>
  T integer();
  std::span<const std::byte> take(std::size_t size);

  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace netns
