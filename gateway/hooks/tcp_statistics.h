// What the kernel has measured of a TCP socket. By itself, because <linux/tcp.h>, which has all of
// it, and <netinet/tcp.h> exclude each other.
#pragma once

#include <optional>

#include "base/fd.h"
#include "gateway/hooks/connection_hooks.h"

namespace gateway::hooks {

/// Nothing where `socket` is not open, or no TCP socket.
std::optional<TcpStatistics> statistics_of(const base::Fd& socket);

}  // namespace gateway::hooks
