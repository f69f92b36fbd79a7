// TCP through the gateway against the same exchange without it: raw segments of a client's go to a
// server's kernel once over a TUN device, once over a tunnel, and what comes back is compared.
//
//     client, segment by segment --TUN--> host network's kernel, server
//     client, segment by segment ==SEQPACKET==> liftgate serve --> host network's kernel, server
//
// The gateway terminates TCP, so these are its own and not compared: first sequence numbers, window
// sizes, the values of window scale and timestamps, how a stream is cut into segments, and how many
// bare ACKs there are. One end or the other must begin, and a gateway dials only when a client has,
// so that a simultaneous open cannot cross it.
//
// Each exchange is played over IPv4 and over IPv6.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "integration/support/accept.h"
#include "integration/support/must.h"
#include "integration/support/pattern.h"
#include "integration/support/raw_tcp.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

// What a script has to work with.
class Exchange {
 public:
  Exchange(std::unique_ptr<PacketWay> way, const std::string& server)
      : way_(std::move(way)), server_(server) {}

  [[nodiscard]] RawTcp client(std::uint16_t port = 40000, std::uint32_t first = 0x80001000) {
    return {*way_, local_endpoint(listener_), port, first};
  }
  [[nodiscard]] RawTcp client_to_closed_port() { return {*way_, closed_}; }
  [[nodiscard]] TcpConnection accept() const { return accept_from(listener_); }
  // Whether another connection waits.
  [[nodiscard]] bool has_another() const { return ready_within(0ms, listener_); }
  void say(const std::string& line) { lines_.push_back(line); }
  // It still carries data, both ways.
  void say_whether_it_lives(RawTcp& client, TcpConnection& server) {
    client.say("still?");
    say("server: " + server.receive(6));
    const std::size_t before = client.expected() - 1;
    server.send("yes");
    say("client: " + client.read(before + 3).substr(before));
  }

  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::unique_ptr<PacketWay> way_;
  std::string server_;
  base::Fd listener_ = listen_on({address(server_), base::Port{0}});
  base::Endpoint closed_ = closed_port(server_);
  std::vector<std::string> lines_;
};

using Lines = std::vector<std::string>;
using Script = std::function<void(Exchange&)>;

Lines played(const Script& script, std::unique_ptr<PacketWay> way, const std::string& server) {
  Exchange exchange(std::move(way), server);
  try {
    script(exchange);
  } catch (const std::exception& failure) {
    exchange.say(std::string("and then: ") + failure.what());
  }
  return exchange.lines();
}

// By the server's address.
class TcpAsDirect : public testing::TestWithParam<std::string> {
 protected:
  static void expect_same(const Script& script, const Lines& expected) {
    EXPECT_EQ(played(script, direct_way(), GetParam()), expected) << "what the kernel does";
    EXPECT_EQ(played(script, gateway_way(), GetParam()), expected) << "through the gateway";
  }
  // Of what both ways carry in a segment.
  static std::size_t mss() {
    constexpr std::size_t kTcpHeader = 20, kV4Header = 20, kV6Header = 40;
    const bool is_v4 = address(GetParam()).is_v4();
    return PacketWay::kMtu - kTcpHeader - (is_v4 ? kV4Header : kV6Header);
  }
  static std::string mss_option() { return "mss=" + std::to_string(mss()); }
};
INSTANTIATE_TEST_SUITE_P(Families, TcpAsDirect, testing::Values(host::kServer4, host::kServer6),
                         [](const auto& test) {
                           return address(test.param).is_v4() ? "IPv4" : "IPv6";
                         });

// What the kernel has to say about a socket whose peer is gone.
std::string error_of(const TcpConnection& connection) {
  if (!ready_within(kPatience, connection.socket(), POLLERR)) {
    return "none";
  }
  int error = 0;
  socklen_t size = sizeof(error);
  must_call(::getsockopt(connection.socket().get(), SOL_SOCKET, SO_ERROR, &error, &size),
            "SO_ERROR");
  return error == EPIPE ? "EPIPE" : error == ECONNRESET ? "ECONNRESET" : std::to_string(error);
}

