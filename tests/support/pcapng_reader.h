// A reader of pcapng files as Wireshark understands them, independent of what writes them: every
// length is checked, twice where it is said twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace test_support {

struct PcapngBlock {
  std::uint32_t type = 0;
  std::string fixed;  // what stands before the options
  std::multimap<std::uint16_t, std::string> options;

  [[nodiscard]] std::string option(std::uint16_t code) const {
    const auto found = options.find(code);
    return found == options.end() ? std::string() : found->second;
  }
};

inline std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return value;
}
inline std::size_t padded4(std::size_t size) {
  return (size + 3) / 4 * 4;
}

/// How long the part of a body before its options is; empty: the block is not known, or broken.
inline std::optional<std::size_t> fixed_bytes(std::uint32_t type, std::string_view body) {
  switch (type) {
    case 0x0a0d0d0a:
      return 16;
    case 1:
      return 8;
    case 5:
      return 12;
    case 6: {
      if (body.size() < 20) {
        return std::nullopt;
      }
      return 20 + padded4(static_cast<std::size_t>(little_endian(body.substr(12, 4))));
    }
    default:
      return std::nullopt;
  }
}

/// Nothing: the file is broken.
inline std::optional<std::vector<PcapngBlock>> read_pcapng(std::string_view file) {
  std::vector<PcapngBlock> blocks;
  while (!file.empty()) {
    if (file.size() < 12) {
      return std::nullopt;
    }
    PcapngBlock block;
    block.type = static_cast<std::uint32_t>(little_endian(file.substr(0, 4)));
    const auto length = static_cast<std::size_t>(little_endian(file.substr(4, 4)));
    if (length < 12 || length % 4 != 0 || length > file.size() ||
        little_endian(file.substr(length - 4, 4)) != length) {
      return std::nullopt;
    }
    const std::string_view body = file.substr(8, length - 12);
    const auto fixed = fixed_bytes(block.type, body);
    if (!fixed || *fixed > body.size()) {
      return std::nullopt;
    }
    block.fixed = body.substr(0, *fixed);
    std::string_view options = body.substr(*fixed);
    bool ended = options.empty();
    while (!options.empty()) {
      if (ended || options.size() < 4) {
        return std::nullopt;
      }
      const auto code = static_cast<std::uint16_t>(little_endian(options.substr(0, 2)));
      const auto size = static_cast<std::size_t>(little_endian(options.substr(2, 2)));
      if (4 + padded4(size) > options.size()) {
        return std::nullopt;
      }
      ended = code == 0;
      if (!ended) {
        block.options.emplace(code, options.substr(4, size));
      }
      options.remove_prefix(4 + padded4(size));
    }
    if (!ended) {
      return std::nullopt;
    }
    blocks.push_back(std::move(block));
    file.remove_prefix(length);
  }
  return blocks;
}

/// The packet of an Enhanced Packet Block.
inline std::string packet_in(const PcapngBlock& block) {
  return block.fixed.substr(20, static_cast<std::size_t>(little_endian(block.fixed.substr(12, 4))));
}

}  // namespace test_support
