// Forwarding and NAT against Linux's own: the same packets go through the kernel of the host
// network, which forwards between two TUN devices and masquerades with nftables, and through ours;
// what comes out must be the same, byte for byte.
//
//     test --inner0--> kernel: conntrack, masquerade, TTL --outer0--> test
//     test             nat::rewrite, nat::decrement_ttl               test      with its addresses
//     test ==SEQPACKET==> liftgate serve ==SEQPACKET==> test                    forwarding
//     test ==SEQPACKET==> liftgate serve, its socket --outer0--> test           upgraded datagrams
//
// Not compared: which port or identifier a NAT takes. A SYN's MSS is one that fits everywhere,
// because we lower it to the tunnel's MTU (RFC 4459 3.2), which Linux does only where a rule says
// so.

#include <sys/socket.h>
#include <unistd.h>

#include <iomanip>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "flows/reply.h"
#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/must.h"
#include "integration/support/tunnel_connection.h"
#include "integration/support/tunnels.h"
#include "nat/icmp_error_rewrite.h"
#include "nat/rewrite.h"
#include "nat/ttl.h"
#include "netns/tun_device.h"
#include "tests/support/packet_builder.h"

namespace integration {
namespace {

using test_support::PacketBuilder;
using Bytes = test_support::Packet;

constexpr auto kClient4 = "100.64.0.2:40000", kFar4 = "100.64.0.3:443";
constexpr auto kClient6 = "[fd00:64::2]:40000", kFar6 = "[fd00:64::3]:443";
constexpr std::uint32_t kMtu = 1400;

// The kernel of the host network as a router between a client and the far side.
class LinuxRouter {
 public:
  LinuxRouter() {
    for (const std::string& way :
         {std::string("ipv4/ip_forward"), std::string("ipv6/conf/all/forwarding")}) {
      host::set_sysctl("net/" + way, "1");
    }
    for (const auto& [device, host] : {std::pair{"inner0", "2"}, std::pair{"outer0", "3"}}) {
      host::shape({"ip", "route", "add", std::string("100.64.0.") + host, "dev", device});
      host::shape({"ip", "-6", "route", "add", std::string("fd00:64::") + host, "dev", device});
    }
  }
  ~LinuxRouter() {
    if (masquerades_) {
      host::shape({"nft", "delete", "table", "inet", "as_linux"});
    }
    for (const std::string& way :
         {std::string("ipv4/ip_forward"), std::string("ipv6/conf/all/forwarding")}) {
      host::set_sysctl("net/" + way, "0");
    }
  }
  LinuxRouter(const LinuxRouter&) = delete;
  LinuxRouter& operator=(const LinuxRouter&) = delete;

  void masquerade() {
    host::shape({"nft", "add", "table", "inet", "as_linux"});
    host::shape(
        {"nft", "add chain inet as_linux post { type nat hook postrouting priority 100; }"});
    host::shape({"nft", "add rule inet as_linux post oifname outer0 masquerade"});
    masquerades_ = true;
  }

  // What comes out on the other side, or back.
  [[nodiscard]] Bytes out(const Bytes& packet) const { return pass(inner_, packet, outer_); }
  [[nodiscard]] Bytes back(const Bytes& packet) const { return pass(outer_, packet, inner_); }
  [[nodiscard]] Bytes answer(const Bytes& packet) const { return pass(inner_, packet, inner_); }
  void send_back(const Bytes& packet) const {
    must_call(::write(outer_.fd.get(), packet.data(), packet.size()), "write to outer0");
  }
  // What else comes out there.
  [[nodiscard]] Bytes more() const { return take(outer_); }

 private:
  static netns::TunDevice device(const std::string& name, const std::string& v4,
                                 const std::string& v6) {
    netns::TunConfig config;
    config.name = name;
    config.addresses = {{address(v4), 24}, {address(v6), 64}};
    config.mtu_bytes = kMtu;
    config.vnet_header = false;
    config.offload = false;
    config.default_routes = false;
    return must(netns::make_tun(config));
  }

