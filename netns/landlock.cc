#include "netns/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace netns {
namespace {

using base::Error;
using base::Fd;
using base::SysResult;
using base::Unexpected;

// linux/landlock.h of 6.12.
namespace kernel {

constexpr std::uint32_t kAskVersion = 1U << 0U;
constexpr int kPathBeneath = 1;

constexpr std::uint64_t kExecute = 1U << 0U;
constexpr std::uint64_t kWriteFile = 1U << 1U;
constexpr std::uint64_t kReadFile = 1U << 2U;
constexpr std::uint64_t kReadDirectory = 1U << 3U;
constexpr std::uint64_t kRemoveFile = 1U << 5U;
constexpr std::uint64_t kMakeFile = 1U << 8U;
constexpr std::uint64_t kEverything1 = (1U << 13U) - 1;
constexpr std::uint64_t kRefer2 = 1U << 13U;
constexpr std::uint64_t kTruncate3 = 1U << 14U;
constexpr std::uint64_t kDeviceControl5 = 1U << 15U;
constexpr std::uint64_t kScopeAbstractSockets6 = 1U << 0U;
constexpr std::uint64_t kScopeSignals6 = 1U << 1U;
constexpr int kScopesSince = SignalScope::kSince;

struct Ruleset {
  std::uint64_t handled_files;
  std::uint64_t handled_network;
  std::uint64_t scoped;
};
struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed;
  std::int32_t parent;
};

}  // namespace kernel

// What a kernel of this version can forbid.
std::uint64_t known_to(int version) {
  std::uint64_t known = kernel::kEverything1;
  known |= version >= 2 ? kernel::kRefer2 : 0;
  known |= version >= 3 ? kernel::kTruncate3 : 0;
  known |= version >= 5 ? kernel::kDeviceControl5 : 0;
  return known;
}

std::uint64_t rights_of(Access access, bool directory) {
  std::uint64_t rights = 0;
  if (has(access, Access::kRead)) {
    rights |= kernel::kReadFile | (directory ? kernel::kReadDirectory : 0);
  }
  if (has(access, Access::kWrite)) {
    rights |= kernel::kWriteFile | kernel::kTruncate3 | kernel::kDeviceControl5;
  }
  if (has(access, Access::kCreate)) {
    rights |= directory ? kernel::kMakeFile : 0;
  }
  if (has(access, Access::kRemove)) {
    rights |= directory ? kernel::kRemoveFile : 0;
  }
  return rights | (has(access, Access::kExecute) ? kernel::kExecute : 0);
}

base::Error failed(std::string doing) {
  auto error = base::last_error(std::move(doing));
  if (error.code.value() == ENOSYS || error.code.value() == EOPNOTSUPP) {
    error.cure =
        "A kernel of 5.13 or newer with CONFIG_SECURITY_LANDLOCK, and `landlock` in its lsm= list";
  }
  return error;
}

SysResult<void> add(const Fd& ruleset, const FileRule& rule, std::uint64_t known) {
  const auto file = Fd::adopt(::open(rule.path.c_str(), O_PATH | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT || errno == EACCES || errno == ENOTDIR) {
      return {};  // nor can it be opened later
    }
    return Unexpected{failed("looking up " + rule.path)};
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return Unexpected{failed("looking at " + rule.path)};
  }
  const kernel::PathBeneath beneath{rights_of(rule.access, S_ISDIR(status.st_mode)) & known,
                                    file.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), kernel::kPathBeneath, &beneath, 0) != 0) {
    return Unexpected{failed("allowing " + rule.path)};
  }
  return {};
}

SysResult<Fd> make_ruleset(const kernel::Ruleset& wanted) {
  // An older kernel knows a shorter struct, and takes a longer one whose rest is zero.
  auto ruleset = Fd::adopt(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted, sizeof(wanted), 0)));
  if (!ruleset.is_open()) {
    return Unexpected{failed("making Landlock rules")};
  }
  return ruleset;
}

int restrict_to(const Fd& ruleset) noexcept {
  return ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0 ? 0 : errno;
}

}  // namespace

int landlock_version() noexcept {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kernel::kAskVersion);
  return version < 0 ? 0 : static_cast<int>(version);
}

SysResult<FileRules> FileRules::make(const std::vector<FileRule>& rules) {
  const int version = landlock_version();
  const kernel::Ruleset wanted{
      known_to(version), 0, version >= kernel::kScopesSince ? kernel::kScopeAbstractSockets6 : 0};
  auto ruleset = make_ruleset(wanted);
  if (!ruleset) {
    return Unexpected{ruleset.error()};
  }
  for (const FileRule& rule : rules) {
    if (auto added = add(*ruleset, rule, wanted.handled_files); !added) {
      return Unexpected{added.error()};
    }
  }
  return FileRules(std::move(*ruleset));
}

int FileRules::restrict_this_thread() const noexcept {
  return restrict_to(ruleset_);
}

SysResult<SignalScope> SignalScope::make() {
  if (landlock_version() < kSince) {
    return Unexpected{Error{std::make_error_code(std::errc::not_supported),
                            "keeping a program's signals inside",
                            "A kernel of 6.12 or newer with Landlock"}};
  }
  auto ruleset =
      make_ruleset({.handled_files = 0, .handled_network = 0, .scoped = kernel::kScopeSignals6});
  if (!ruleset) {
    return Unexpected{ruleset.error()};
  }
  return SignalScope(std::move(*ruleset));
}

int SignalScope::restrict_this_thread() const noexcept {
  return restrict_to(ruleset_);
}

}  // namespace netns
