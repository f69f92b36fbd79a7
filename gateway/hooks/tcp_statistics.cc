#include "gateway/hooks/tcp_statistics.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace gateway::hooks {

std::optional<TcpStatistics> statistics_of(const base::Fd& socket) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (!socket.is_open() || ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    return std::nullopt;
  }
  return TcpStatistics{.rtt = std::chrono::microseconds(info.tcpi_rtt),
                       .rtt_variation = std::chrono::microseconds(info.tcpi_rttvar),
                       .acknowledged_bytes = info.tcpi_bytes_acked,
                       .received_bytes = info.tcpi_bytes_received,
                       .retransmits = info.tcpi_total_retrans,
                       .segments_out = info.tcpi_segs_out,
                       .segments_in = info.tcpi_segs_in,
                       .mss_bytes = info.tcpi_snd_mss};
}

}  // namespace gateway::hooks