// ---- Beginning ----

TEST_P(TcpAsDirect, OptionsOfTheSynAreAnswered) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        const RawSegment answer = client.open(usual_options(77));
        exchange.say(answer.to_string());
        exchange.say(answer.options_text());
      },
      {"SA seq=0 ack=1", mss_option() + " window_scale sack_permitted timestamps_echo=77"});
}

TEST_P(TcpAsDirect, OptionsThatAreNotAskedForAreNotGiven) {
  expect_same(
      [](Exchange& exchange) {
        exchange.say(exchange.client(40001).open().options_text());
        exchange.say(exchange.client(40002).open({{4, 2}}).options_text());
        exchange.say(exchange.client(40003).open({{3, 3, 4}}).options_text());
      },
      {mss_option(), mss_option() + " sack_permitted", mss_option() + " window_scale"});
}

// MP_CAPABLE (RFC 8684), a Fast Open cookie wanted (RFC 7413), and one that nobody knows.
TEST_P(TcpAsDirect, MultipathAndFastOpenAndUnknownOptionsAreLeftOut) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp multipath = exchange.client(40001);
        exchange.say(multipath.open({{2, 4, 5, 80}, {30, 4, 1, 1}}).options_text());
        TcpConnection server = exchange.accept();
        exchange.say_whether_it_lives(multipath, server);
        exchange.say(exchange.client(40002).open({{34, 2}}).options_text());
        exchange.say(exchange.client(40003).open({{253, 4, 0xf9, 0x89}}).options_text());
      },
      {mss_option(), "server: still?", "client: yes", mss_option(), mss_option()});
}

// Without Fast Open a kernel does not take it, and the client sends it again.
void send_data_in_a_syn(Exchange& exchange) {
  RawTcp client = exchange.client();
  client.send({.flags = kSyn, .payload = "hello"});
  exchange.say(client.next_with(kSyn | kAck).to_string());
  client.send({.sequence = 1, .payload = "hello"});
  TcpConnection server = exchange.accept();
  exchange.say("server: " + server.receive(5));
  client.await_ack(6);
  exchange.say_whether_it_lives(client, server);
}
const Lines kDataArrivesOnce = {"SA seq=0 ack=1", "server: hello", "server: still?", "client: yes"};

TEST_P(TcpAsDirect, DataInASynIsNotAcknowledgedWithIt) {
  expect_same(send_data_in_a_syn, kDataArrivesOnce);
}

TEST_P(TcpAsDirect, DataInASynIsNotAcknowledgedWithItByAnEagerHandshakeEither) {
  EXPECT_EQ(played(send_data_in_a_syn, gateway_way("handshake: eager\n"), GetParam()),
            kDataArrivesOnce);
}

// How many SYN-ACKs come is not compared: the gateway holds SYNs until its dial is answered.
TEST_P(TcpAsDirect, SynThatIsSentAgainBeginsNoOtherConnection) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        for (int i = 0; i < 3; ++i) {
          client.send({.flags = kSyn, .sequence = 0, .options = usual_options()});
        }
        exchange.say(client.next_with(kSyn | kAck).to_string());
        client.send({.sequence = 1});
        client.send({.flags = kAck | kPsh, .sequence = 1, .payload = "hi"});
        TcpConnection server = exchange.accept();
        exchange.say("server: " + server.receive(2));
        client.await_ack(3);
        exchange.say(exchange.has_another() ? "another connection" : "no other connection");
      },
      {"SA seq=0 ack=1", "server: hi", "no other connection"});
}

