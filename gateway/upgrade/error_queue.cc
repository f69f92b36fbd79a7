#include "gateway/upgrade/error_queue.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>  // for linux/errqueue.h

#include <cerrno>
#include <cstring>

namespace gateway {

using base::Endpoint;
using base::IpAddress;
using flows::IcmpError;

namespace {

bool is_error_message(const cmsghdr& header) {
  return (header.cmsg_level == SOL_IP && header.cmsg_type == IP_RECVERR) ||
         (header.cmsg_level == SOL_IPV6 && header.cmsg_type == IPV6_RECVERR);
}

// The kernel keeps the last four bytes of the ICMP header only as far as they mean something
// (icmp_unreach in net/ipv4/icmp.c), or all of them (ipv6_icmp_error).
IcmpError icmp_of(const sock_extended_err& error) {
  constexpr std::uint8_t kUnreachable = 3, kFragmentationNeeded = 4, kParameterProblem = 12;
  IcmpError icmp{error.ee_type, error.ee_code};
  if (error.ee_origin == SO_EE_ORIGIN_ICMP6) {
    icmp.rest = error.ee_info;
  } else if (icmp.type == kUnreachable && icmp.code == kFragmentationNeeded) {
    icmp.rest = error.ee_info & 0xffffU;
  } else if (icmp.type == kParameterProblem) {
    icmp.rest = error.ee_info << 24U;
  }
  return icmp;
}

// SO_EE_OFFENDER: the address behind the error, which the macro reaches by a cast.
std::optional<IpAddress> offender_of(std::span<const std::byte> behind) {
  base::SocketAddress address;
  if (behind.size() < sizeof(sockaddr_in)) {
    return std::nullopt;
  }
  std::memcpy(address.data(), behind.data(), std::min(behind.size(), sizeof(sockaddr_in6)));
  const auto endpoint = address.endpoint();
  return endpoint ? std::optional(endpoint->address) : std::nullopt;
}

void take(std::span<const std::byte> data, QueuedError& queued) {
  sock_extended_err error{};
  if (data.size() < sizeof(error)) {
    return;
  }
  std::memcpy(&error, data.data(), sizeof(error));
  if (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6) {
    queued.icmp = icmp_of(error);
    queued.offender = offender_of(data.subspan(sizeof(error)));
  } else if (error.ee_origin == SO_EE_ORIGIN_LOCAL && error.ee_errno == EMSGSIZE) {
    queued.mtu_bytes = error.ee_info;
  }
}

}  // namespace

std::optional<QueuedError> read_error(const base::Fd& socket, std::span<std::byte> buffer) {
  alignas(cmsghdr) std::array<std::byte, 512> control;
  base::SocketAddress destination;
  iovec piece{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = destination.data();
  message.msg_namelen = destination.size();
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(socket.get(), &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (got < 0) {
    return std::nullopt;
  }
  QueuedError queued;
  queued.destination = destination.endpoint().value_or(Endpoint{});
  queued.quote = buffer.first(static_cast<std::size_t>(got));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (is_error_message(*header)) {
      const auto* data = reinterpret_cast<const std::byte*>(CMSG_DATA(header));
      take({data, header->cmsg_len - CMSG_LEN(0)}, queued);
    }
  }
  return queued;
}

}  // namespace gateway
