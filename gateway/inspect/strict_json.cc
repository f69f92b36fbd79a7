#include "gateway/inspect/strict_json.h"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace gateway {
namespace {

using nlohmann::json;
using Kind = JsonFault::Kind;

constexpr std::size_t kQuotedKeyBytes = 64;

// Builds the value as nlohmann's own reader would, and stops at what that one lets pass.
class StrictReader : public nlohmann::json_sax<json> {
 public:
  StrictReader(std::size_t input_bytes, std::size_t most_depth)
      : input_bytes_(input_bytes), most_depth_(most_depth) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t& value) override { return put(std::move(value)); }

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (open_.back()->contains(name)) {
      return refuse(Kind::kRefused,
                    "'" + base::printable(name, kQuotedKeyBytes) + "' stands there twice");
    }
    key_ = std::move(name);
    return true;
  }

  // The reader counts bytes from 1, and the end of the input as one more.
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return refuse(Kind::kNotJson, position > input_bytes_
                                      ? "not JSON: it ends in the middle"
                                      : "not JSON at byte " + std::to_string(position));
  }

  json take_value() { return std::move(value_); }
  [[nodiscard]] const JsonFault& fault() const { return fault_; }

 private:
  template <class Value>
  json* place(Value&& value) {
    if (open_.empty()) {
      value_ = std::forward<Value>(value);
      return &value_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      return &parent.emplace_back(std::forward<Value>(value));
    }
    return &(parent[key_] = std::forward<Value>(value));
  }
  template <class Value>
  bool put(Value&& value) {
    place(std::forward<Value>(value));
    return true;
  }
  bool open(json container) {
    if (open_.size() >= most_depth_) {
      return refuse(Kind::kRefused,
                    "nested deeper than " + std::to_string(most_depth_) + " levels");
    }
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool refuse(Kind kind, std::string message) {
    fault_ = {kind, std::move(message)};
    return false;
  }

  std::size_t input_bytes_;
  std::size_t most_depth_;
  json value_;
  std::vector<json*> open_;  // objects and arrays that are not complete yet, outermost first
  std::string key_;
  JsonFault fault_;
};

}  // namespace

base::Result<json, JsonFault> parse_strict_json(std::span<const std::byte> bytes,
                                                std::size_t most_depth) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (const auto offset = base::first_not_utf8(text)) {
    return base::Unexpected{
        JsonFault{Kind::kNotJson, "not UTF-8 at byte " + std::to_string(*offset + 1)}};
  }
  StrictReader reader(text.size(), most_depth);
  if (!json::sax_parse(text, &reader)) {
    return base::Unexpected{reader.fault()};
  }
  return reader.take_value();
}

}  // namespace gateway
