#include "netns/id_map.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "base/fd.h"
#include "netns/diagnosis.h"

namespace netns {
namespace {

using base::Unexpected;

base::SysResult<void> write_file(const char* path, const std::string& text) {
  const auto file = base::Fd::adopt(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file.is_open() || ::write(file.get(), text.data(), text.size()) < 0) {
    auto error = base::last_error("writing '" + text + "' to " + path);
    error.cure = id_map_cure(error.code.value());
    return Unexpected{std::move(error)};
  }
  return {};
}

std::string same_inside(unsigned id) {
  return std::to_string(id) + " " + std::to_string(id) + " 1";
}

}  // namespace

Ids current_ids() {
  return {.uid = ::geteuid(), .gid = ::getegid()};
}

base::SysResult<void> write_id_maps(const Ids& outside) {
  if (auto written = write_file("/proc/self/setgroups", "deny"); !written) {
    return written;
  }
  if (auto written = write_file("/proc/self/uid_map", same_inside(outside.uid)); !written) {
    return written;
  }
  return write_file("/proc/self/gid_map", same_inside(outside.gid));
}

}  // namespace netns
