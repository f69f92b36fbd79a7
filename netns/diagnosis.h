// Diagnosis: why this machine refused a sandbox, and what its owner can do about it.
//
// EPERM has half a dozen causes here, and the kernel names none of them; the settings that cause
// them can be read. Each function returns a sentence for base::Error::cure, or nothing.
#pragma once

#include <string>
#include <string_view>

namespace netns {

/// After clone3 with CLONE_NEWUSER failed with `error`.
std::string user_namespace_cure(int error);

/// After /proc/self/uid_map or its like could not be written.
std::string id_map_cure(int error);

/// After /dev/net/tun could not be opened, or TUNSETIFF failed.
std::string tun_cure(int error);

/// Whether this machine is a Linux where AppArmor takes capabilities away from unprivileged user
/// namespaces (Ubuntu since 23.10).
bool apparmor_restricts_user_namespaces();

/// An AppArmor profile that allows `program`, an absolute path, to use user namespaces; to be
/// written below /etc/apparmor.d and loaded with apparmor_parser -r.
std::string apparmor_profile(std::string_view program);

}  // namespace netns
