// MountedFile: a file that programs in a sandbox see with a content of its own; and directories
// that they do not see.
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

/// Covers each directory with an empty one of the caller's, so that what is in it cannot be named
/// there. One that is not there, or that
/// nobody inside could reach, is left out. The same conditions.
base::SysResult<void> hide_directories(const std::vector<std::string>& paths);

}  // namespace netns
