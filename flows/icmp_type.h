// ICMP types as they go together: a question, and the answer to it (IANA ICMP and ICMPv6
// parameters).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "flows/protocol.h"

namespace flows {

inline constexpr std::uint8_t kEchoReply = 0, kEchoRequest = 8;          // RFC 792
inline constexpr std::uint8_t kEchoRequestV6 = 128, kEchoReplyV6 = 129;  // RFC 4443 4

[[nodiscard]] constexpr bool is_icmp(Protocol protocol) {
  return protocol == Protocol::kIcmp || protocol == Protocol::kIcmpv6;
}

/// Of an ICMP or ICMPv6 echo request; 0: the protocol is another.
[[nodiscard]] constexpr std::uint8_t echo_request_of(Protocol protocol) {
  return protocol == Protocol::kIcmp     ? kEchoRequest
         : protocol == Protocol::kIcmpv6 ? kEchoRequestV6
                                         : 0;
}

/// Whether it is an echo request or the reply to one.
[[nodiscard]] constexpr bool is_echo(Protocol protocol, std::uint8_t type) {
  return (protocol == Protocol::kIcmp && (type == kEchoRequest || type == kEchoReply)) ||
         (protocol == Protocol::kIcmpv6 && (type == kEchoRequestV6 || type == kEchoReplyV6));
}

namespace icmp_type_detail {

struct Exchange {
  Protocol protocol;
  std::uint8_t question;
  std::uint8_t answer;
};
inline constexpr std::array kExchanges = {
    Exchange{Protocol::kIcmp, kEchoRequest, kEchoReply},
    Exchange{Protocol::kIcmp, 13, 14},  // timestamp, RFC 792
    Exchange{Protocol::kIcmp, 15, 16},  // information, RFC 792
    Exchange{Protocol::kIcmp, 17, 18},  // address mask, RFC 950
    Exchange{Protocol::kIcmp, 42, 43},  // extended echo, RFC 8335
    Exchange{Protocol::kIcmpv6, kEchoRequestV6, kEchoReplyV6},
    Exchange{Protocol::kIcmpv6, 139, 140},  // node information, RFC 4620
    Exchange{Protocol::kIcmpv6, 160, 161},  // extended echo, RFC 8335
};

}  // namespace icmp_type_detail

/// The type that answers `question`. Nothing where that asks for no answer.
[[nodiscard]] constexpr std::optional<std::uint8_t> answer_to(Protocol protocol,
                                                              std::uint8_t question) {
  for (const auto& exchange : icmp_type_detail::kExchanges) {
    if (exchange.protocol == protocol && exchange.question == question) {
      return exchange.answer;
    }
  }
  return std::nullopt;
}

/// The type that `answer` answers. Nothing where it answers none.
[[nodiscard]] constexpr std::optional<std::uint8_t> question_of(Protocol protocol,
                                                                std::uint8_t answer) {
  for (const auto& exchange : icmp_type_detail::kExchanges) {
    if (exchange.protocol == protocol && exchange.answer == answer) {
      return exchange.question;
    }
  }
  return std::nullopt;
}

}  // namespace flows