  static Bytes pass(const netns::TunDevice& in, const Bytes& packet, const netns::TunDevice& out) {
    must_call(::write(in.fd.get(), packet.data(), packet.size()), "write to " + in.name);
    return take(out);
  }
  static Bytes take(const netns::TunDevice& from) {
    for (;;) {
      if (!ready_within(kPatience, from.fd)) {
        give_up("nothing came out of " + from.name);
      }
      Bytes bytes(65'536);
      bytes.resize(static_cast<std::size_t>(
          must_call(::read(from.fd.get(), bytes.data(), bytes.size()), "read from " + from.name)));
      const auto packet = flows::parse(bytes, {});
      if (packet && packet->destination.address.wire_bytes()[0] != std::byte{0xff}) {
        return bytes;  // not what IPv6 says to its neighbours
      }
    }
  }

  netns::TunDevice inner_ = device("inner0", "10.81.0.1", "fd81::1");
  netns::TunDevice outer_ = device("outer0", "10.82.0.1", "fd82::1");
  bool masquerades_ = false;
};

// So that a difference can be read.
std::string hex(std::span<const std::byte> bytes) {
  std::ostringstream text;
  for (const std::byte byte : bytes) {
    text << std::hex << std::setw(2) << std::setfill('0') << std::to_integer<unsigned>(byte);
  }
  return text.str();
}

flows::Packet parsed(const Bytes& bytes) {
  const auto packet = flows::parse(bytes, {});  // which looks at every checksum
  EXPECT_TRUE(packet) << flows::name(packet.error());
  return packet.value();
}

nat::NewEnds ends_of(const Bytes& packet) {
  const flows::Packet parse = parsed(packet);
  return {parse.source, parse.destination};
}

struct Sent {
  std::string what;
  Bytes packet;
};

// Every kind of header that a router may touch, and should not. Each TCP segment is of a connection
// of its own, which a router meets in its middle.
std::vector<Sent> packets() {
  using test_support::echo_request;
  const Bytes options = {std::byte{1}, std::byte{1}, std::byte{8}, std::byte{10}, std::byte{9}};
  std::vector<Sent> all;
  const auto add = [&](const std::string& what, const PacketBuilder& builder) {
    all.push_back({what, builder.build()});
  };
  for (const bool v4 : {true, false}) {
    const std::string family = v4 ? ", v4" : ", v6";
    const std::string to = v4 ? kFar4 : kFar6;
    std::uint16_t port = 41'000;
    const auto tcp = [&] {
      const base::Endpoint from{endpoint(v4 ? kClient4 : kClient6).address, base::Port{++port}};
      return PacketBuilder(test_support::kTcp, from, endpoint(to));
    };
    const auto udp = [&] { return test_support::udp(v4 ? kClient4 : kClient6, to); };
    add("SYN" + family, tcp().syn().mss(1300).id(7).dont_fragment());
    add("ECN setup" + family, tcp().flags(0xc2).seq(0xffffffff));
    add("data" + family,
        tcp().ack(9).seq(1001).payload(std::size_t{701}).traffic_class(0x2b).ttl(3));
    add("TCP options" + family, tcp().ack(9).seq(1002).tcp_options(options).payload("x"));
    add("urgent, PSH" + family, tcp().ack(9).seq(1003).flags(0x38).payload("ab"));
    for (std::size_t size = 0; size < 40; ++size) {  // odd and even, with every remainder
      const auto number = static_cast<unsigned>(size);
      add("UDP of " + std::to_string(size) + family,
          udp().payload(size).id(number).ttl(64 - number));
    }
    add("longest UDP" + family, udp().payload(std::size_t{1300}).dont_fragment());
    add("congested UDP" + family, udp().payload("ce").traffic_class(3));
    add("ping" + family, echo_request(endpoint(v4 ? kClient4 : kClient6).address.to_string(),
                                      endpoint(to).address.to_string(), 77)
                             .payload("ping"));
  }
  add("UDP without a checksum", test_support::udp(kClient4, kFar4).no_checksum().payload("none"));
  return all;
}

// ---- Forwarding ----

class ForwardedAsByLinux : public testing::Test {
 protected:
  [[nodiscard]] Bytes ours(const Bytes& packet) const {
    client_.send(packet);
    return more();
  }
  [[nodiscard]] Bytes more() const { return must_have(far_.receive()); }
  [[nodiscard]] Bytes our_answer(const Bytes& packet) const {
    client_.send(packet);
    return must_have(client_.receive());
  }