TEST_P(TcpAsDirect, EcnIsNegotiatedAndCongestionIsEchoedUntilTheSenderHasHeard) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.send({.flags = kSyn | kEce | kCwr, .options = usual_options()});
        exchange.say(client.next_with(kSyn | kAck).to_string());
        client.send({});
        constexpr unsigned kCapable = 2, kCongested = 3;
        client.send({.payload = "a", .ecn = kCongested});
        exchange.say(client.next_with(kAck).to_string());
        client.send({.payload = "b", .ecn = kCapable});
        exchange.say(client.next_with(kAck).to_string());
        client.send({.flags = kAck | kCwr, .payload = "c", .ecn = kCapable});
        client.await_ack(4);
        client.send({.payload = "d", .ecn = kCapable});
        exchange.say(client
                         .next([](const RawSegment& it) { return it.acknowledgement == 5; },
                               "acknowledgement of d")
                         .to_string());
      },
      {"SAE seq=0 ack=1", "AE seq=1 ack=2", "AE seq=1 ack=3", "A seq=1 ack=5"});
}

TEST_P(TcpAsDirect, PortWhereNobodyListensIsRefused) {
  expect_same(
      [](Exchange& exchange) {
        const auto say_answer = [&](const RawTcp::Out& out) {
          RawTcp client = exchange.client_to_closed_port();
          client.send(out);
          exchange.say(client.next().to_string());
        };
        say_answer({.flags = kSyn});
        say_answer({.flags = kSyn, .payload = "hello"});
        say_answer({.flags = kSyn | kEce | kCwr, .options = usual_options()});
      },
      {"RA seq=0 ack=1", "RA seq=0 ack=6", "RA seq=0 ack=1"});
}

// RFC 9293 3.10.7.1: the answer has the place that the segment acknowledged.
TEST_P(TcpAsDirect, SegmentsOfNoConnectionAreReset) {
  expect_same(
      [](Exchange& exchange) {
        const auto say_answer = [&](std::uint16_t port, const RawTcp::Out& out) {
          RawTcp client = exchange.client(port);
          client.send(out);
          exchange.say(client.next().to_string());
        };
        say_answer(40001, {.flags = kAck, .acknowledgement = 5000});
        say_answer(40002, {.flags = kAck | kPsh, .acknowledgement = 5000, .payload = "hello"});
        say_answer(40003, {.flags = kFin | kAck, .acknowledgement = 5000});
        say_answer(40004, {.flags = kSyn | kAck, .acknowledgement = 5000});
      },
      {"R seq=5000", "R seq=5000", "R seq=5000", "R seq=5000"});
}

// ---- Segments that do not fit ----

// RFC 5961 4.
TEST_P(TcpAsDirect, SynInTheMiddleIsChallenged) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        client.send({.flags = kSyn, .sequence = 500});
        exchange.say(client.next().to_string());
        exchange.say_whether_it_lives(client, server);
      },
      {"A seq=1 ack=1", "server: still?", "client: yes"});
}

// RFC 5961 3: one that is within the window is challenged, one beyond it is nobody's.
TEST_P(TcpAsDirect, BlindResetDoesNotEndTheConnection) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        client.send({.flags = kRst, .sequence = 100});
        exchange.say(client.next().to_string());
        client.send({.flags = kRst, .sequence = 0x40000000});
        exchange.say_whether_it_lives(client, server);
      },
      {"A seq=1 ack=1", "server: still?", "client: yes"});
}

// The RST was not believed, so the SYN behind it begins nothing.
TEST_P(TcpAsDirect, SynAfterABlindResetDoesNotEndTheConnectionEither) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        client.send({.flags = kRst, .sequence = 0x40000000});
        client.send({.flags = kSyn, .sequence = 500});
        exchange.say(client.next().to_string());
        exchange.say_whether_it_lives(client, server);
      },
      {"A seq=1 ack=1", "server: still?", "client: yes"});
}

TEST_P(TcpAsDirect, DataBeyondTheWindowIsAnsweredAndThrownAway) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        client.send({.sequence = 0x40000000, .payload = "far away"});
        exchange.say(client.next().to_string());
        exchange.say_whether_it_lives(client, server);
      },
      {"A seq=1 ack=1", "server: still?", "client: yes"});
}

