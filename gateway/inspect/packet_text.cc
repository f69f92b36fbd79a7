#include "gateway/inspect/packet_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/utf8.h"
#include "flows/icmp_type.h"
#include "flows/protocol.h"

namespace gateway {
namespace {

using flows::Packet;
using flows::Protocol;

constexpr std::size_t kShownBytes = 64;
constexpr std::array kNamed = {Protocol::kTcp, Protocol::kUdp, Protocol::kIcmp, Protocol::kIcmpv6};

template <class T>
std::optional<T> number_in(std::string_view text) {
  T value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failed != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

bool has_ports(Protocol protocol) {
  return protocol == Protocol::kTcp || protocol == Protocol::kUdp;
}

struct Word {
  std::string_view text;
  std::size_t column;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  base::Result<Packet, PacketTextError> read() {
    protocol();
    end(packet_.source, "source");
    arrow();
    end(packet_.destination, "destination");
    families();
    icmp();
    nothing_more();
    if (error_) {
      return base::Unexpected{*error_};
    }
    packet_.ttl = 64;
    if (packet_.protocol == Protocol::kTcp) {
      packet_.tcp_flags.bits = flows::TcpFlags::kSyn;
    }
    return packet_;
  }

 private:
  // '>' needs no spaces around it.
  Word next() {
    constexpr std::string_view kSpaces = " \t\r\n";
    at_ = std::min(text_.find_first_not_of(kSpaces, at_), text_.size());
    const std::size_t begin = at_;
    if (at_ < text_.size() && text_[at_] == '>') {
      ++at_;
    } else {
      at_ = std::min(text_.find_first_of(" \t\r\n>", at_), text_.size());
    }
    return {text_.substr(begin, at_ - begin), begin + 1};
  }

  void fail(const Word& word, const std::string& expected) {
    if (!error_) {
      const std::string got =
          word.text.empty() ? "nothing" : "'" + base::printable(word.text, kShownBytes) + "'";
      error_ = PacketTextError{word.column, fmt::format("expected {}, got {}", expected, got)};
    }
  }

  void protocol() {
    const Word word = next();
    const auto* named = std::ranges::find_if(
        kNamed, [&](Protocol known) { return flows::protocol_name(known) == word.text; });
    const auto number = number_in<std::uint8_t>(word.text);
    if (named != kNamed.end()) {
      packet_.protocol = *named;
    } else if (number) {
      packet_.protocol = Protocol{*number};
    } else {
      fail(word, "tcp, udp, icmp, icmpv6 or an IP protocol number from 0 to 255");
    }
  }

  void end(base::Endpoint& end, const char* which) {
    if (error_) {
      return;
    }
    const Word word = next();
    const auto endpoint = base::Endpoint::parse(word.text);
    const auto address = address_of(word.text);
    if (has_ports(packet_.protocol)) {
      if (!endpoint) {
        fail(word, fmt::format("the {} with its port, such as 192.0.2.1:443 or [2001:db8::1]:443",
                               which));
      } else {
        end = *endpoint;
      }
    } else if (!address) {
      fail(word, fmt::format("the address of the {}{}", which,
                             endpoint ? ", without a port: " +
                                            flows::protocol_name(packet_.protocol) + " has none"
                                      : ", such as 192.0.2.1 or 2001:db8::1"));
    } else {
      end.address = *address;
    }
  }

  // With brackets, too.
  static std::optional<base::IpAddress> address_of(std::string_view text) {
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
      const auto address = base::IpAddress::parse(text.substr(1, text.size() - 2));
      return address && address->is_v6() ? address : std::nullopt;
    }
    return base::IpAddress::parse(text);
  }

  void arrow() {
    if (error_) {
      return;
    }
    const Word word = next();
    if (word.text != ">" && word.text != "to") {
      fail(word, "'>' and the destination (in quotes, or the shell takes it)");
    }
    destination_column_ = word.column + word.text.size();
  }

  void families() {
    if (error_) {
      return;
    }
    const bool v4 = packet_.is_v4();
    const std::size_t begin = text_.find_first_not_of(" \t\r\n", destination_column_ - 1) + 1;
    if (packet_.destination.address.is_v4() != v4) {
      error_ = PacketTextError{begin, v4 ? "the source is IPv4, and this is IPv6"
                                         : "the source is IPv6, and this is IPv4"};
    } else if (packet_.protocol == (v4 ? Protocol::kIcmpv6 : Protocol::kIcmp)) {
      error_ =
          PacketTextError{begin, v4 ? "icmpv6 is of IPv6, and this is IPv4; icmp is what IPv4 has"
                                    : "icmp is of IPv4, and this is IPv6; icmpv6 is what IPv6 has"};
    }
  }

  // "type 8 code 0 id 7", each at most once.
  void icmp() {
    if (error_ || !flows::is_icmp(packet_.protocol)) {
      return;
    }
    std::optional<std::uint8_t> type;
    std::optional<std::uint8_t> code;
    std::optional<std::uint16_t> id;
    Word id_word{};
    for (std::size_t before = at_;; before = at_) {
      const Word key = next();
      if (key.text == "type" && !type) {
        value(type, "an ICMP type from 0 to 255");
      } else if (key.text == "code" && !code) {
        value(code, "an ICMP code from 0 to 255");
      } else if (key.text == "id" && !id) {
        id_word = key;
        value(id, "the id of an echo from 0 to 65535");
      } else {
        at_ = before;
        break;
      }
      if (error_) {
        return;
      }
    }
    packet_.icmp_type = type.value_or(flows::echo_request_of(packet_.protocol));
    packet_.icmp_code = code.value_or(0);
    packet_.is_echo = flows::is_echo(packet_.protocol, packet_.icmp_type);
    if (id && !packet_.is_echo) {
      fail(id_word, "no id: only echo requests and replies have one");
    } else if (id) {
      packet_.source.port = packet_.destination.port = base::Port{*id};
    }
  }

  template <class T>
  void value(std::optional<T>& into, const char* expected) {
    const Word word = next();
    into = number_in<T>(word.text);
    if (!into) {
      fail(word, expected);
    }
  }

  void nothing_more() {
    if (error_) {
      return;
    }
    if (const Word word = next(); !word.text.empty()) {
      fail(word, flows::is_icmp(packet_.protocol) ? "type, code or id, each once, or nothing more"
                                                  : "nothing more");
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t destination_column_ = 1;
  Packet packet_;
  std::optional<PacketTextError> error_;
};

std::string end_text(const Packet& packet, const base::Endpoint& end) {
  return has_ports(packet.protocol) ? end.to_string() : end.address.to_string();
}

}  // namespace

std::string PacketTextError::to_string() const {
  return fmt::format("packet, column {}: {}", column, what);
}

base::Result<Packet, PacketTextError> parse_packet_text(std::string_view text) {
  return Reader(text).read();
}

std::string packet_text(const Packet& packet) {
  std::string text =
      fmt::format("{} {} > {}", flows::protocol_name(packet.protocol),
                  end_text(packet, packet.source), end_text(packet, packet.destination));
  if (flows::is_icmp(packet.protocol)) {
    text += fmt::format(" type {} code {}", packet.icmp_type, packet.icmp_code);
    if (packet.is_echo) {
      text += fmt::format(" id {}", number(packet.source.port));
    }
  }
  return text;
}

}  // namespace gateway
