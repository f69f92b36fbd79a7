// IpfixReader: reads IPFIX messages (RFC 7011) as a collector does: it knows no more of a record
// than the templates have said.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/byte_order.h"

namespace test_support {

class IpfixReader {
 public:
  using Element = std::pair<std::uint32_t, std::uint16_t>;  // enterprise and number
  using Record = std::map<Element, std::string>;            // its bytes

  struct Message {
    std::uint32_t time = 0;
    std::uint32_t sequence = 0;
    std::uint32_t domain = 0;
    std::size_t templates = 0;
    std::vector<Record> records;
  };

  Message read(std::span<const std::byte> bytes) {
    EXPECT_EQ(base::load_be<std::uint16_t>(bytes, 0), 10);
    EXPECT_EQ(base::load_be<std::uint16_t>(bytes, 2), bytes.size());
    Message message{.time = base::load_be<std::uint32_t>(bytes, 4),
                    .sequence = base::load_be<std::uint32_t>(bytes, 8),
                    .domain = base::load_be<std::uint32_t>(bytes, 12),
                    .templates = 0,
                    .records = {}};
    for (bytes = bytes.subspan(16); !bytes.empty();) {
      const auto id = base::load_be<std::uint16_t>(bytes, 0);
      const auto length = base::load_be<std::uint16_t>(bytes, 2);
      const auto body = bytes.subspan(4, length - 4U);
      id == 2 ? read_templates(body, message) : read_records(id, body, message);
      bytes = bytes.subspan(length);
    }
    return message;
  }

 private:
  struct Field {
    Element element;
    std::uint16_t bytes;
  };

  void read_templates(std::span<const std::byte> body, Message& message) {
    while (!body.empty()) {
      auto& fields = templates_[base::load_be<std::uint16_t>(body, 0)];
      fields.clear();
      const auto count = base::load_be<std::uint16_t>(body, 2);
      body = body.subspan(4);
      for (int i = 0; i < count; ++i) {
        const auto number = base::load_be<std::uint16_t>(body, 0);
        const bool of_enterprise = (number & 0x8000U) != 0;
        fields.push_back({{of_enterprise ? base::load_be<std::uint32_t>(body, 4) : 0,
                           static_cast<std::uint16_t>(number & 0x7fffU)},
                          base::load_be<std::uint16_t>(body, 2)});
        body = body.subspan(of_enterprise ? 8 : 4);
      }
      ++message.templates;
    }
  }
  void read_records(std::uint16_t id, std::span<const std::byte> body, Message& message) {
    ASSERT_TRUE(templates_.contains(id)) << id;
    while (!body.empty()) {
      Record& record = message.records.emplace_back();
      for (const Field& field : templates_[id]) {
        const auto value = body.first(field.bytes);
        record[field.element] =
            std::string(reinterpret_cast<const char*>(value.data()), value.size());
        body = body.subspan(field.bytes);
      }
    }
  }

  std::map<std::uint16_t, std::vector<Field>> templates_;
};

/// The bytes of an element of the record, as a number.
inline std::uint64_t number(const IpfixReader::Record& record, std::uint16_t element,
                            std::uint32_t enterprise = 0) {
  std::uint64_t value = 0;
  for (const char byte : record.at({enterprise, element})) {
    value = value << 8U | static_cast<unsigned char>(byte);
  }
  return value;
}

}  // namespace test_support
