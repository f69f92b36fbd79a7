#include "integration/support/host_network.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/fd.h"
#include "integration/support/must.h"
#include "netns/rtnetlink.h"
#include "netns/sysctl.h"
#include "netns/tun_device.h"

namespace integration::host {
namespace {

using base::SysResult;
using base::Unexpected;

constexpr int kServers = 9;
constexpr auto kResolvConf = "/etc/resolv.conf";

SysResult<void> write_file(const std::string& path, const std::string& text) {
  const auto file = base::Fd::adopt(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.is_open() || ::write(file.get(), text.data(), text.size()) < 0) {
    return Unexpected{base::last_error("writing '" + text + "' to " + path)};
  }
  return {};
}

// A uid that is never 0, whoever runs the tests: uid 0 would keep its capabilities over exec, and
// the gateway under test would have more power than an ordinary user's.
SysResult<void> enter_namespaces() {
  const std::string uid = std::to_string(::geteuid());
  const std::string gid = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0) {
    return Unexpected{base::last_error("unshare")};
  }
  if (auto done = write_file("/proc/self/setgroups", "deny"); !done) {
    return done;
  }
  const std::string inside = std::to_string(kUid);
  if (auto done = write_file("/proc/self/uid_map", inside + " " + uid + " 1"); !done) {
    return done;
  }
  return write_file("/proc/self/gid_map", inside + " " + gid + " 1");
}

// In a file of this process's own. Until it is removed, others can mount over it in namespaces of
// theirs.
std::string path_of_text(const std::string& name) {
  return "/tmp/liftgate-" + name + "-" + std::to_string(::getpid());
}

SysResult<void> mount_text_over(const std::string& place, const std::string& path,
                                const std::string& text) {
  const auto file =
      base::Fd::adopt(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.is_open() || ::write(file.get(), text.data(), text.size()) < 0 ||
      ::fchmod(file.get(), 0644) != 0) {
    return Unexpected{base::last_error("writing " + path)};
  }
  if (::mount(path.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return Unexpected{base::last_error("mounting over " + place)};
  }
  return {};
}

// Programs that ask who uid 1000 is (ssh does) get an answer, and a shell.
SysResult<void> name_our_user() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return Unexpected{base::last_error("making the mounts our own")};
  }
  const std::string path = path_of_text("passwd");
  auto mounted = mount_text_over("/etc/passwd", path, "tester:x:1000:1000::/tmp:/bin/sh\n");
  ::unlink(path.c_str());
  return mounted;
}

SysResult<void> set_up_loopback() {
  auto route = netns::RouteSocket::open();
  if (!route) {
    return Unexpected{route.error()};
  }
  if (auto done = netns::set_sysctl({"net/ipv6/conf/all/disable_ipv6", "0", true}); !done) {
    return done;
  }
  if (auto up = route->set_link_up("lo"); !up) {
    return up;
  }
  for (int i = 1; i <= kServers; ++i) {
    const std::string digit = std::to_string(i);
    for (const netns::InterfaceAddress& server :
         {netns::InterfaceAddress{address("192.0.2." + digit), 32},
          netns::InterfaceAddress{address("2001:db8::" + digit), 128}}) {
      if (auto added = route->add_address("lo", server); !added) {
        return added;
      }
      // Not when the kernel's work queue gets round to it: on a busy machine the first connect to
      // a server was told that its network is unreachable.
      if (!server.address.is_v6()) {
        continue;
      }
      if (auto added = route->add_local_route("lo", server.address); !added) {
        return added;
      }
    }
  }
  return {};
}

// Held open for as long as we live: without it the device would say that it has no carrier.
SysResult<void> set_up_the_silent_world() {
  netns::TunConfig config;
  config.name = "world0";
  config.addresses = {{address("203.0.113.254"), 24}, {address("2001:db8:113::ffff"), 48}};
  config.vnet_header = false;
  config.offload = false;
  config.default_routes = false;
  auto tun = netns::make_tun(config);
  if (!tun) {
    return Unexpected{tun.error()};
  }
  static const base::Fd kWorld = std::move(tun->fd);
  return {};
}

void add_the_ways_to_fail() {
  shape({"ip", "route", "add", "prohibit", kProhibited4});
  shape({"ip", "route", "add", "unreachable", kUnreachable4});
  shape({"ip", "route", "add", "blackhole", kBlackhole4});
  shape({"ip", "-6", "route", "add", "unreachable", kUnreachable6});
}

}  // namespace

SysResult<void> enter() {
  // What a test leaves behind becomes our child, so that it can be seen.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  for (const auto step :
       {enter_namespaces, name_our_user, set_up_loopback, set_up_the_silent_world}) {
    if (auto done = step(); !done) {
      return done;
    }
  }
  const std::string gid = std::to_string(kUid);
  if (auto done = netns::set_sysctl({"net/ipv4/ping_group_range", gid + " " + gid, false}); !done) {
    return done;
  }
  add_the_ways_to_fail();
  return {};
}

void shape(const Program::Words& words) {
  const Finished finished = run(words, kPatience, {.as_network_admin = true});
  if (finished.status != 0) {
    give_up(words.front() + ": " + finished.err);
  }
}

ResolvConf::ResolvConf(const std::string& text) {
  must(mount_text_over(kResolvConf, path_of_text("resolv"), text));
}

ResolvConf::~ResolvConf() {
  ::umount2(kResolvConf, MNT_DETACH);
  ::unlink(path_of_text("resolv").c_str());
}

void set_sysctl(const std::string& name, const std::string& value) {
  must(netns::set_sysctl({name, value, false}));
}

}  // namespace integration::host
