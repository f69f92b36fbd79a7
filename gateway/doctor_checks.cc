#include "gateway/doctor_checks.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "netns/diagnosis.h"

namespace gateway {
namespace {

using Mark = Finding::Mark;

// An upgraded TCP connection is two sockets; a pipe is borrowed only while bytes are in flight.
constexpr std::uint64_t kDescriptorsPerConnection = 2;
constexpr std::uint64_t kDescriptorsOfOurOwn = 64;
constexpr std::uint64_t kFewConnections = 1000;  // chosen: one busy browser opens a few hundred

// Chosen: a burst of 32 packets of 64 KiB, which the kernel counts with their overhead.
constexpr std::uint64_t kGoodSendBufferBytes = 4U << 20U;

constexpr const char* kAskTheAdministrator =
    "Something outside of this program forbids it: a container's settings, or a security module.";

Finding ok(std::string check, std::string what) {
  return {Mark::kOk, std::move(check), std::move(what), {}};
}
Finding warn(std::string check, std::string what, std::string cure) {
  return {Mark::kWarn, std::move(check), std::move(what), std::move(cure)};
}
Finding fail(std::string check, std::string what, std::string cure) {
  return {Mark::kFail, std::move(check), std::move(what), std::move(cure)};
}

std::string text_of(int error) {
  return std::generic_category().message(error);
}

std::string limit_text(std::uint64_t limit) {
  return limit == std::numeric_limits<std::uint64_t>::max() ? "unlimited" : std::to_string(limit);
}

}  // namespace

Finding judge_user_namespaces(int error) {
  const std::string check = "user-namespaces";
  if (error == 0) {
    return ok(check, "a user and a network namespace can be made and used");
  }
  const std::string cure = netns::user_namespace_cure(error);
  return fail(check, "no user and network namespace to be had: " + text_of(error),
              cure.empty() ? kAskTheAdministrator : cure);
}

Finding judge_apparmor(const AppArmorFacts& facts) {
  const std::string check = "apparmor";
  if (!facts.restricts) {
    return ok(check, "AppArmor does not restrict user namespaces here");
  }
  if (facts.namespace_error == 0) {
    return ok(check, "AppArmor restricts user namespaces here, but not this program's");
  }
  return fail(check, "AppArmor keeps unprivileged programs from using user namespaces",
              "Write this to /etc/apparmor.d/liftgate, then: apparmor_parser -r "
              "/etc/apparmor.d/liftgate\n" +
                  netns::apparmor_profile(facts.program));
}

Finding judge_sandbox(const base::SysResult<bool>& offload) {
  const std::string check = "sandbox";
  if (!offload) {
    const base::Error& why = offload.error();
    const base::Error without_cure{why.code, why.doing, {}};
    return fail(check, "a sandbox does not start: " + without_cure.message(),
                why.cure.empty() ? kAskTheAdministrator : why.cure);
  }
  if (!*offload) {
    return warn(check, "a sandbox starts, but its TUN device takes no offload: slower",
                "A newer kernel, or one with the TUN driver unrestricted.");
  }
  return ok(check, "a sandbox starts, and its TUN device takes checksum and segmentation offload");
}

Finding judge_tun_device(const TunDeviceFacts& facts) {
  const std::string check = "tun-device";
  const std::string path = "/dev/net/tun";
  if (facts.stat_error != 0) {
    return fail(
        check, path + ": " + text_of(facts.stat_error),
        "Load the driver: modprobe tun. In a container: run it with --device /dev/net/tun.");
  }
  if (!facts.is_character_device) {
    return fail(check, path + " is not a device",
                "Remove it, then: mknod /dev/net/tun c 10 200 && chmod 0666 /dev/net/tun");
  }
  const std::string found = fmt::format("{} (mode {:04o})", path, facts.mode & 07777);
  switch (facts.open_error) {
    case 0:
      return ok(check, found + " opens");
    case EACCES:
      return fail(
          check, found + " does not let this user in",
          "It gives no rights by itself, so let everybody open it: chmod 0666 /dev/net/tun");
    case EPERM:
      return fail(check, found + " is forbidden by the device cgroup of this container",
                  "Run the container with --device /dev/net/tun.");
    case ENODEV:
    case ENXIO:
      return fail(check, found + " has no driver behind it", "Load the driver: modprobe tun");
    default:
      return fail(check, found + " does not open: " + text_of(facts.open_error),
                  kAskTheAdministrator);
  }
}

Finding judge_ping(const PingFacts& facts) {
  const std::string check = "ping";
  if (facts.socket_error == 0) {
    return ok(check, "ICMP echo sockets are allowed");
  }
  return warn(check,
              fmt::format("ICMP echo sockets are refused ({}; net.ipv4.ping_group_range is {}): "
                          "pings through the gateway get no answer",
                          text_of(facts.socket_error),
                          facts.range.empty() ? "not readable" : "\"" + facts.range + "\""),
              "sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"");
}

Finding judge_io_uring(const IoUringFacts& facts) {
  const std::string check = "io-uring";
  if (facts.setup_error == 0) {
    return ok(check, "io_uring is allowed");
  }
  const std::string what = "io_uring is refused (" + text_of(facts.setup_error) +
                           "): packets are moved with recvmmsg and sendmmsg instead";
  if (facts.setup_error == ENOSYS) {
    return warn(check, what, "Nothing to do, unless a newer kernel is to be had.");
  }
  if (!facts.disabled.empty() && facts.disabled != "0") {
    return warn(check, what, "sysctl -w kernel.io_uring_disabled=0 (it is " + facts.disabled + ")");
  }
  return warn(check, what,
              "A container's seccomp profile forbids it; Docker: --security-opt "
              "seccomp=PROFILE with the io_uring calls allowed.");
}

Finding judge_descriptors(std::uint64_t soft, std::uint64_t hard) {
  const std::uint64_t usable = soft - std::min(soft, kDescriptorsOfOurOwn);
  const std::uint64_t connections = usable / kDescriptorsPerConnection;
  const std::string what = fmt::format("{} open files (hard limit {}): room for {} connections",
                                       limit_text(soft), limit_text(hard), connections);
  if (connections >= kFewConnections) {
    return ok("open-files", what);
  }
  if (hard > soft) {
    return warn("open-files", what, "ulimit -n " + limit_text(hard));
  }
  return warn("open-files", what,
              "Raise the hard limit: LimitNOFILE= of the systemd unit, or "
              "/etc/security/limits.conf.");
}

Finding judge_send_buffer(std::optional<std::uint64_t> wmem_max_bytes) {
  const std::string check = "send-buffer";
  const std::string cure = fmt::format("sysctl -w net.core.wmem_max={}", kGoodSendBufferBytes);
  if (!wmem_max_bytes) {
    return warn(check, "net.core.wmem_max cannot be read here, so tunnels may lose bursts",
                "On the host: " + cure);
  }
  if (*wmem_max_bytes < kGoodSendBufferBytes) {
    return warn(check,
                fmt::format("net.core.wmem_max is {} bytes: a tunnel that is slow for a moment "
                            "loses packets of a burst",
                            *wmem_max_bytes),
                cure);
  }
  return ok(check, fmt::format("net.core.wmem_max is {} bytes", *wmem_max_bytes));
}

Finding judge_ipv6(const Ipv6Facts& facts) {
  const std::string check = "ipv6";
  if (facts.socket_error != 0) {
    return warn(check, "this kernel has no IPv6: flows to IPv6 addresses are refused",
                "Boot without ipv6.disable=1.");
  }
  if (facts.disabled) {
    return warn(check, "IPv6 is switched off: flows to IPv6 addresses are refused",
                "sysctl -w net.ipv6.conf.all.disable_ipv6=0");
  }
  return ok(check, "IPv6 is there");
}

// No lack: only rules with a mark want it, and whoever runs without privileges does so on purpose.
Finding judge_socket_marks(bool allowed) {
  return ok("socket-marks", allowed ? "a rule's `mark` reaches sockets, too (SO_MARK)"
                                    : "a rule's `mark` stays with its flows: SO_MARK needs "
                                      "CAP_NET_RAW, which `dscp` does not");
}

Finding judge_user(uid_t uid) {
  if (uid == 0) {
    return warn("user", "running as root, which liftgate does not need",
                "Run it as a user of its own.");
  }
  return ok("user", fmt::format("running as uid {}, without privileges", uid));
}

}  // namespace gateway
