#include "base/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <string>

namespace base {

SysResult<MappedFile> MappedFile::of(const Fd& file, std::string_view name) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return Unexpected{last_error("stat " + std::string(name))};
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) {
    return Unexpected{last_error("map " + std::string(name))};
  }
  return MappedFile({static_cast<const std::byte*>(memory), size});
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

}  // namespace base