TEST_P(TcpAsDirect, AcknowledgementOfWhatWasNeverSentIsNotBelieved) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        client.send({.sequence = 1, .acknowledgement = 5000, .payload = "x"});
        exchange.say(client.next().to_string());
        exchange.say_whether_it_lives(client, server);
      },
      {"A seq=1 ack=1", "server: still?", "client: yes"});
}

TEST_P(TcpAsDirect, DataAgainIsAcknowledgedAgainAndGivenOnce) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open(usual_options());
        TcpConnection server = exchange.accept();
        client.say("hello");
        exchange.say("server: " + server.receive(5));
        client.await_ack(6);
        client.send({.sequence = 1, .payload = "hello"});
        const RawSegment again = client.next();
        exchange.say(again.to_string() + ", again " + again.sack_text());
        client.send({.sequence = 4, .payload = "lo again"});  // the first two are old
        exchange.say("server: " + server.receive(6));
      },
      // D-SACK (RFC 2883)
      {"server: hello", "A seq=1 ack=6, again 1-6", "server:  again"});
}

TEST_P(TcpAsDirect, HoleIsSaidWithSackAndFilled) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open(usual_options());
        TcpConnection server = exchange.accept();
        client.send({.sequence = 6, .payload = "world"});
        const RawSegment first = client.next();
        exchange.say(first.to_string() + ", there is " + first.sack_text());
        client.send({.sequence = 21, .payload = "again"});
        const RawSegment second = client.next();
        exchange.say(second.to_string() + ", there is " + second.sack_text());
        client.send({.sequence = 1, .payload = "hello"});
        client.await_ack(11);
        exchange.say("server: " + server.receive(10));
      },
      {"A seq=1 ack=1, there is 6-11", "A seq=1 ack=1, there is 21-26 6-11", "server: helloworld"});
}

// RFC 7323 5: what is older than the last is answered and thrown away.
TEST_P(TcpAsDirect, SegmentFromThePastIsNotTaken) {
  const auto stamped = [](unsigned value) {
    return TcpOptions{{8, 10, value >> 24U, value >> 16U & 0xffU, value >> 8U & 0xffU,
                       value & 0xffU, 0, 0, 0, 0}};
  };
  expect_same(
      [&](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open(usual_options(1000));
        TcpConnection server = exchange.accept();
        client.send({.payload = "new", .options = stamped(2000)});
        client.await_ack(4);
        client.send({.sequence = 4, .payload = "old", .options = stamped(1)});
        exchange.say(client.next().to_string());
        client.send({.payload = "and", .options = stamped(2001)});
        const RawSegment last = client.next(
            [](const RawSegment& it) { return it.acknowledgement == 7; }, "acknowledgement");
        exchange.say(last.options_text());
        exchange.say("server: " + server.receive(6));
      },
      {"A seq=1 ack=4", "timestamps_echo=2001", "server: newand"});
}

// A server that reads urgent data apart (without SO_OOBINLINE) gets it in its place from the
// gateway, whose own connection has none: RFC 6093 advises against more.
TEST_P(TcpAsDirect, UrgentByteIsNotLost) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        const int on = 1;
        must_call(::setsockopt(server.socket().get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)),
                  "SO_OOBINLINE");
        client.send({.flags = kAck | kUrg | kPsh, .payload = "ab!cd", .urgent = 3});
        exchange.say("server: " + server.receive(5));
        client.await_ack(6);
      },
      {"server: ab!cd"});
}

// ---- Windows ----

TEST_P(TcpAsDirect, ClosedWindowIsProbedAndItsOpeningIsUsed) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open({}, 0);
        TcpConnection server = exchange.accept();
        server.send("hello");
        exchange.say(client.next().to_string());
        client.send({.window = 0});
        exchange.say(client.next().to_string());
        client.send({.window = 2});
        exchange.say(
            "client: " +
            client.next([](const RawSegment& it) { return !it.payload.empty(); }, "data").payload);
        client.send({.acknowledgement = 3, .window = 1000});
        exchange.say("client: " + client.read(5));
      },
      {"A seq=0 ack=1", "A seq=0 ack=1", "client: he", "client: hello"});
}

