// Quantities as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace flowctl {

/// "0 B", "1023 B", "1.5 KiB", "17 MiB".
std::string human_bytes(std::uint64_t bytes);

/// "350ms", "12s", "3m20s", "2h03m", "5d04h": two units at most, rounded down.
std::string human_duration(std::uint64_t milliseconds);

}  // namespace flowctl
