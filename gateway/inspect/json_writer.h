// JsonWriter: JSON written straight into a string, without a tree in between.
//
// For lists of a million rows and for audit lines, where a tree of nodes would cost more than all
// the rest. The writer puts the commas; that the calls nest is the caller's to get right. What it
// writes is always valid UTF-8: bytes that are not become U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gateway {

/// Keys are literals of ours and need no escaping; `text` may be anything.
class JsonWriter {
 public:
  /// Appends to `out`, which outlives the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& open_object();
  JsonWriter& open_object(std::string_view key);
  JsonWriter& close_object();
  JsonWriter& open_array();
  JsonWriter& open_array(std::string_view key);
  JsonWriter& close_array();

  JsonWriter& text(std::string_view key, std::string_view value);
  JsonWriter& number(std::string_view key, std::uint64_t value);
  JsonWriter& flag(std::string_view key, bool value);
  JsonWriter& null(std::string_view key);
  /// A member whose key comes from elsewhere, too.
  JsonWriter& label(std::string_view key, std::string_view value);
  /// An element of an array.
  JsonWriter& element(std::string_view text);
  /// `value` is JSON already.
  JsonWriter& raw(std::string_view key, std::string_view value);

 private:
  void comma();
  void key(std::string_view name);

  std::string& out_;
  bool needs_comma_ = false;
};

/// `text` as a JSON string, quotes included.
void append_json_text(std::string& out, std::string_view text);
/// Decimal.
void append_number(std::string& out, std::uint64_t value);

}  // namespace gateway