  LinuxRouter linux_;
  GatewayProcess gateway_;

 private:
  static Bytes must_have(const std::optional<Bytes>& packet) {
    if (!packet) {
      give_up("nothing came through the gateway");
    }
    return *packet;
  }

  TunnelConnection client_ = TunnelConnection::open(
      gateway_.onramp(), {.addresses = {"100.64.0.2/32", "fd00:64::2/128"}, .mtu = 9000});
  TunnelConnection far_ = TunnelConnection::open(
      gateway_.onramp(), {.addresses = {"100.64.0.3/32", "fd00:64::3/128"}, .mtu = kMtu});

 protected:
  void SetUp() override { wait_for_tunnels(gateway_, 2); }
};

TEST_F(ForwardedAsByLinux, PacketsAreTheSameByteForByte) {
  for (const auto& [what, packet] : packets()) {
    const flows::Packet facts = parsed(packet);
    if (facts.protocol == flows::Protocol::kTcp && !facts.tcp_flags.opens()) {
      // We forward no connection that we have not seen begin.
      const Bytes syn =
          PacketBuilder(test_support::kTcp, facts.source, facts.destination).syn().build();
      EXPECT_EQ(hex(ours(syn)), hex(linux_.out(syn)));
    }
    EXPECT_EQ(hex(ours(packet)), hex(linux_.out(packet))) << what;
  }
}

TEST_F(ForwardedAsByLinux, ThoseThatDoNotFitAreCutAtTheSamePlaces) {
  const Bytes packet = test_support::udp(kClient4, kFar4).payload(std::size_t{4000}).id(99).build();
  EXPECT_EQ(hex(ours(packet)), hex(linux_.out(packet)));
  EXPECT_EQ(hex(more()), hex(linux_.more()));
  EXPECT_EQ(hex(more()), hex(linux_.more()));
}

// The error's own source and TTL are each router's; IPv4 lets a router quote as much as it likes.
TEST_F(ForwardedAsByLinux, ErrorsSayTheSameAboutTheSamePacket) {
  const auto udp = [](bool v4) {
    return v4 ? test_support::udp(kClient4, kFar4) : test_support::udp(kClient6, kFar6);
  };
  for (const bool v4 : {true, false}) {
    for (const Bytes& packet : {udp(v4).payload(std::size_t{1500}).dont_fragment().build(),
                                udp(v4).payload("late").ttl(1).build()}) {
      const Bytes theirs = linux_.answer(packet);
      const Bytes answer = our_answer(packet);
      const flows::Packet said = parsed(answer);
      const flows::Packet wanted = parsed(theirs);
      EXPECT_EQ(said.icmp_type, wanted.icmp_type);
      EXPECT_EQ(said.icmp_code, wanted.icmp_code);
      EXPECT_EQ(said.destination.address, wanted.destination.address);
      const std::size_t at = said.transport_offset + 4U;
      ASSERT_EQ(said.transport_offset, wanted.transport_offset);
      // The MTU, and the packet as it came: 28 bytes of it are enough for everybody.
      const std::size_t quoted = 4 + (v4 ? 28 : 48);
      EXPECT_EQ(
          Bytes(answer.begin() + std::ptrdiff_t(at), answer.begin() + std::ptrdiff_t(at + quoted)),
          Bytes(theirs.begin() + std::ptrdiff_t(at), theirs.begin() + std::ptrdiff_t(at + quoted)));
    }
  }
}

// ---- NAT ----

class TranslatedAsByLinux : public testing::Test {
 protected:
  TranslatedAsByLinux() { linux_.masquerade(); }

