#include "gateway/inspect/json_writer.h"

#include <array>
#include <charconv>

#include "base/utf8.h"

namespace gateway {
namespace {

bool stands_for_itself(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return value >= 0x20 && value < 0x7f && byte != '"' && byte != '\\';
}

// The one character of `text` at `offset`, which does not stand for itself; returns its length.
std::size_t append_escaped(std::string& out, std::string_view text, std::size_t offset) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  const char first = text[offset];
  const base::Utf8Character character = base::utf8_at(text, offset);
  if (first == '"' || first == '\\') {
    out += '\\';
    out += first;
  } else if (first == '\n') {
    out += "\\n";
  } else if (character.bytes == 1) {
    out += "\\u00";
    out += kHex[character.code >> 4U];
    out += kHex[character.code & 0xfU];
  } else if (character.bytes == 0) {
    out += "\xef\xbf\xbd";  // U+FFFD
    return 1;
  } else {
    out += text.substr(offset, character.bytes);
  }
  return character.bytes;
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t offset = 0; offset < text.size();) {
    std::size_t end = offset;
    while (end < text.size() && stands_for_itself(text[end])) {
      ++end;
    }
    out += text.substr(offset, end - offset);
    offset = end == text.size() ? end : end + append_escaped(out, text, end);
  }
  out += '"';
}

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto [end, failed] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end);
}

void JsonWriter::comma() {
  if (needs_comma_) {
    out_ += ',';
  }
  needs_comma_ = true;
}

void JsonWriter::key(std::string_view name) {
  comma();
  out_ += '"';
  out_ += name;
  out_ += "\":";
}

JsonWriter& JsonWriter::open_object() {
  comma();
  out_ += '{';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::open_object(std::string_view name) {
  key(name);
  out_ += '{';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close_object() {
  out_ += '}';
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::open_array() {
  comma();
  out_ += '[';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::open_array(std::string_view name) {
  key(name);
  out_ += '[';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close_array() {
  out_ += ']';
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view name, std::string_view value) {
  key(name);
  append_json_text(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view name, std::uint64_t value) {
  key(name);
  append_number(out_, value);
  return *this;
}

JsonWriter& JsonWriter::flag(std::string_view name, bool value) {
  return raw(name, value ? "true" : "false");
}

JsonWriter& JsonWriter::null(std::string_view name) {
  return raw(name, "null");
}

JsonWriter& JsonWriter::label(std::string_view name, std::string_view value) {
  comma();
  append_json_text(out_, name);
  out_ += ':';
  append_json_text(out_, value);
  return *this;
}

JsonWriter& JsonWriter::element(std::string_view value) {
  comma();
  append_json_text(out_, value);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view name, std::string_view value) {
  key(name);
  out_ += value;
  return *this;
}

}  // namespace gateway
