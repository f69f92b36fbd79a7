// What the errors of sockets mean for a flow.
#pragma once

#include <optional>

#include "flows/reply.h"

namespace gateway {

/// Whether `error` is for want of descriptors, memory or ports of our own.
[[nodiscard]] bool is_our_lack(int error);

/// What the error of connect(2) or sendmsg(2) says about the network, in ICMP's terms; nothing when
/// it says something else.
[[nodiscard]] std::optional<flows::Unreachable> as_unreachable(int error);

}  // namespace gateway
