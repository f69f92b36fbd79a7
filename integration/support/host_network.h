// HostNetwork: the network that stands in for the host's, with servers, gateway and the world.
//
// Theory of operation. A client in a sandbox cannot speak to 127.0.0.1 of the host, and a test must
// not depend on the machine's own network. So the test program enters a user, mount and network
// namespace of its own before anything else, and everything that a test starts lives below it:
//
//     our own namespaces, uid 1000, no capability after exec
//    +---------------------------------------------------------------------------+
//    | lo: 192.0.2.1-9  2001:db8::1-9                                            |
//    |       servers of the test     liftgate serve     (sandbox of the gateway) |
//    |       client sandboxes: nested namespaces, one for each ClientNetwork     |
//    | world0: 203.0.113.0/24  2001:db8:113::/48   packets that go there vanish  |
//    | 198.51.100.1 prohibited  .2 unreachable  .3 blackhole   all else: no route|
//    +---------------------------------------------------------------------------+
//
// That needs no root, and shows that none is needed: it works for every uid alike. Ports are the
// kernel's choice all the same, so that tests can be run against each other.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.h"
#include "integration/support/program.h"

namespace integration::host {

inline constexpr uid_t kUid = 1000;  // ours, inside

/// Addresses for servers: every one is local and reachable, none is loopback.
inline const std::string kServer4 = "192.0.2.1";
inline const std::string kServer6 = "2001:db8::1";
inline const std::string kOtherServer4 = "192.0.2.2";  // up to 192.0.2.9
inline const std::string kOtherServer6 = "2001:db8::2";

/// Addresses at which a connect fails in a known way.
inline const std::string kProhibited4 = "198.51.100.1";   // EACCES
inline const std::string kUnreachable4 = "198.51.100.2";  // EHOSTUNREACH
inline const std::string kBlackhole4 = "198.51.100.3";    // EINVAL: dropped by our own routing
inline const std::string kNoRoute4 = "198.18.77.1";       // ENETUNREACH
inline const std::string kSilent4 = "203.0.113.1";        // nobody ever answers
inline const std::string kUnreachable6 = "2001:db8:100::2";
inline const std::string kNoRoute6 = "2001:db8:77::1";
inline const std::string kSilent6 = "2001:db8:113::1";

/// Enters the namespaces. Once, while the process has one thread.
base::SysResult<void> enter();

/// `ip route add blackhole 198.51.100.7`, `nft add table ...`: with every capability here. Throws
/// when it fails.
void shape(const Program::Words& words);

/// For as long as it lives, /etc/resolv.conf says this to every program of the test.
class ResolvConf {
 public:
  explicit ResolvConf(const std::string& text);
  ~ResolvConf();
  ResolvConf(const ResolvConf&) = delete;
  ResolvConf& operator=(const ResolvConf&) = delete;
};

/// A setting of the host network, "net/ipv4/tcp_syn_retries".
void set_sysctl(const std::string& name, const std::string& value);

}  // namespace integration::host
