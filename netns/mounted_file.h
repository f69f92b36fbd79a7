// MountedFile: a file that programs in a sandbox see with a content of its own.
//
// For /etc/resolv.conf and its like: a resolver on the machine's loopback address is not there in
// the sandbox. Only who joins the sandbox's mount namespace sees it.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace netns {

struct MountedFile {
  std::string path;  // absolute; there is such a file, or a link to one
  std::string content;

  friend bool operator==(const MountedFile&, const MountedFile&) = default;
};

/// Covers each file, read-only. The caller is in a mount namespace of its own, which its user
/// namespace owns, and holds CAP_SYS_ADMIN there.
base::SysResult<void> mount_files(const std::vector<MountedFile>& files);

}  // namespace netns
