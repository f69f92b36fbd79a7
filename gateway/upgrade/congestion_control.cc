#include "gateway/upgrade/congestion_control.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fstream>

namespace gateway {
namespace {

// The only algorithm of the kernel that asks for pacing (bbr_init() in net/ipv4/tcp_bbr.c), and its
// later versions, which are no part of it.
bool paces(std::string_view name) {
  return name.starts_with("bbr");
}

bool holds_word(std::string_view words, std::string_view word) {
  const std::string padded = " " + std::string(words) + " ";
  return padded.find(" " + std::string(word) + " ") != std::string::npos;
}

std::string line_of(const char* setting) {
  std::ifstream file(std::string("/proc/sys/net/ipv4/") + setting);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

CongestionControl::CongestionControl(std::string_view host, std::string_view allowed,
                                     bool pace_nearby)
    : far_(host) {
  if (paces(host) && !pace_nearby) {
    nearby_ = holds_word(allowed, "cubic") ? "cubic" : "reno";
  }
}

CongestionControl CongestionControl::of_host(bool pace_nearby) {
  return {line_of("tcp_congestion_control"), line_of("tcp_allowed_congestion_control"),
          pace_nearby};
}

void CongestionControl::add_to(netns::SandboxConfig& config) const {
  if (!nearby_.empty()) {
    config.sysctls.push_back({.name = "net/ipv4/tcp_congestion_control", .value = nearby_});
  }
}

void CongestionControl::choose_for(const base::Fd& socket) const {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (nearby_.empty() || ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
      info.tcpi_rtt < kNearbyUs) {
    return;
  }
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, far_.data(),
               static_cast<socklen_t>(far_.size()));
}

}  // namespace gateway
