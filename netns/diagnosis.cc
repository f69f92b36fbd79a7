#include "netns/diagnosis.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace netns {
namespace {

// The first word of a /proc file; empty when the kernel has no such file.
std::string setting(const char* path) {
  std::string value;
  std::ifstream(path) >> value;
  return value;
}

constexpr const char* kAppArmorSwitch = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
constexpr const char* kAppArmorCure =
    "AppArmor restricts unprivileged user namespaces here "
    "(kernel.apparmor_restrict_unprivileged_userns = 1): load the profile that `liftgate doctor` "
    "prints, or set that sysctl to 0";

}  // namespace

bool apparmor_restricts_user_namespaces() {
  return setting(kAppArmorSwitch) == "1";
}

std::string user_namespace_cure(int error) {
  const bool refused = error == EPERM || error == EACCES;
  if (setting("/proc/sys/user/max_user_namespaces") == "0") {
    return "User namespaces are switched off here: sysctl -w user.max_user_namespaces=10000";
  }
  if (refused && setting("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
    return "Unprivileged user namespaces are switched off here: sysctl -w "
           "kernel.unprivileged_userns_clone=1";
  }
  if (refused && apparmor_restricts_user_namespaces()) {
    return kAppArmorCure;
  }
  if (refused) {
    return "A seccomp filter or a chroot forbids user namespaces here: in a container, run it "
           "with --security-opt seccomp=unconfined or allow clone, clone3, setns and unshare";
  }
  if (error == ENOSPC || error == EUSERS) {
    return "Too many namespaces, or too deeply nested: raise user.max_user_namespaces and "
           "user.max_net_namespaces";
  }
  if (error == EINVAL || error == ENOSYS) {
    return "The kernel was built without CONFIG_USER_NS or CONFIG_NET_NS";
  }
  if (error == EAGAIN) {
    return "Too many processes: raise ulimit -u or the pids limit of the cgroup";
  }
  return {};
}

std::string id_map_cure(int error) {
  if (error != EPERM && error != EACCES) {
    return {};
  }
  if (apparmor_restricts_user_namespaces()) {
    return kAppArmorCure;
  }
  return "uid 0 may map itself only while it holds CAP_SETFCAP: run as another user, or give the "
         "container that capability";
}

std::string tun_cure(int error) {
  if (error == ENOENT) {
    return "There is no /dev/net/tun here: in a container run it with --device /dev/net/tun, "
           "elsewhere modprobe tun";
  }
  if (error == ENODEV || error == ENXIO) {
    return "The kernel has no TUN driver loaded: modprobe tun";
  }
  if (error == EACCES || error == EPERM) {
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
      return "Let this user read and write /dev/net/tun: chmod 0666 /dev/net/tun (it gives no "
             "rights by itself)";
    }
    if (apparmor_restricts_user_namespaces()) {
      return kAppArmorCure;
    }
    return "The device cgroup of this container, or a nodev mount, forbids /dev/net/tun: run it "
           "with "
           "--device /dev/net/tun";
  }
  return {};
}

std::string apparmor_profile(std::string_view program) {
  const std::string path(program);
  return "abi <abi/4.0>,\n"
         "include <tunables/global>\n"
         "\n" +
         path +
         " flags=(unconfined) {\n"
         "  userns,\n"
         "}\n";
}

}  // namespace netns
