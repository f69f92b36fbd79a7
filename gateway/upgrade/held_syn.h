// HeldSyn: a client's SYN while it waits for the upstream's answer: its headers.
//
// What a SYN carries is not kept. Without Fast Open, which the sandbox's kernel does not offer,
// nobody takes it: the SYN-ACK acknowledges the SYN alone, and the client sends the rest again (RFC
// 7413 3; DataInASynIsNotAcknowledgedWithIt of integration/tcp_as_direct_test.cc). Kept, it would
// be 64 KiB for each connection that a client with offload begins.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "flows/packet.h"
#include "gateway/onramp/raw_packet.h"

namespace gateway {

class HeldSyn {
 public:
  /// `parsed` is the parse of `syn`.
  HeldSyn(const RawPacket& syn, const flows::Packet& parsed);

  /// Of the SYN as it came, what it carried included: an RST acknowledges that, too.
  [[nodiscard]] const flows::Packet& parsed() const { return parsed_; }
  /// For an ICMP error to quote: as they came (RFC 1122 3.2.2), until they are taken.
  [[nodiscard]] std::span<const std::byte> headers() const;

  /// The SYN as a packet that carries nothing: lengths and checksums are those of the headers
  /// alone. The caller may rewrite it; once only.
  RawPacket take_without_payload();
  [[nodiscard]] bool is_taken() const { return is_taken_; }

 private:
  std::vector<std::byte> bytes_;  // RawPacket's headroom in front
  flows::Packet parsed_;
  bool is_taken_ = false;
};

}  // namespace gateway
