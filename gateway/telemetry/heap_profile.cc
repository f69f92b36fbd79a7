#include "gateway/telemetry/heap_profile.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>

#include "base/fd.h"

namespace gateway {
namespace {

using base::Fd;
using base::SysResult;
using base::Unexpected;

// mallctl(3) of jemalloc: an errno, or 0.
using Mallctl = int(const char* name, void* old_value, std::size_t* old_size, void* new_value,
                    std::size_t new_size);

constexpr std::string_view kCure =
    "Start the gateway with jemalloc, which Debian has in libjemalloc2, and have it sample: "
    "LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=prof:true,lg_prof_sample:17 liftgate serve ...";

// Where there is another allocator, there is none of that name.
Mallctl* mallctl() {
  return reinterpret_cast<Mallctl*>(::dlsym(RTLD_DEFAULT, "mallctl"));
}

bool says(Mallctl& ask, const char* name) {
  bool value = false;
  std::size_t size = sizeof(value);
  return ask(name, &value, &size, nullptr, 0) == 0 && value;
}

base::Error lack(const std::string& what) {
  return {.code = std::make_error_code(std::errc::not_supported),
          .doing = "a heap profile: " + what,
          .cure = std::string(kCure)};
}

SysResult<std::string> contents_of(const Fd& file) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return Unexpected{base::last_error("stat the heap profile")};
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t got =
        ::pread(file.get(), text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (got <= 0) {
      return Unexpected{base::last_error("read the heap profile")};
    }
    at += static_cast<std::size_t>(got);
  }
  return text;
}

}  // namespace

SysResult<std::string> heap_profile() {
  Mallctl* const ask = mallctl();
  if (ask == nullptr) {
    return Unexpected{lack("memory is not jemalloc's")};
  }
  if (!says(*ask, "config.prof")) {
    return Unexpected{lack("this jemalloc was built without profiling")};
  }
  if (!says(*ask, "opt.prof")) {
    return Unexpected{lack("jemalloc was not told to sample (prof:true)")};
  }
  const Fd file = Fd::adopt(::memfd_create("heap profile", MFD_CLOEXEC));
  if (!file.is_open()) {
    return Unexpected{base::last_error("memfd_create for a heap profile")};
  }
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  const char* name = path.c_str();
  const int failed = (*ask)("prof.dump", nullptr, nullptr, static_cast<void*>(&name), sizeof(name));
  if (failed != 0) {
    return Unexpected{base::Error{.code = std::error_code(failed, std::generic_category()),
                                  .doing = "writing a heap profile (mallctl prof.dump)",
                                  .cure = ""}};
  }
  return contents_of(file);
}

}  // namespace gateway
