// Landlock: which files this process can still open, by file or by directory.
//
// The kernel's interface is called raw, with definitions of our own: Debian 12's header ends where
// kernel 6.1's interface did, and no libc has wrappers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace netns {

/// May be combined.
enum class Access : std::uint8_t {
  kRead = 1,    // files; lists directories
  kWrite = 2,   // files that are there, and control of devices
  kCreate = 4,  // files, in the directory or below
  kRemove = 8,  // files, likewise
  kExecute = 16,
};
constexpr Access operator|(Access a, Access b) {
  // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): the sum has no name of its own
  return static_cast<Access>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool has(Access all, Access one) {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(one)) != 0;
}

/// Of the file, or of everything below the directory.
struct FileRule {
  std::string path;
  Access access{};
};

/// The version of Landlock that the kernel has; 0: none, or it is switched off.
int landlock_version() noexcept;

/// What will be allowed; everything else about files is not: opening, listing, making, removing,
/// executing. What is open already stays usable. Abstract unix sockets of others cannot be
/// connected to, where the kernel knows that (version 6).
class FileRules {
 public:
  /// A path that is not there is left out: there is nothing to open then.
  static base::SysResult<FileRules> make(const std::vector<FileRule>& rules);

  /// Holds for the calling thread and what it starts, for ever. The thread must have no_new_privs.
  /// Async-signal-safe; 0 or an errno.
  [[nodiscard]] int restrict_this_thread() const noexcept;

 private:
  explicit FileRules(base::Fd ruleset) : ruleset_(std::move(ruleset)) {}
  base::Fd ruleset_;
};

/// Whoever it holds for can signal and trace only what it has itself started since, and what that
/// has. Files are as they were.
class SignalScope {
 public:
  static constexpr int kSince = 6;  // version of Landlock

  static base::SysResult<SignalScope> make();

  /// As of FileRules.
  [[nodiscard]] int restrict_this_thread() const noexcept;

 private:
  explicit SignalScope(base::Fd ruleset) : ruleset_(std::move(ruleset)) {}
  base::Fd ruleset_;
};

}  // namespace netns
