#include "integration/support/raw_tcp.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "flows/packet.h"
#include "integration/support/must.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using test_support::get16;
using test_support::get32;
using test_support::get8;

constexpr unsigned kEndOfOptions = 0, kNop = 1, kMss = 2, kWindowScale = 3, kSackPermitted = 4,
                   kSack = 5, kTimestamps = 8, kMptcp = 30;

class DirectWay final : public PacketWay {
 public:
  void send(const Bytes& packet) override {
    must_call(::write(tun_.fd.get(), packet.data(), packet.size()), "write to the TUN");
  }
  std::optional<Bytes> receive(base::Duration limit) override {
    if (!ready_within(limit, tun_.fd)) {
      return std::nullopt;
    }
    Bytes bytes(65'536);
    const auto size = ::read(tun_.fd.get(), bytes.data(), bytes.size());
    if (size <= 0) {
      return std::nullopt;
    }
    bytes.resize(static_cast<std::size_t>(size));
    return bytes;
  }
  [[nodiscard]] base::IpAddress address_to(const base::IpAddress& server) const override {
    return integration::address(server.is_v4() ? "10.71.0.2" : "fd00:71::2");
  }

 private:
  static netns::TunConfig config() {
    netns::TunConfig config;
    config.name = "direct0";
    config.addresses = {{integration::address("10.71.0.1"), 24},
                        {integration::address("fd00:71::1"), 64}};
    config.mtu_bytes = kMtu;
    config.vnet_header = false;
    config.offload = false;
    config.default_routes = false;
    return config;
  }

  netns::TunDevice tun_ = must(netns::make_tun(config()));
};

class GatewayWay final : public PacketWay {
 public:
  explicit GatewayWay(const std::string& more) : gateway_({.more = more}) {}

  void send(const Bytes& packet) override {
    if (!tunnel_.send(packet)) {
      give_up("the gateway has closed the tunnel");
    }
  }
  std::optional<Bytes> receive(base::Duration limit) override { return tunnel_.receive(limit); }
  [[nodiscard]] base::IpAddress address_to(const base::IpAddress& server) const override {
    return integration::address(server.is_v4() ? "100.64.0.2" : "fd00:64::2");
  }

 private:
  GatewayProcess gateway_;
  TunnelConnection tunnel_ = TunnelConnection::open(
      gateway_.onramp(), {.addresses = {"100.64.0.2/32", "fd00:64::2/128"}, .mtu = kMtu});
};

std::string ranges_of(const std::vector<unsigned>& sack, std::uint32_t first) {
  std::string text;
  for (std::size_t at = 0; at + 8 <= sack.size(); at += 8) {
    const auto edge = [&](std::size_t i) {
      return std::to_string(
          (sack[i] << 24U | sack[i + 1] << 16U | sack[i + 2] << 8U | sack[i + 3]) - first);
    };
    text += (text.empty() ? "" : " ") + edge(at) + "-" + edge(at + 4);
  }
  return text;
}

}  // namespace

std::unique_ptr<PacketWay> direct_way() {
  return std::make_unique<DirectWay>();
}

std::unique_ptr<PacketWay> gateway_way(const std::string& more) {
  return std::make_unique<GatewayWay>(more);
}

std::string RawSegment::to_string() const {
  std::string text;
  constexpr std::array kNames = {std::pair{kSyn, 'S'}, std::pair{kFin, 'F'}, std::pair{kRst, 'R'},
                                 std::pair{kAck, 'A'}, std::pair{kUrg, 'U'}, std::pair{kEce, 'E'},
                                 std::pair{kCwr, 'C'}};
  for (const auto& [flag, letter] : kNames) {
    text += has(flag) ? std::string(1, letter) : "";
  }
  text += " seq=" + std::to_string(sequence);
  if (has(kAck)) {
    text += " ack=" + std::to_string(acknowledgement);
  }
  return payload.empty() ? text : text + " " + payload;
}

