#include "netns/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

namespace netns {

using base::Unexpected;

base::SysResult<void> set_sysctl(const Sysctl& sysctl) {
  if (!sysctl.name.starts_with("net/") || sysctl.name.find("..") != std::string::npos) {
    return Unexpected{base::failure("sysctl " + sysctl.name + ": not below net/")};
  }
  const std::string doing = "setting sysctl " + sysctl.name + " to " + sysctl.value;
  const std::string path = "/proc/sys/" + sysctl.name;
  const auto file = base::Fd::adopt(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT && sysctl.optional) {
      return {};
    }
    auto error = base::last_error(doing);
    if (error.code.value() == EROFS) {
      error.cure = "The container runtime mounted /proc/sys read-only: let it be writable";
    }
    return Unexpected{std::move(error)};
  }
  // One write(2) is one setting: the kernel takes the value whole or not at all.
  if (::write(file.get(), sysctl.value.data(), sysctl.value.size()) < 0) {
    return Unexpected{base::last_error(doing)};
  }
  return {};
}

}  // namespace netns