  // As a router would that had chosen these ends.
  static Bytes translated(Bytes packet, const nat::NewEnds& ends) {
    nat::rewrite(packet, parsed(packet), {}, ends);
    nat::decrement_ttl(packet, parsed(packet));
    return packet;
  }

  LinuxRouter linux_;
};

TEST_F(TranslatedAsByLinux, PacketsAreTheSameByteForByte) {
  for (const auto& [what, packet] : packets()) {
    const Bytes out = linux_.out(packet);
    const nat::NewEnds ends = ends_of(out);
    EXPECT_NE(ends.source.address, parsed(packet).source.address) << what << " was not translated";
    EXPECT_EQ(hex(translated(packet, ends)), hex(out)) << what;
  }
}

// Who answers a translated packet does so to the new ends.
PacketBuilder answer_to(const Bytes& out) {
  const flows::Packet packet = parsed(out);
  PacketBuilder builder(static_cast<unsigned>(packet.protocol), packet.destination, packet.source);
  if (packet.is_echo) {
    builder.icmp(packet.is_v4() ? 0 : 129, 0,
                 std::uint32_t{base::number(packet.source.port)} << 16U | 1U);
  } else if (packet.protocol == flows::Protocol::kTcp) {
    builder.syn().ack(packet.sequence + 1).mss(1300);
  }
  return builder.payload("answer");
}

std::vector<Sent> first_packets() {
  std::vector<Sent> firsts;
  for (const Sent& sent : packets()) {
    if (sent.what.starts_with("SYN") || sent.what.starts_with("congested") ||
        sent.what.starts_with("ping")) {
      firsts.push_back(sent);
    }
  }
  return firsts;
}

TEST_F(TranslatedAsByLinux, AnswersAreTheSameByteForByte) {
  for (const auto& [what, packet] : first_packets()) {
    const Bytes answer = answer_to(linux_.out(packet)).build();
    const flows::Packet original = parsed(packet);
    EXPECT_EQ(hex(translated(answer, {original.destination, original.source})),
              hex(linux_.back(answer)))
        << what;
  }
}

// Of a router on the far side, about the translated packet: with all of it, and with the eight
// bytes behind its IP header that every router quotes.
TEST_F(TranslatedAsByLinux, ErrorsAreTheSameByteForByteQuotesIncluded) {
  for (const auto& [what, packet] : first_packets()) {
    const Bytes out = linux_.out(packet);
    const flows::Packet translated_packet = parsed(out);
    const flows::Packet original = parsed(packet);
    const bool v4 = original.is_v4();
    const base::IpAddress router = address(v4 ? "10.82.0.77" : "fd82::77");
    const std::size_t least = translated_packet.transport_offset + 8U;
    for (const flows::IcmpError& error :
         {flows::unreachable(flows::Unreachable::kHost, translated_packet),
          flows::unreachable(flows::Unreachable::kAdminProhibited, translated_packet),
          flows::time_exceeded(v4), flows::too_big(v4, 1280)}) {
      for (const std::size_t quoted : {out.size(), least}) {
        const Bytes said = PacketBuilder(v4 ? test_support::kIcmp : test_support::kIcmpv6,
                                         {router, {}}, {translated_packet.source.address, {}})
                               .icmp(error.type, error.code, error.rest)
                               .payload(std::span(out).first(quoted))
                               .build();
        Bytes ours = said;
        const auto quote = nat::read_quote(ours, parsed(ours));
        ASSERT_TRUE(quote) << what;
        nat::rewrite_icmp_error(ours, parsed(ours), *quote,
                                {{router, {}}, {original.source.address, {}}},
                                {original.source, original.destination});
        nat::decrement_ttl(ours, parsed(ours));
        EXPECT_EQ(hex(ours), hex(linux_.back(said)))
            << what << ", type " << unsigned{error.type} << ", " << quoted << " bytes of it";
      }
    }
  }
}

// ---- Datagrams that are upgraded ----

// They leave from a socket, so TTL, traffic class and identification are that socket's.
class UpgradedAsByLinux : public TranslatedAsByLinux {
 protected:
  static constexpr auto kServer = "10.82.0.9:443";

