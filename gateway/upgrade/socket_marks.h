// Socket marks: what a flow's rule has its upstream socket say to the network, and to the kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "flows/dscp.h"
#include "gateway/config/settings.h"
#include "gateway/log.h"

namespace gateway {

/// The code point of what the socket sends from now on; kOwnDscp: none, which is 0.
void set_dscp(const base::Fd& socket, bool v4, flows::Dscp dscp);

/// SO_MARK of what the socket sends from now on. The errno; EPERM where the gateway has neither
/// CAP_NET_RAW (from Linux 5.17 on) nor CAP_NET_ADMIN over the namespace of its sockets.
int set_mark(const base::Fd& socket, std::uint32_t mark);

/// Before the first use of a TCP socket: either, where the flow has it. A mark that may not be set
/// stays with the flow; see say_if_marks_stay_inside().
void mark_socket(const base::Fd& socket, bool v4, std::uint32_t mark, flows::Dscp dscp);

/// Whether set_mark() works for this thread.
[[nodiscard]] bool may_mark_sockets();

/// Whether a rule gives marks.
[[nodiscard]] bool has_marks(const std::vector<Rule>& rules);
/// A line in the log where a rule gives marks, and set_mark() does not work.
void say_if_marks_stay_inside(const std::vector<Rule>& rules, LogLevel level);

}  // namespace gateway
