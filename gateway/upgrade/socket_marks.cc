#include "gateway/upgrade/socket_marks.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace gateway {

void set_dscp(const base::Fd& socket, bool v4, flows::Dscp dscp) {
  const int field = dscp == flows::kOwnDscp ? 0 : flows::ds_field(dscp);
  ::setsockopt(socket.get(), v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &field,
               sizeof(field));
}

int set_mark(const base::Fd& socket, std::uint32_t mark) {
  return ::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0 ? 0 : errno;
}

void mark_socket(const base::Fd& socket, bool v4, std::uint32_t mark, flows::Dscp dscp) {
  if (mark != 0) {
    (void)set_mark(socket, mark);
  }
  if (dscp != flows::kOwnDscp) {
    set_dscp(socket, v4, dscp);
  }
}

bool may_mark_sockets() {
  const auto probe = base::Fd::adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return probe.is_open() && set_mark(probe, 1) == 0;
}

bool has_marks(const std::vector<Rule>& rules) {
  return std::ranges::any_of(rules, [](const Rule& rule) { return rule.mark.has_value(); });
}

void say_if_marks_stay_inside(const std::vector<Rule>& rules, LogLevel level) {
  if (has_marks(rules) && !may_mark_sockets()) {
    log_at(level, "marks of rules stay with flows, and sockets do not get them cure=\"{}\"",
           "start the gateway with CAP_NET_RAW and a rule that has a mark, or use `dscp`");
  }
}

}  // namespace gateway
