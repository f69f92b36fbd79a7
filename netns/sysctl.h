// Sysctl: one setting of the caller's network namespace.
#pragma once

#include <string>

#include "base/error.h"

namespace netns {

struct Sysctl {
  std::string name;  // as below /proc/sys: "net/ipv4/conf/all/rp_filter"
  std::string value;
  bool optional = false;  // a kernel without it is fine

  friend bool operator==(const Sysctl&, const Sysctl&) = default;
};

/// Only names below net/ are accepted: what lies elsewhere is not the namespace's own, and a
/// caller that is uid 0 outside could change it for the whole machine.
base::SysResult<void> set_sysctl(const Sysctl& sysctl);

}  // namespace netns
