// The telemetry server on a real socket, with its loop on a thread of its own.
#include "gateway/telemetry/telemetry_server.h"

#include <sys/socket.h>

#include <regex>
#include <thread>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "tests/support/addresses.h"
#include "tests/support/test_gateway.h"

namespace gateway {
namespace {

using base::Fd;
using test_support::endpoint;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class TelemetryServerTest : public testing::TestWithParam<const char*> {
 protected:
  TelemetryServerTest() {
    auto server = TelemetryServer::create(loop_, listening(endpoint(GetParam())), source_);
    EXPECT_TRUE(server) << server.error().message();
    server_ = std::move(server).value();
    at_ = server_->endpoint();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~TelemetryServerTest() override {
    asio::post(loop_, [this] {
      server_.reset();
      work_.reset();
    });
    thread_.join();
  }

  static TelemetrySettings listening(const base::Endpoint& at) {
    TelemetrySettings settings;
    settings.listen = at;
    return settings;
  }
  [[nodiscard]] Fd connected() const {
    const base::SocketAddress address(at_);
    Fd socket = Fd::adopt(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), address.data(), address.size()), 0);
    return socket;
  }
  static std::string read_to_end(const Fd& socket) {
    std::string text;
    std::array<char, 4096> piece{};
    ssize_t got = 0;
    while ((got = ::recv(socket.get(), piece.data(), piece.size(), 0)) > 0) {
      text.append(piece.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  [[nodiscard]] std::string ask(std::string_view request) const {
    const Fd socket = connected();
    EXPECT_EQ(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL),
              std::ssize(request));
    return read_to_end(socket);
  }

  test_support::TestGateway source_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  std::unique_ptr<TelemetryServer> server_;
  base::Endpoint at_;
  std::thread thread_;
};
INSTANTIATE_TEST_SUITE_P(Families, TelemetryServerTest, testing::Values("127.0.0.1:0", "[::1]:0"),
                         [](const auto& tested) { return tested.index == 0 ? "IPv4" : "IPv6"; });

TEST_P(TelemetryServerTest, MetricsAreServed) {
  EXPECT_THAT(ask("GET /metrics HTTP/1.1\r\nHost: gw\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("version=0.0.4"),
                    HasSubstr("\r\n\r\n# HELP liftgate_build_info"),
                    HasSubstr("\nliftgate_flows_opened_total ")));
}

TEST_P(TelemetryServerTest, ConfigurationIsServed) {
  EXPECT_THAT(ask("GET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("application/yaml"),
                    HasSubstr("\r\n\r\nworkers: auto\n")));
  EXPECT_THAT(ask("GET /config HTTP/1.1\r\nHost: rebound.example\r\n\r\n"),
              StartsWith("HTTP/1.1 421 "));
}

TEST_P(TelemetryServerTest, HealthIsServed) {
  EXPECT_THAT(ask("GET /health HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("\r\n\r\nok\n")));
}

TEST_P(TelemetryServerTest, MetricsAreOpenMetricsForWhoWantsThem) {
  EXPECT_THAT(ask("GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0,"
                  "text/plain;q=0.5\r\n\r\n"),
              AllOf(HasSubstr("Content-Type: application/openmetrics-text; version=1.0.0"),
                    HasSubstr("\r\nVary: Accept\r\n"), testing::EndsWith("\n# EOF\n")));
}

TEST_P(TelemetryServerTest, HealthOfAGatewayThatCannotServeIs503AndSaysWhy) {
  source_.condition.shards.resize(1);  // without a sandbox
  EXPECT_THAT(ask("GET /health HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 503 Service Unavailable\r\n"), HasSubstr("text/plain"),
                    HasSubstr("\r\n\r\nunready\nshard 0 has no sandbox")));
}

TEST_P(TelemetryServerTest, HealthIsAnObjectForWhoWantsOne) {
  source_.condition.flows_max = 1234;
  const std::string host = "Host: 127.0.0.1\r\n";
  for (const std::string& request :
       {"GET /health HTTP/1.1\r\nAccept: application/json\r\n" + host + "\r\n",
        "GET /health?full HTTP/1.1\r\n" + host + "\r\n"}) {
    EXPECT_THAT(ask(request),
                AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("application/json"),
                      HasSubstr("\r\n\r\n{\"status\":\"ok\""), HasSubstr("\"flows_max\":1234")));
  }
  EXPECT_THAT(ask("GET /health?full HTTP/1.1\r\nHost: rebound.example\r\n\r\n"),
              testing::EndsWith("\r\n\r\n{\"status\":\"ok\",\"problems\":[]}\n"));
}

// It has the whole memory map in it.
TEST_P(TelemetryServerTest, AHeapProfileIsForWhoKnowsATokenOnly) {
  EXPECT_THAT(ask("GET /debug/heap HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 403 Forbidden\r\n"), HasSubstr("set telemetry.token")));
}

TEST_P(TelemetryServerTest, ThePageMayRunItsOwnScriptOnly) {
  const std::string first = ask("GET / HTTP/1.1\r\nHost: gw\r\n\r\n");
  const std::regex policy("script-src 'nonce-([0-9a-f]{32})'; style-src 'nonce-");
  std::smatch nonce;
  ASSERT_TRUE(std::regex_search(first, nonce, policy)) << first.substr(0, 1000);
  EXPECT_THAT(first, AllOf(HasSubstr("<script nonce=\"" + nonce[1].str() + "\">"),
                           HasSubstr("default-src 'none'"), testing::Not(HasSubstr("{{nonce}}"))));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\n\r\n"), testing::Not(HasSubstr(nonce[1].str())));
}

TEST_P(TelemetryServerTest, TheApiAnswersWhoAsksByAddress) {
  source_.add_flow("100.64.0.2:4000", "192.0.2.1:443");
  EXPECT_THAT(ask("GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("application/json"),
                    HasSubstr("192.0.2.1:443")));
  EXPECT_THAT(ask("GET /api/flows HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 421 "), testing::Not(HasSubstr("192.0.2.1"))));
  EXPECT_THAT(ask("GET /api/flows HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 421 "));
}

TEST_P(TelemetryServerTest, AHeadHasNoBody) {
  const std::string reply = ask("HEAD /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(reply.ends_with("\r\n\r\n"));
}

TEST_P(TelemetryServerTest, WhatItDoesNotHaveIsSaid) {
  EXPECT_THAT(ask("GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask("POST /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_P(TelemetryServerTest, ARequestThatNeverEndsIsRefused) {
  std::string head = "GET / HTTP/1.1\r\nX: ";
  head.resize(TelemetryServer::kMostRequestBytes, 'x');
  EXPECT_THAT(ask(head), StartsWith("HTTP/1.1 431 "));
}

TEST_P(TelemetryServerTest, ARequestMayComeInPieces) {
  const Fd socket = connected();
  for (const std::string_view piece : {"GET /hea", "lth HTTP/1.1\r", "\n\r\n"}) {
    ASSERT_EQ(::send(socket.get(), piece.data(), piece.size(), MSG_NOSIGNAL), std::ssize(piece));
  }
  EXPECT_THAT(read_to_end(socket), HasSubstr("ok\n"));
}

TEST_P(TelemetryServerTest, APortThatIsTakenIsAnErrorWithACure) {
  const auto second = TelemetryServer::create(loop_, listening(at_), source_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(),
              AllOf(HasSubstr(at_.to_string()), HasSubstr("Address already in use. Another")));
}

}  // namespace
}  // namespace gateway
