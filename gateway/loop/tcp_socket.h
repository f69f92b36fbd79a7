// Small things that are done to TCP sockets.
#pragma once

#include "base/fd.h"

namespace gateway {

/// close(2) then sends an RST; without this a FIN, or nothing new when one was sent.
void reset_on_close(const base::Fd& socket);

/// For both sockets of a relay: what is written is sent, a peer that vanished is noticed, and
/// urgent data is data. Done to a listener, it is done to all that it accepts (sk_clone_lock() in
/// net/core/sock.c): six calls less for each connection.
void set_relay_options(const base::Fd& socket);

}  // namespace gateway