// How much fits in between is the gateway's own; that there is an end to it, and nothing lost, is
// not.
TEST_P(TcpAsDirect, ServerThatDoesNotReadClosesTheWindowAndLosesNothing) {
  expect_same(
      [](Exchange& exchange) {
        constexpr std::size_t kBurst = 16;
        const std::size_t segment = mss();
        RawTcp client = exchange.client();
        const unsigned shift = client.open(usual_options()).options.at(3).at(0);
        TcpConnection server = exchange.accept();
        const Pattern pattern;
        client.say("x");  // its acknowledgement has the first scaled window
        client.await_ack(2);
        exchange.say("server: " + server.receive(1));
        const std::uint32_t first = client.next_to_send();
        const auto sent = [&] { return client.next_to_send() - first; };
        for (std::size_t room = client.window() << shift; room >= segment;
             room = client.window() << shift) {
          for (std::size_t i = 0; i < std::min(kBurst, room / segment); ++i) {
            const auto bytes = pattern.from(sent()).first(segment);
            client.say({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
          }
          client.await_ack(client.next_to_send());
        }
        exchange.say("closed");
        const std::string received = server.receive(sent());
        PatternChecker checker(pattern);
        checker.take(std::as_bytes(std::span(received)));
        exchange.say(checker.is_right() ? "nothing lost" : "damaged");
        exchange.say_whether_it_lives(client, server);
      },
      {"server: x", "closed", "nothing lost", "server: still?", "client: yes"});
}

// ---- Ending ----

TEST_P(TcpAsDirect, ClientThatHasFinishedIsStillAnswered) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        client.send({.flags = kFin | kAck, .payload = "question"});
        exchange.say("server: " + server.receive_all());
        client.await_ack(10);
        server.send("answer");
        exchange.say("client: " + client.read(6));
        server.close();
        exchange.say("client: " + client.read_to_fin());
      },
      {"server: question", "client: answer", "client: answer"});
}

TEST_P(TcpAsDirect, ServerThatHasFinishedStillHears) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        server.send("bye");
        server.finish_sending();
        exchange.say("client: " + client.read_to_fin());
        client.say("one more thing");
        client.send({.flags = kFin | kAck});
        exchange.say("server: " + server.receive_all());
        client.await_ack(16);
      },
      {"client: bye", "server: one more thing"});
}

// Each has sent its FIN before it has heard of the other's.
TEST_P(TcpAsDirect, BothMayCloseAtOnce) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        server.close();
        const RawSegment fin = client.next_with(kFin);
        exchange.say(fin.to_string());
        client.send({.flags = kFin | kAck, .acknowledgement = 1});
        client.await_ack(2);
        client.send({});
        // In TIME-WAIT it acknowledges what comes again.
        client.send({.flags = kFin | kAck, .sequence = 1});
        exchange.say(client.next_with(kAck).to_string());
      },
      {"FA seq=1 ack=1", "A seq=2 ack=2"});
}

TEST_P(TcpAsDirect, DataToAServerThatHasClosedIsReset) {
  expect_same(
      [](Exchange& exchange) {
        RawTcp client = exchange.client();
        client.open();
        TcpConnection server = exchange.accept();
        server.close();
        exchange.say(client.next_with(kFin).to_string());
        client.send({});
        client.say("anybody?");
        exchange.say(client.next_with(kRst).has(kRst) ? "reset" : "");
      },
      {"FA seq=1 ack=1", "reset"});
}

TEST_P(TcpAsDirect, ResetByTheServerComesAtItsPlace) {
  expect_same(
      [](Exchange& exchange) {
        for (const bool has_finished : {false, true}) {
          RawTcp client = exchange.client(has_finished ? 40001 : 40000);
          client.open();
          TcpConnection server = exchange.accept();
          server.send("abc");
          client.read(3);
          if (has_finished) {
            client.send({.flags = kFin | kAck});
            exchange.say("server: " + server.receive_all());
            client.await_ack(2);
          }
          server.reset();
          exchange.say(client.next_with(kRst).to_string());
        }
      },
      {"RA seq=4 ack=1", "server: ", "RA seq=4 ack=2"});
}

