// Small things that are done to TCP sockets.
#pragma once

#include "base/fd.h"

namespace gateway {

/// close(2) then sends an RST; without this a FIN, or nothing new when one was sent.
void reset_on_close(const base::Fd& socket);

/// For both sockets of a relay: what is written is sent, and a peer that vanished is noticed.
void set_relay_options(const base::Fd& socket);

}  // namespace gateway
