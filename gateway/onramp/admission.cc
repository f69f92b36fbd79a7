#include "gateway/onramp/admission.h"

#include <algorithm>
#include <string>

namespace gateway {

using base::Unexpected;

namespace {

bool may_speak_for(const std::string& tenant, uid_t uid, uid_t own_uid,
                   const SeqpacketOnramp& onramp) {
  if (onramp.allow.empty()) {
    return uid == own_uid;
  }
  return std::ranges::any_of(onramp.allow, [&](const AllowedUid& allowed) {
    return allowed.uid == uid &&
           (allowed.tenants.empty() ||
            std::ranges::find(allowed.tenants, tenant) != allowed.tenants.end());
  });
}

bool is_within(const base::IpPrefix& address, const std::vector<base::IpPrefix>& sources) {
  return sources.empty() || std::ranges::any_of(sources, [&](const base::IpPrefix& source) {
           return source.contains(address);
         });
}

}  // namespace

base::Result<void, ContextRefusal> admit(const TunnelContext& context, uid_t uid, uid_t own_uid,
                                         const SeqpacketOnramp& onramp,
                                         const std::vector<TenantSettings>& tenants) {
  const auto refuse = [&](ContextError error, std::string message) {
    return Unexpected{ContextRefusal{error, std::move(message), context.reply}};
  };
  const auto tenant = std::ranges::find(tenants, context.tenant, &TenantSettings::name);
  // A stranger is not told which tenants there are.
  if (!may_speak_for(context.tenant, uid, own_uid, onramp)) {
    return refuse(
        ContextError::kUidNotAllowed,
        "uid " + std::to_string(uid) + " may not speak for tenant '" + context.tenant + "'");
  }
  if (tenant == tenants.end()) {
    return refuse(ContextError::kUnknownTenant,
                  "tenant '" + context.tenant + "' is not configured");
  }
  for (const base::IpPrefix& address : context.addresses) {
    if (!is_within(address, tenant->sources)) {
      return refuse(ContextError::kAddressNotAllowed, "address " + address.to_string() +
                                                          " is outside the sources of tenant '" +
                                                          context.tenant + "'");
    }
  }
  return {};
}

}  // namespace gateway