TEST_P(TcpAsDirect, ResetByTheClientReachesTheServerInEveryState) {
  expect_same(
      [](Exchange& exchange) {
        {
          RawTcp client = exchange.client(40001);
          client.open();
          TcpConnection server = exchange.accept();
          client.send({.flags = kRst});
          exchange.say("established: " + error_of(server));
        }
        {
          RawTcp client = exchange.client(40002);
          client.open();
          TcpConnection server = exchange.accept();
          client.send({.flags = kFin | kAck});
          exchange.say("server: " + server.receive_all());
          client.send({.flags = kRst});
          exchange.say("close-wait: " + error_of(server));
        }
        {
          RawTcp client = exchange.client(40003);
          client.open();
          TcpConnection server = exchange.accept();
          server.finish_sending();
          client.read_to_fin();
          client.send({.flags = kRst});
          exchange.say("fin-wait: " + error_of(server));
        }
      },
      {"established: ECONNRESET", "server: ", "close-wait: EPIPE", "fin-wait: ECONNRESET"});
}

// What the server's program has is not compared: the gateway's connection to it is over by then, in
// good order. What the client sees of its own is: RFC 5961 holds to the last, a reset at its place
// ends it, and the port is free at once.
TEST_P(TcpAsDirect, ResetEndsAConnectionThatIsAllButClosed) {
  expect_same(
      [](Exchange& exchange) {
        const auto say_how_it_ends = [&](RawTcp& client, std::uint16_t port) {
          client.send({.flags = kRst});
          client.send({});
          exchange.say(client.next_with(kRst).to_string());
          RawTcp next = exchange.client(port, 0x90000000);
          next.open();
          TcpConnection server = exchange.accept();
          exchange.say_whether_it_lives(next, server);
        };
        {
          RawTcp client = exchange.client(40001);
          client.open();
          TcpConnection server = exchange.accept();
          client.send({.flags = kFin | kAck});
          exchange.say("last-ack: " + server.receive_all());
          server.close();
          client.next_with(kFin);
          client.send({.flags = kRst, .sequence = 100});
          exchange.say(client.next_with(kAck).to_string());
          say_how_it_ends(client, 40001);
        }
        {
          RawTcp client = exchange.client(40002);
          client.open();
          TcpConnection server = exchange.accept();
          server.close();
          exchange.say("closing: " + client.next_with(kFin).to_string());
          client.send({.flags = kFin | kAck, .acknowledgement = 1});
          client.await_ack(2);
          client.send({.flags = kRst, .sequence = 100});
          exchange.say(client.next_with(kAck).to_string());
          say_how_it_ends(client, 40002);
        }
        {
          RawTcp client = exchange.client(40003);
          client.open();
          TcpConnection server = exchange.accept();
          server.close();
          exchange.say("time-wait: " + client.read_to_fin());
          client.send({.flags = kFin | kAck});
          client.await_ack(2);
          say_how_it_ends(client, 40003);
        }
      },
      {"last-ack: ", "A seq=2 ack=2", "R seq=2", "server: still?", "client: yes",
       "closing: FA seq=1 ack=1", "A seq=2 ack=2", "R seq=2", "server: still?", "client: yes",
       "time-wait: ", "R seq=2", "server: still?", "client: yes"});
}

// Without a gateway the server never hears of it; the gateway has dialled before it answered, so
// that its server hears of one that comes and goes. What the client may do then is the same.
TEST_P(TcpAsDirect, ClientThatResetsInsteadOfTheLastAckMayTryAgain) {
  expect_same(
      [](Exchange& exchange) {
        {
          RawTcp client = exchange.client();
          client.send({.flags = kSyn});
          client.next_with(kSyn | kAck);
          client.send({.flags = kRst});
        }
        RawTcp client = exchange.client(40000, 0x90000000);
        exchange.say(client.open().to_string());
        TcpConnection server = exchange.accept();
        if (server.socket().is_open() && exchange.has_another()) {
          server = exchange.accept();  // the one before was the gateway's dial
        }
        exchange.say_whether_it_lives(client, server);
      },
      {"SA seq=0 ack=1", "server: still?", "client: yes"});
}

