#include "gateway/onramp/gue_receiver.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

namespace gateway {

namespace {

base::IpAddress address_of(const cmsghdr& control) {
  if (control.cmsg_level == IPPROTO_IP) {
    in_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(&control), sizeof(info));
    return base::IpAddress::from_v4_bytes(
        std::as_bytes(std::span<const in_addr_t, 1>(&info.ipi_spec_dst.s_addr, 1)));
  }
  in6_pktinfo info{};
  std::memcpy(&info, CMSG_DATA(&control), sizeof(info));
  return base::IpAddress::from_v6_bytes(
      std::as_bytes(std::span<const std::uint8_t, 16>(info.ipi6_addr.s6_addr)));
}

}  // namespace

GueReceiver::GueReceiver()
    : bytes_(std::make_unique_for_overwrite<std::byte[]>(kMessages * kStride)) {}

std::size_t GueReceiver::receive(const base::Fd& socket) {
  for (std::size_t i = 0; i < kMessages; ++i) {
    senders_[i].size() = sizeof(sockaddr_storage);
    pieces_[i] = {bytes_.get() + i * kStride + kLeadBytes, kMaxBytes};
    headers_[i].msg_hdr = {.msg_name = senders_[i].data(),
                           .msg_namelen = sizeof(sockaddr_storage),
                           .msg_iov = &pieces_[i],
                           .msg_iovlen = 1,
                           .msg_control = controls_[i].bytes.data(),
                           .msg_controllen = kControlBytes,
                           .msg_flags = 0};
  }
  // An error is an ICMP error about what was sent, or a lack of memory: reading it clears it.
  const int got = ::recvmmsg(socket.get(), headers_.data(), kMessages, MSG_DONTWAIT, nullptr);
  return static_cast<std::size_t>(std::max(got, 0));
}

GueReceiver::Message GueReceiver::message(std::size_t index) {
  msghdr& header = headers_.at(index).msg_hdr;
  const std::size_t length = headers_[index].msg_len;
  Message message{.from = senders_[index].endpoint().value_or(base::Endpoint{}),
                  .to = {},
                  .bytes = {bytes_.get() + index * kStride + kLeadBytes, length},
                  .datagram_bytes = length};
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
      int segment = 0;
      std::memcpy(&segment, CMSG_DATA(control), sizeof(segment));
      message.datagram_bytes = static_cast<std::size_t>(std::max(segment, 1));
    } else if ((control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) ||
               (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO)) {
      message.to = address_of(*control);
    }
  }
  return message;
}

}  // namespace gateway
