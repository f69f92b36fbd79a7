#include "netns/mounted_file.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace netns {
namespace {

using base::Fd;
using base::SysResult;
using base::Unexpected;

// Where the files are made. Every system has it, and nobody else is in this mount namespace yet.
const std::string kWorkshop = "/tmp";
constexpr mode_t kReadable = 0444;
// Chosen: for sockets and notes of whoever has such a directory; it is memory.
constexpr auto kHiddenOptions = "mode=0700,size=1m,nr_inodes=256";
constexpr unsigned long kHarmless = MS_NOSUID | MS_NODEV | MS_NOEXEC;

std::string path_of(const Fd& fd) {
  return "/proc/self/fd/" + std::to_string(fd.get());
}

SysResult<void> make_file(const std::string& path, const std::string& content) {
  const auto file =
      Fd::adopt(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kReadable));
  // A memory file system takes a small file whole or has no room for it.
  if (!file.is_open() || ::fchmod(file.get(), kReadable) != 0 ||
      ::write(file.get(), content.data(), content.size()) != std::ssize(content)) {
    return Unexpected{base::last_error("writing " + path)};
  }
  return {};
}

SysResult<std::vector<Fd>> open_targets(const std::vector<MountedFile>& files) {
  std::vector<Fd> targets;
  for (const MountedFile& file : files) {
    targets.push_back(Fd::adopt(::open(file.path.c_str(), O_PATH | O_CLOEXEC)));
    if (!targets.back().is_open()) {
      return Unexpected{base::last_error("looking up " + file.path)};
    }
  }
  return targets;
}

std::string source_of(std::size_t index) {
  return kWorkshop + "/" + std::to_string(index);
}

SysResult<void> make_files(const std::vector<MountedFile>& files) {
  if (::mount("liftgate", kWorkshop.c_str(), "tmpfs", kHarmless, nullptr) != 0) {
    return Unexpected{base::last_error("mounting a memory file system")};
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (auto made = make_file(source_of(i), files[i].content); !made) {
      return made;
    }
  }
  // Mounts that are made from this one inherit that it is read-only.
  if (::mount(nullptr, kWorkshop.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kHarmless,
              nullptr) != 0) {
    return Unexpected{base::last_error("making the memory file system read-only")};
  }
  return {};
}

}  // namespace

SysResult<void> mount_files(const std::vector<MountedFile>& files) {
  if (files.empty()) {
    return {};
  }
  // Before the workshop hides what is below it.
  const auto targets = open_targets(files);
  if (!targets) {
    return Unexpected{targets.error()};
  }
  if (auto made = make_files(files); !made) {
    return made;
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string source = source_of(i);
    const std::string target = path_of((*targets)[i]);
    if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return Unexpected{base::last_error("mounting a file over " + files[i].path)};
    }
  }
  // The file mounts keep the memory alive; what /tmp was shows again.
  if (::umount2(kWorkshop.c_str(), MNT_DETACH) != 0) {
    return Unexpected{base::last_error("unmounting " + kWorkshop)};
  }
  return {};
}

SysResult<void> hide_directories(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (::mount("liftgate", path.c_str(), "tmpfs", kHarmless, kHiddenOptions) != 0 &&
        errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
      return Unexpected{base::last_error("hiding the directory " + path)};
    }
  }
  return {};
}

}  // namespace netns
