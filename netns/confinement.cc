#include "netns/confinement.h"

#include <sys/resource.h>

#include <optional>
#include <utility>

#include "netns/every_thread.h"
#include "netns/seccomp.h"

namespace netns {
namespace {

using base::Unexpected;

void forbid_core_dumps() {
  const rlimit none{};
  ::setrlimit(RLIMIT_CORE, &none);
}

int give_up_capabilities(const void* kept) noexcept {
  return keep_only_capabilities(*static_cast<const CapabilitySet*>(kept));
}

int restrict_files(const void* rules) noexcept {
  return static_cast<const FileRules*>(rules)->restrict_this_thread();
}

base::SysResult<int> restrict_to(const std::vector<FileRule>& files) {
  const auto rules = FileRules::make(files);
  if (!rules) {
    return Unexpected{rules.error()};
  }
  if (auto restricted = on_every_thread(restrict_files, &*rules); !restricted) {
    return Unexpected{restricted.error()};
  }
  return landlock_version();
}

base::SysResult<void> filter_calls(Role role, Enforcement enforcement) {
#ifdef LIFTGATE_SANITIZED
  (void)role;
  (void)enforcement;
  base::Error lack = base::failure("a build with sanitizers has no system call filter");
  lack.cure = "Use a Release build to serve with";
  return Unexpected{std::move(lack)};
#else
  return allow_only(role, enforcement, Threads::kAll);
#endif
}

}  // namespace

std::string InForce::to_string() const {
  std::string text;
  const auto add = [&](bool there, const std::string& what) {
    if (there) {
      text += (text.empty() ? "" : ", ") + what;
    }
  };
  add(no_new_privileges, "no new privileges");
  add(landlock > 0, "Landlock " + std::to_string(landlock));
  add(filter, "system call filter");
  return text.empty() ? "nothing" : text;
}

InForce confine(const Confinement& confinement) {
  InForce in_force;
  if (confinement.enforcement == Enforcement::kOff) {
    return in_force;
  }
  forbid_core_dumps();
  const auto note = [&](const base::Error& why) { in_force.missing.push_back(why); };
  if (auto done = on_every_thread(give_up_capabilities, &confinement.capabilities); !done) {
    note(done.error());
  } else {
    in_force.no_new_privileges = true;
    // The filter lets no rule be added, so it comes last.
    if (auto version = restrict_to(confinement.files); version) {
      in_force.landlock = *version;
    } else {
      note(version.error());
    }
  }
  if (auto done = filter_calls(confinement.role, confinement.enforcement); done) {
    in_force.filter = true;
  } else {
    note(done.error());
  }
  return in_force;
}

}  // namespace netns
