// The doctor's judgements: facts in, a finding out. Collecting the facts is doctor.cc's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "gateway/doctor.h"

namespace gateway {

/// `error` is the errno of making a user and network namespace and using a right in it; 0 for none.
Finding judge_user_namespaces(int error);

/// `program` is the path that a profile has to name.
struct AppArmorFacts {
  bool restricts = false;  // kernel.apparmor_restrict_unprivileged_userns
  int namespace_error = 0;
  std::string program;
};
Finding judge_apparmor(const AppArmorFacts& facts);

/// `offload` of a sandbox that started, or why it did not.
Finding judge_sandbox(const base::SysResult<bool>& offload);

/// Of /dev/net/tun; errors are errno values, 0 for none.
struct TunDeviceFacts {
  int stat_error = 0;
  bool is_character_device = false;
  mode_t mode = 0;
  int open_error = 0;
};
Finding judge_tun_device(const TunDeviceFacts& facts);

struct PingFacts {
  int socket_error = 0;  // of socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)
  std::string range;     // net.ipv4.ping_group_range, "1 0"; empty: cannot be read
};
Finding judge_ping(const PingFacts& facts);

struct IoUringFacts {
  int setup_error = 0;
  std::string disabled;  // kernel.io_uring_disabled; empty: no such setting
};
Finding judge_io_uring(const IoUringFacts& facts);

/// RLIMIT_NOFILE; UINT64_MAX is no limit.
Finding judge_descriptors(std::uint64_t soft, std::uint64_t hard);

/// net.core.wmem_max; empty: cannot be read (a container hides it).
Finding judge_send_buffer(std::optional<std::uint64_t> wmem_max_bytes);

struct Ipv6Facts {
  int socket_error = 0;
  bool disabled = false;  // net.ipv6.conf.all.disable_ipv6
};
Finding judge_ipv6(const Ipv6Facts& facts);

/// `allowed`: SO_MARK may be set.
Finding judge_socket_marks(bool allowed);

Finding judge_user(uid_t uid);

}  // namespace gateway
