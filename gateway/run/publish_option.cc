#include "gateway/run/publish_option.h"

#include <charconv>
#include <string>

namespace gateway {
namespace {

std::optional<std::uint16_t> number_of(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

struct Range {
  std::uint16_t first = 0, last = 0;
  [[nodiscard]] std::uint32_t count() const { return std::uint32_t{1} + last - first; }
};

// "80", "8000-8009"
std::optional<Range> range_of(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = number_of(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number_of(text.substr(dash + 1));
  if (!first || !last || *first > *last) {
    return std::nullopt;
  }
  return Range{*first, *last};
}

// "127.0.0.1", "[::1]"
std::optional<base::IpAddress> address_of(std::string_view text) {
  const bool in_brackets = text.size() > 2 && text.front() == '[' && text.back() == ']';
  const auto address = base::IpAddress::parse(in_brackets ? text.substr(1, text.size() - 2) : text);
  return address && address->is_v4() != in_brackets ? address : std::nullopt;
}

std::optional<flows::Protocol> protocol_of(std::string_view text) {
  if (text == "tcp") {
    return flows::Protocol::kTcp;
  }
  return text == "udp" ? std::optional(flows::Protocol::kUdp) : std::nullopt;
}

// Takes what stands behind the last `mark`, and the mark, off the end of `text`.
std::optional<std::string_view> take_behind(std::string_view& text, char mark) {
  const std::size_t at = text.rfind(mark);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view behind = text.substr(at + 1);
  text = text.substr(0, at);
  return behind;
}

bool is_any(const std::optional<base::IpAddress>& address) {
  return !address || *address == *base::IpAddress::parse("0.0.0.0") ||
         *address == *base::IpAddress::parse("::");
}

}  // namespace

std::optional<PublishedPorts> parse_published(std::string_view text) {
  PublishedPorts ports;
  if (const auto named = take_behind(text, '/')) {
    const auto protocol = protocol_of(*named);
    if (!protocol) {
      return std::nullopt;
    }
    ports.protocol = *protocol;
  }
  const auto inside = range_of(take_behind(text, ':').value_or(""));
  const bool has_address = text.find(':') != std::string_view::npos;
  const auto host = range_of(has_address ? *take_behind(text, ':') : text);
  if (!inside || !host || inside->first == 0 || inside->count() != host->count() ||
      (host->first == 0 && host->count() > 1)) {
    return std::nullopt;
  }
  if (has_address) {
    ports.address = address_of(text);
    if (!ports.address) {
      return std::nullopt;
    }
  }
  ports.host = base::Port{host->first};
  ports.inside = base::Port{inside->first};
  ports.count = host->count();
  return ports;
}

bool collide(const PublishedPorts& one, const PublishedPorts& other) {
  const bool of_one_family =
      !one.address || !other.address || one.address->is_v4() == other.address->is_v4();
  const bool overlap = number(one.host) < number(other.host) + other.count &&
                       number(other.host) < number(one.host) + one.count;
  return one.protocol == other.protocol && number(one.host) != 0 && overlap && of_one_family &&
         (is_any(one.address) || is_any(other.address) || one.address == other.address);
}

}  // namespace gateway