std::string RawSegment::options_text() const {
  std::string text;
  const auto add = [&](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
  for (const auto& [kind, value] : options) {
    switch (kind) {
      case kMss:
        add("mss=" + std::to_string(value.at(0) << 8U | value.at(1)));
        break;
      case kWindowScale:
        add("window_scale");
        break;
      case kSackPermitted:
        add("sack_permitted");
        break;
      case kSack:
        add("sack");
        break;
      case kTimestamps:
        add("timestamps_echo=" + std::to_string(value.at(4) << 24U | value.at(5) << 16U |
                                                value.at(6) << 8U | value.at(7)));
        break;
      case kMptcp:
        add("mptcp");
        break;
      default:
        add("option_" + std::to_string(kind));
        break;
    }
  }
  return text;
}

RawTcp::RawTcp(PacketWay& way, const base::Endpoint& server, std::uint16_t port,
               std::uint32_t first_sequence)
    : way_(way),
      server_(server),
      self_{way.address_to(server.address), base::Port{port}},
      first_(first_sequence) {}

void RawTcp::send(const Out& out) {
  test_support::PacketBuilder builder(test_support::kTcp, self_, server_);
  const std::uint32_t sequence = out.sequence.value_or(next_);
  const std::uint32_t acknowledgement = out.acknowledgement.value_or(expected());
  const bool acknowledges = (out.flags & kAck) != 0;
  builder.seq(first_ + sequence)
      .ack(acknowledges ? server_first_.value_or(0) + acknowledgement : 0)
      .flags(out.flags)
      .window(out.window)
      .traffic_class(out.ecn)
      .dont_fragment()
      .payload(out.payload);
  for (const auto& option : out.options) {
    test_support::Packet bytes;
    for (const unsigned byte : option) {
      test_support::put8(bytes, byte);
    }
    builder.tcp_options(bytes);
  }
  auto packet = builder.build();
  if (out.urgent != 0) {
    test_support::set16(packet, builder.transport_offset() + 18, out.urgent);
    test_support::fix_checksums(packet, builder.transport_offset(), test_support::kTcp);
  }
  way_.send(packet);
  if (!out.sequence) {
    next_ += static_cast<std::uint32_t>(out.payload.size()) + ((out.flags & kSyn) != 0 ? 1U : 0U) +
             ((out.flags & kFin) != 0 ? 1U : 0U);
  }
}

RawSegment RawTcp::open(const TcpOptions& options, unsigned window) {
  send({.flags = kSyn, .window = window, .options = options});
  RawSegment answer = next_with(kSyn | kAck);
  send({.window = window});
  return answer;
}

std::uint32_t RawTcp::expected() const {
  if (!server_first_) {
    return 0;
  }
  const auto end = static_cast<std::uint32_t>(1 + stream_.size());
  return fin_ == end ? end + 1 : end;
}

std::optional<RawSegment> RawTcp::receive(base::Duration limit) {
  const base::Instant deadline = base::Clock::now() + limit;
  while (base::Clock::now() < deadline) {
    const auto bytes = way_.receive(deadline - base::Clock::now());
    if (!bytes) {
      continue;
    }
    const auto packet = flows::parse(*bytes, {});
    if (!packet || packet->protocol != flows::Protocol::kTcp || packet->source != server_ ||
        packet->destination != self_) {
      continue;
    }
    const std::size_t at = packet->transport_offset;
    RawSegment segment;
    segment.flags = packet->tcp_flags.bits;
    if (segment.has(kSyn) && !server_first_) {
      server_first_ = packet->sequence;
    }
    segment.sequence = packet->sequence - server_first_.value_or(0);
    segment.acknowledgement = segment.has(kAck) ? get32(*bytes, at + 8) - first_ : 0;
    segment.window = get16(*bytes, at + 14);
    segment.ecn = packet->traffic_class & 3U;
    segment.payload.assign(reinterpret_cast<const char*>(bytes->data()) + packet->payload_offset,
                           packet->payload_bytes());
    for (std::size_t i = at + 20; i + 1 < packet->payload_offset;) {
      const unsigned kind = get8(*bytes, i);
      if (kind == kEndOfOptions) {
        break;
      }
      if (kind == kNop) {
        ++i;
        continue;
      }
      const std::size_t size = std::max(2U, get8(*bytes, i + 1));
      auto& value = segment.options[kind];
      for (std::size_t j = i + 2; j < i + size && j < packet->payload_offset; ++j) {
        value.push_back(get8(*bytes, j));
      }
      i += size;
    }
    if (const auto sack = segment.options.find(kSack); sack != segment.options.end()) {
      segment.sack = ranges_of(sack->second, first_);
    }
    note(segment);
    return segment;
  }
  return std::nullopt;
}

void RawTcp::note(const RawSegment& segment) {
  window_ = segment.window;
  if (segment.has(kAck) && static_cast<std::int32_t>(segment.acknowledgement - acked_) > 0) {
    acked_ = segment.acknowledgement;
  }
  const auto end = static_cast<std::uint32_t>(1 + stream_.size());
  const std::uint32_t known = end - segment.sequence;  // of its payload
  if (!segment.payload.empty() && known < segment.payload.size()) {
    stream_ += segment.payload.substr(known);
  }
  if (segment.has(kFin)) {
    fin_ = segment.sequence + static_cast<std::uint32_t>(segment.payload.size());
  }
}

RawSegment RawTcp::next() {
  return next([](const RawSegment&) { return true; }, "a segment");
}

RawSegment RawTcp::next(const std::function<bool(const RawSegment&)>& wanted,
                        const std::string& what) {
  const base::Instant deadline = base::Clock::now() + kPatience;
  std::string seen;
  while (base::Clock::now() < deadline) {
    auto segment = receive(deadline - base::Clock::now());
    if (segment && wanted(*segment)) {
      return std::move(*segment);
    }
    seen += segment ? ", " + segment->to_string() : "";
  }
  give_up("there came no " + what + seen);
}

RawSegment RawTcp::next_with(unsigned flags) {
  RawSegment looked_for;
  looked_for.flags = flags;
  return next([&](const RawSegment& segment) { return (segment.flags & flags) == flags; },
              looked_for.to_string());
}

void RawTcp::await_ack(std::uint32_t acknowledgement) {
  while (acked_ != acknowledgement) {
    next([&](const RawSegment&) { return acked_ == acknowledgement; },
         "acknowledgement of " + std::to_string(acknowledgement));
  }
}

std::string RawTcp::read(std::size_t bytes) {
  while (stream_.size() < bytes) {
    next([](const RawSegment& segment) { return !segment.payload.empty(); }, "data");
  }
  send({});
  return stream_;
}

std::string RawTcp::read_to_fin() {
  while (fin_ != 1 + stream_.size()) {
    next([](const RawSegment& segment) { return segment.has(kFin) || !segment.payload.empty(); },
         "FIN");
  }
  send({});
  return stream_;
}

}  // namespace integration
