// HostPort: a port of the host that is published, listening or bound.
#pragma once

#include "base/endpoint.h"
#include "base/error.h"
#include "base/fd.h"
#include "flows/packet.h"

namespace gateway {

struct HostPort {
  base::Fd socket;  // non-blocking
  base::Endpoint local;
  flows::Protocol protocol{};
};

/// Listens (TCP) or binds (UDP); an IPv6 one takes IPv6 only. The message of the error says what to
/// do where the port is in use or privileged.
base::SysResult<HostPort> open_host_port(const base::Endpoint& listen, flows::Protocol protocol);

}  // namespace gateway
