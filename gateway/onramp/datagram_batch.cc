#include "gateway/onramp/datagram_batch.h"

#include <algorithm>

namespace gateway {

std::size_t DatagramBatch::receive(const base::Fd& socket, std::size_t lead) {
  lead_ = lead;
  for (std::size_t i = 0; i < kMost; ++i) {
    const auto room = arena_.slot(i, kMaxPacketBytes).subspan(lead);
    pieces_[i] = {room.data(), room.size()};
    msghdr& header = messages_[i].msg_hdr;
    header = {};
    header.msg_name = remotes_[i].data();
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_iov = &pieces_[i];
    header.msg_iovlen = 1;
    header.msg_control = controls_[i].bytes.data();
    header.msg_controllen = controls_[i].bytes.size();
  }
  const int got = ::recvmmsg(socket.get(), messages_.data(), kMost, MSG_DONTWAIT, nullptr);
  return static_cast<std::size_t>(std::max(got, 0));
}

}  // namespace gateway
