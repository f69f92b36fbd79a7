// Where the checksum is in a transport header.
#pragma once

#include <cstddef>
#include <optional>

#include "flows/packet.h"

namespace nat {

/// From the header's first byte; nothing where the protocol has none that we know.
inline std::optional<std::size_t> checksum_offset(flows::Protocol protocol) {
  switch (protocol) {
    case flows::Protocol::kTcp:
      return 16;
    case flows::Protocol::kUdp:
      return 6;
    case flows::Protocol::kIcmp:
    case flows::Protocol::kIcmpv6:
      return 2;
  }
  return std::nullopt;
}

}  // namespace nat
