// The id map of a user namespace with one user and one group in it: the caller's own.
//
// "Its own uid inside": a program in the sandbox sees itself as the user it is outside, so that
// `id -u`, file owners and ssh's checks are as usual. Everybody else is the overflow id.
#pragma once

#include <sys/types.h>

#include "base/error.h"

namespace netns {

struct Ids {
  uid_t uid = 0;
  gid_t gid = 0;

  friend bool operator==(const Ids&, const Ids&) = default;
};

/// The effective ids: those a new user namespace belongs to.
Ids current_ids();

/// Maps `outside` to the same numbers in the caller's own user namespace, in which it must hold
/// every capability and which has no map yet. An unprivileged process may do this (one id each,
/// its own), but only after it has given up setgroups(2) (CVE-2014-8989).
base::SysResult<void> write_id_maps(const Ids& outside);

}  // namespace netns
