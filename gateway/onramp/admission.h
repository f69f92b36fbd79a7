// Admission: whether a peer may open the tunnel that its context asks for. Pure.
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/result.h"
#include "gateway/config/settings.h"
#include "gateway/onramp/tunnel_context.h"

namespace gateway {

/// The tenant exists, `uid` (SO_PEERCRED) may speak for it, and every address lies within the
/// tenant's sources. `own_uid` is the gateway's: the one that may when the on-ramp allows nobody by
/// name.
base::Result<void, ContextRefusal> admit(const TunnelContext& context, uid_t uid, uid_t own_uid,
                                         const SeqpacketOnramp& onramp,
                                         const std::vector<TenantSettings>& tenants);

}  // namespace gateway
