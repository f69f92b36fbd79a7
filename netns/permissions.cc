#include "netns/permissions.h"

#include "base/check.h"

namespace netns {

std::string_view name(Role role) {
  switch (role) {
    case Role::kGateway:
      return "gateway";
    case Role::kRun:
      return "run";
    case Role::kSupervisor:
      return "supervisor";
    case Role::kSetUp:
      return "set-up";
    case Role::kHelper:
      return "helper";
  }
  base::check_failed("role is a Role", __FILE__, __LINE__);
}

std::string_view describe(Only only) {
  switch (only) {
    case Only::kAny:
      return "";
    case Only::kThreadOrSandbox:
      return "a thread, or a process in a new user and network namespace";
    case Only::kInternet:
      return "IPv4 and IPv6";
    case Only::kOurFamilies:
      return "IPv4, IPv6, unix, netlink";
    case Only::kNotRaw:
      return "IPv4 and IPv6, no raw ones; unix, netlink";
    case Only::kOurselves:
      return "to this process";
    case Only::kOurControls:
      return "queue lengths, terminals' sizes, TUN set-up";
    case Only::kGivingUp:
      return "names, capabilities, no_new_privs, dumpable";
    case Only::kNotExecutable:
      return "no executable memory";
    case Only::kRefused:
      return "always fails with ENOSYS";
  }
  base::check_failed("only is an Only", __FILE__, __LINE__);
}

}  // namespace netns