TEST_P(TcpAsDirect, PortIsUsedAgainWhileItsLastConnectionIsInTimeWait) {
  expect_same(
      [](Exchange& exchange) {
        {
          RawTcp client = exchange.client();
          client.open();
          TcpConnection server = exchange.accept();
          server.close();
          client.read_to_fin();
          client.send({.flags = kFin | kAck});
          client.await_ack(2);
        }
        RawTcp client = exchange.client(40000, 0x90000000);
        exchange.say(client.open().to_string());
        TcpConnection server = exchange.accept();
        exchange.say_whether_it_lives(client, server);
      },
      {"SA seq=0 ack=1", "server: still?", "client: yes"});
}

// The client waits for the server's last words, which were lost; the gateway's kernel sends them
// again, after pauses that grow beyond the time for which a closed flow is kept.
TEST(TcpOverLoss, EndThatWasLostIsSentUntilItArrives) {
  Exchange exchange(gateway_way("flows: {timeouts: {tcp_time_wait: 300ms}}"), host::kServer4);
  RawTcp client = exchange.client();
  client.open();
  TcpConnection server = exchange.accept();
  client.send({.flags = kFin | kAck});
  server.send("bye");
  server.finish_sending();
  const auto is_end = [](const RawSegment& segment) {
    return segment.has(kFin) || segment.payload == "bye";
  };
  for (int i = 0; i < 7; ++i) {
    client.next(is_end, "the end, again");
  }
  EXPECT_EQ(client.read_to_fin(), "bye");
}

// The first pause may be longer than that already: of a client that is far, or was slow to answer.
TEST(TcpOverLoss, EndIsWaitedForAsLongAsItsSenderPauses) {
  Exchange exchange(gateway_way("flows: {timeouts: {tcp_time_wait: 300ms}}"), host::kServer4);
  RawTcp client = exchange.client();
  client.send({.flags = kSyn});
  client.next_with(kSyn | kAck);
  client.next_with(kSyn | kAck);  // sent again, so that there is no RTT: RFC 6298 5.7, 3 s
  client.send({});
  TcpConnection server = exchange.accept();
  client.send({.flags = kFin | kAck});
  server.send("bye");
  server.finish_sending();
  const auto is_end = [](const RawSegment& segment) {
    return segment.has(kFin) || segment.payload == "bye";
  };
  for (int i = 0; i < 3; ++i) {
    client.next(is_end, "the end, again");
  }
  EXPECT_EQ(client.read_to_fin(), "bye");
}

// What a client has sent is acknowledged by the kernel inside, and must not be lost because it uses
// its port again before a slow server has read it.
TEST(PortIsUsedAgain, WhileTheServerStillReads) {
  Exchange exchange(gateway_way(), host::kServer4);
  RawTcp client = exchange.client();
  client.open();
  TcpConnection server = exchange.accept();
  server.finish_sending();
  client.read_to_fin();
  constexpr std::size_t kFar = std::size_t{32} << 20U;
  std::size_t sent = 0;
  const std::string segment(1300, 'x');
  while (client.window() > 40'000 && sent < kFar) {
    for (int i = 0; i < 20; ++i, sent += segment.size()) {
      client.say(segment);
    }
    client.await_ack(client.next_to_send());
  }
  client.send({.flags = kFin | kAck});
  client.await_ack(client.next_to_send());

  exchange.client(40000, 0x90000000).send({.flags = kSyn});
  EXPECT_EQ(server.receive(sent).size(), sent);
  EXPECT_EQ(server.wait_for_end(), End::kFin);
  EXPECT_EQ(exchange.client(40000, 0xa0000000).open().to_string(), "SA seq=0 ack=1");
}

}  // namespace
}  // namespace integration
