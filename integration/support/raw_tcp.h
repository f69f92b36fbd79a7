// RawTcp: the client's end of a TCP connection, segment by segment, in a test's hands.
//
//     RawTcp client(way, server);
//     client.open();
//     client.send({.flags = kRst, .sequence = 100});
//     EXPECT_EQ(client.next().to_string(), "A seq=1 ack=1");
//
// Its packets take one of two ways to a server's kernel on the host network:
//
//     kDirect:  test --TUN--> the host network's kernel
//     kGateway: test ==SEQPACKET==> liftgate serve --> the host network's kernel
//
// Sequence numbers are counted from the first of each end, which is 0; then what is left is the
// same, wherever the numbers began. Nothing is acknowledged or sent again unless the test does so.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "integration/support/gateway_process.h"
#include "integration/support/tunnel_connection.h"
#include "integration/support/wait.h"
#include "netns/tun_device.h"

namespace integration {

inline constexpr unsigned kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10,
                          kUrg = 0x20, kEce = 0x40, kCwr = 0x80;

/// Where raw packets of one client go in, and come out.
class PacketWay {
 public:
  using Bytes = std::vector<std::byte>;

  static constexpr std::uint32_t kMtu = 1400;  // of each way, so that even the MSS is the same

  virtual ~PacketWay() = default;
  virtual void send(const Bytes& packet) = 0;
  virtual std::optional<Bytes> receive(base::Duration limit) = 0;
  /// The client's own, of the family of `server`.
  [[nodiscard]] virtual base::IpAddress address_to(const base::IpAddress& server) const = 0;
};
std::unique_ptr<PacketWay> direct_way();
/// With a gateway of its own, whose configuration has the top-level keys `more`.
std::unique_ptr<PacketWay> gateway_way(const std::string& more = {});

using TcpOptions = std::vector<std::vector<unsigned>>;  // each from its kind on

/// One that came.
struct RawSegment {
  unsigned flags = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  unsigned window = 0;
  unsigned ecn = 0;  // of the IP header
  std::string payload;
  std::map<unsigned, std::vector<unsigned>> options;  // by kind, without kind and length

  [[nodiscard]] bool has(unsigned flag) const { return (flags & flag) != 0; }
  /// "SA seq=0 ack=1". Without PSH, which says where a sender's buffer ended.
  [[nodiscard]] std::string to_string() const;
  /// "mss=1360 sack_permitted timestamps_echo=7 window_scale": what is negotiated, not the values
  /// that each end chooses.
  [[nodiscard]] std::string options_text() const;
  /// "11-16": of the SACK option, as sequence numbers of the one that it is about.
  [[nodiscard]] std::string sack_text() const { return sack; }

  std::string sack;
};

class RawTcp {
 public:
  /// One to be sent. What is not said is what is due: the next sequence number, and the
  /// acknowledgement of all that has come.
  struct Out {
    unsigned flags = kAck;
    std::optional<std::uint32_t> sequence{};
    std::optional<std::uint32_t> acknowledgement{};
    std::string payload{};
    unsigned window = 0xfaf0;
    unsigned urgent = 0;
    unsigned ecn = 0;
    TcpOptions options{};
  };

  RawTcp(PacketWay& way, const base::Endpoint& server, std::uint16_t port = 40000,
         std::uint32_t first_sequence = 0x80001000);

  /// SYN, SYN-ACK, ACK. Returns the SYN-ACK.
  RawSegment open(const TcpOptions& options = {}, unsigned window = 0xfaf0);
  void send(const Out& out);
  void say(const std::string& text) { send({.flags = kAck | kPsh, .payload = text}); }

  /// The next that comes, whatever it is. Throws when none does.
  RawSegment next();
  /// The next for which that holds; what comes before is taken note of.
  RawSegment next(const std::function<bool(const RawSegment&)>& wanted, const std::string& what);
  RawSegment next_with(unsigned flags);
  /// Waits until so much has been acknowledged.
  void await_ack(std::uint32_t acknowledgement);
  /// All of the server's stream so far, once there are so many bytes; acknowledges them.
  std::string read(std::size_t bytes);
  /// Waits for the server's FIN, and acknowledges it. Returns the stream up to it.
  std::string read_to_fin();

  [[nodiscard]] std::uint32_t next_to_send() const { return next_; }
  [[nodiscard]] std::uint32_t expected() const;  // the next sequence number of the server's
  /// As the last segment said it: not scaled.
  [[nodiscard]] std::size_t window() const { return window_; }

 private:
  std::optional<RawSegment> receive(base::Duration limit);
  void note(const RawSegment& segment);

  PacketWay& way_;
  base::Endpoint server_;
  base::Endpoint self_;
  std::uint32_t first_;
  std::uint32_t next_ = 0;
  std::optional<std::uint32_t> server_first_;
  std::uint32_t acked_ = 0;
  unsigned window_ = 0;
  std::string stream_;  // of the server, as far as it is complete
  std::optional<std::uint32_t> fin_;
};

/// The usual options of a SYN.
inline TcpOptions usual_options(unsigned timestamp = 1000) {
  return {{2, 4, 1360 >> 8, 1360 & 0xff},
          {4, 2},
          {8, 10, timestamp >> 24U, timestamp >> 16U & 0xffU, timestamp >> 8U & 0xffU,
           timestamp & 0xffU, 0, 0, 0, 0},
          {1},
          {3, 3, 7}};
}

}  // namespace integration