  struct Pair {
    Bytes theirs, ours;
  };
  // The client's datagram, as it comes out of either.
  Pair out(std::size_t payload_bytes) {
    const Bytes packet =
        test_support::udp(kClient4, kServer).payload(payload_bytes).dont_fragment().build();
    const Bytes theirs = linux_.out(packet);
    client_.send(packet);
    return {theirs, linux_.more()};
  }
  Pair back(const Bytes& to_theirs, const Bytes& to_ours, const std::string& what = "answer") {
    const Bytes theirs = linux_.back(to_theirs);
    linux_.send_back(to_ours);
    const auto ours = client_.receive();
    if (!ours) {
      give_up("there came nothing through the gateway: " + what);
    }
    return {theirs, *ours};
  }
  static std::string payload_of(const Bytes& packet) {
    return hex(std::span(packet).subspan(parsed(packet).payload_offset));
  }

  GatewayProcess gateway_;
  TunnelConnection client_ =
      TunnelConnection::open(gateway_.onramp(), {.addresses = {"100.64.0.2/32"}, .mtu = kMtu});
};

TEST_F(UpgradedAsByLinux, DatagramsAndTheirAnswersAreTheSame) {
  for (const std::size_t size : {0U, 1U, 2U, 3U, 511U, 1300U}) {
    const Pair sent = out(size);
    EXPECT_EQ(parsed(sent.ours).source.address, parsed(sent.theirs).source.address);
    EXPECT_EQ(parsed(sent.ours).destination, parsed(sent.theirs).destination);
    EXPECT_EQ(payload_of(sent.ours), payload_of(sent.theirs));

    const Pair answered = back(answer_to(sent.theirs).payload(size).build(),
                               answer_to(sent.ours).payload(size).build());
    EXPECT_EQ(parsed(answered.ours).source, parsed(answered.theirs).source);
    EXPECT_EQ(parsed(answered.ours).destination, parsed(answered.theirs).destination);
    EXPECT_EQ(payload_of(answered.ours), payload_of(answered.theirs));
  }
}

TEST_F(UpgradedAsByLinux, ErrorsAboutThemAreTheSame) {
  const Pair sent = out(100);
  const auto about = [](const Bytes& packet, unsigned type, unsigned code, std::uint32_t rest) {
    return PacketBuilder(test_support::kIcmp, {address("10.82.0.77"), {}},
                         {parsed(packet).source.address, {}})
        .icmp(type, code, rest)
        .payload(packet)
        .build();
  };
  struct Error {
    unsigned type, code;
    std::uint32_t rest;
  };
  // Unreachable: network, host, port, "too big", prohibited; and a TTL that was used up.
  for (const auto& [type, code, rest] : {Error{3, 0, 0}, Error{3, 1, 0}, Error{3, 3, 0},
                                         Error{3, 4, 1280}, Error{3, 13, 0}, Error{11, 0, 0}}) {
    const std::string what = "type " + std::to_string(type) + ", code " + std::to_string(code);
    const Pair said =
        back(about(sent.theirs, type, code, rest), about(sent.ours, type, code, rest), what);
    const flows::Packet theirs = parsed(said.theirs);
    const flows::Packet ours = parsed(said.ours);
    EXPECT_EQ(ours.icmp_type, theirs.icmp_type);
    EXPECT_EQ(ours.icmp_code, theirs.icmp_code);
    EXPECT_EQ(ours.source.address, theirs.source.address);
    EXPECT_EQ(ours.destination.address, theirs.destination.address);
    EXPECT_EQ(test_support::get32(said.ours, ours.transport_offset + 4U),
              test_support::get32(said.theirs, theirs.transport_offset + 4U));
    const auto our_quote = nat::read_quote(said.ours, ours);
    const auto their_quote = nat::read_quote(said.theirs, theirs);
    ASSERT_TRUE(our_quote && their_quote);
    EXPECT_EQ(our_quote->source, their_quote->source);
    EXPECT_EQ(our_quote->destination, their_quote->destination);
  }
}

}  // namespace
}  // namespace integration
