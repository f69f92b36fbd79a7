#include "gateway/telemetry/telemetry_server.h"

#include <array>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include "base/check.h"
#include "base/time.h"
#include "gateway/inspect/health.h"
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/telemetry/api.h"
#include "gateway/telemetry/heap_profile.h"
#include "gateway/telemetry/http_reply.h"
#include "gateway/telemetry/http_request.h"
#include "gateway/telemetry/live_view.h"
#include "gateway/telemetry/metrics.h"
#include "gateway/telemetry/page.h"

namespace gateway {
namespace {

using asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause{100};  // chosen: after EMFILE and its like

// In a time that says nothing about where they differ.
bool is_equal(std::string_view given, std::string_view token) {
  unsigned difference = given.size() == token.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char expected = token[i % token.size()];
    difference |= static_cast<unsigned char>(given[i] ^ expected);
  }
  return difference == 0;
}

// What there is to ask for, and who may.
class Answers {
 public:
  Answers(const TelemetrySettings& settings, StatusSource& source)
      : settings_(settings), source_(source), view_(source) {}

  HttpReply to(const HttpRequest& request) {
    if (request.method != "GET" && request.method != "HEAD") {
      return {.status = "405 Method Not Allowed",
              .content_type = kPlainText,
              .body = "GET or HEAD\n",
              .more_headers = "Allow: GET, HEAD\r\n"};
    }
    if (request.path == "/health") {
      return health(request);
    }
    if (settings_.page && request.path == "/") {
      return page_reply();
    }
    if (auto refusal = refusal_of(request)) {
      return std::move(*refusal);
    }
    if (request.path == "/metrics") {
      const MetricsFormat format = metrics_format(request.accept);
      return {
          .status = "200 OK",
          .content_type = content_type(format),
          .body = metrics_text(source_.status(), base::to_nanoseconds(base::Clock::now()), format),
          .more_headers = "Vary: Accept\r\n"};
    }
    if (request.path == "/debug/heap") {
      return settings_.token.value.empty() ? no_heap_without_token() : heap();
    }
    if (request.path == "/config") {
      return {.status = "200 OK", .content_type = kYaml, .body = source_.config()};
    }
    if (settings_.page && request.path.starts_with("/api/")) {
      view_.refresh(base::Clock::now());
      return api_reply(request.path, request.query, view_);
    }
    return {.status = "404 Not Found",
            .content_type = kPlainText,
            .body = settings_.page ? "/, /metrics, /config, /health, /debug/heap or /api/overview\n"
                                   : "/metrics, /config, /health or /debug/heap\n"};
  }

 private:
  // jemalloc's profile has the whole memory map in it.
  static HttpReply no_heap_without_token() {
    return {.status = "403 Forbidden",
            .content_type = kPlainText,
            .body =
                "a heap profile tells where everything is in memory: set telemetry.token, and "
                "ask with it\n"};
  }

  // Everybody is told whether it can serve; all the rest, who may read the rest.
  HttpReply health(const HttpRequest& request) {
    const GatewayHealth health = source_.health();
    const std::vector<HealthProblem> problems = problems_of(health);
    const bool in_full = query_value(request.query, "full").has_value();
    const bool as_json = in_full || wanted_thousandths(request.accept, kJsonText) > 0;
    const bool may_know = !refusal_of(request).has_value();
    const bool is_ready = readiness_of(problems) != Readiness::kUnready;
    return {.status = is_ready ? "200 OK" : "503 Service Unavailable",
            .content_type = as_json ? kJsonText : kPlainText,
            .body = as_json ? health_json(problems, may_know ? &health : nullptr)
                            : health_text(problems)};
  }

  static HttpReply heap() {
    auto profile = heap_profile();
    if (!profile) {
      const bool is_lack = profile.error().code == std::errc::not_supported;
      return {.status = is_lack ? "501 Not Implemented" : "500 Internal Server Error",
              .content_type = kPlainText,
              .body = profile.error().message() + "\n"};
    }
    return {.status = "200 OK",
            .content_type = kBinary,
            .body = std::move(*profile),
            .more_headers = "Content-Disposition: attachment; filename=\"liftgate.heap\"\r\n"};
  }

  [[nodiscard]] std::optional<HttpReply> refusal_of(const HttpRequest& request) const {
    constexpr std::string_view kScheme = "Bearer ";
    if (!settings_.token.value.empty()) {
      const bool is_known =
          request.authorization.starts_with(kScheme) &&
          is_equal(request.authorization.substr(kScheme.size()), settings_.token.value);
      return is_known ? std::nullopt
                      : std::optional(HttpReply{
                            .status = "401 Unauthorized",
                            .content_type = kPlainText,
                            .body = "the token of telemetry.token is needed\n",
                            .more_headers = "WWW-Authenticate: Bearer realm=\"liftgate\"\r\n"});
    }
    if (request.path != "/metrics" && !is_host_an_address(request.host)) {
      return HttpReply{.status = "421 Misdirected Request",
                       .content_type = kPlainText,
                       .body =
                           "ask by address, as in http://127.0.0.1:9464/, or set "
                           "telemetry.token to be asked by name\n"};
    }
    return std::nullopt;
  }

  TelemetrySettings settings_;
  StatusSource& source_;
  LiveView view_;
};

// One connection, from its request to the end.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Ended = std::function<void(const Session&)>;

  Session(tcp::socket socket, Answers& answers, Ended ended)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        answers_(answers),
        ended_(std::move(ended)) {}

  void start() {
    timer_.expires_after(TelemetryServer::kPatience);
    timer_.async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
      if (!cancelled) {
        self->close();
      }
    });
    read();
  }

  void close() {
    asio::error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
    if (const Ended ended = std::exchange(ended_, nullptr)) {
      ended(*this);
    }
  }

 private:
  void read() {
    socket_.async_read_some(
        asio::buffer(buffer_),
        [self = shared_from_this()](const asio::error_code& failed, std::size_t bytes) {
          if (failed || !self->ended_) {  // read just before the server went
            self->close();
            return;
          }
          self->head_.append(self->buffer_.data(), bytes);
          self->go_on();
        });
  }

  void go_on() {
    constexpr std::string_view kEnd = "\r\n\r\n";
    if (head_.find(kEnd) != std::string::npos) {
      const auto request = read_http_request(head_);
      answer(request ? http_text(answers_.to(*request), request->method != "HEAD")
                     : http_text({.status = "400 Bad Request",
                                  .content_type = kPlainText,
                                  .body = "no HTTP request\n"},
                                 true));
    } else if (head_.size() >= TelemetryServer::kMostRequestBytes) {
      answer(http_text({.status = "431 Request Header Fields Too Large",
                        .content_type = kPlainText,
                        .body = "too long\n"},
                       true));
    } else {
      read();
    }
  }

  void answer(std::string text) {
    reply_ = std::move(text);
    asio::async_write(socket_, asio::buffer(reply_),
                      [self = shared_from_this()](const asio::error_code&, std::size_t) {
                        asio::error_code ignored;
                        self->socket_.shutdown(tcp::socket::shutdown_send, ignored);
                        self->close();
                      });
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  Answers& answers_;
  Ended ended_;
  std::array<char, 2048> buffer_{};
  std::string head_;
  std::string reply_;
};

}  // namespace

class TelemetryServer::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, tcp::acceptor acceptor, const TelemetrySettings& settings,
        StatusSource& source)
      : acceptor_(std::move(acceptor)), pause_(loop), answers_(settings, source) {}

  void start() { accept(); }

  void stop() {
    stopped_ = true;
    asio::error_code ignored;
    pause_.cancel();
    acceptor_.close(ignored);
    for (const auto& session : std::exchange(sessions_, {})) {
      session->close();
    }
  }

  [[nodiscard]] base::Endpoint endpoint() const {
    const tcp::endpoint own = acceptor_.local_endpoint();
    return {*base::IpAddress::parse(own.address().to_string()), base::Port{own.port()}};
  }

 private:
  void accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const asio::error_code& failed, tcp::socket socket) {
          if (self->stopped_) {
            return;
          }
          if (failed) {
            self->pause(failed);
            return;
          }
          self->welcome(std::move(socket));
          self->accept();
        });
  }

  void pause(const asio::error_code& why) {
    log_warn("telemetry connection was not accepted error={}", LogValue{why.message()});
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
      if (!cancelled && !self->stopped_) {
        self->accept();
      }
    });
  }

  void welcome(tcp::socket socket) {
    if (sessions_.size() >= kMostSessions) {
      std::shared_ptr<Session>(sessions_.front())->close();
    }
    const auto session =
        std::make_shared<Session>(std::move(socket), answers_, [this](const Session& ended) {
          std::erase_if(sessions_, [&](const auto& mine) { return mine.get() == &ended; });
        });
    sessions_.push_back(session);
    session->start();
  }

  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  Answers answers_;
  std::list<std::shared_ptr<Session>> sessions_;  // the oldest first
  bool stopped_ = false;
};

base::SysResult<std::unique_ptr<TelemetryServer>> TelemetryServer::create(
    asio::io_context& loop, const TelemetrySettings& settings, StatusSource& source) {
  CHECK(settings.listen.has_value());
  const base::Endpoint& at = *settings.listen;
  const auto address = asio::ip::make_address(at.address.to_string());
  tcp::acceptor acceptor(loop);
  asio::error_code failed;
  const auto step = [&](auto what) {
    if (!failed) {
      what();
    }
  };
  step([&] { acceptor.open(address.is_v4() ? tcp::v4() : tcp::v6(), failed); });
  step([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), failed); });
  step([&] { acceptor.bind({address, base::number(at.port)}, failed); });
  step([&] { acceptor.listen(asio::socket_base::max_listen_connections, failed); });
  if (failed) {
    return base::Unexpected{
        base::Error{.code = failed,
                    .doing = "listening on " + at.to_string() + " (telemetry.listen)",
                    .cure = failed == asio::error::address_in_use
                                ? "Another program has the port: choose another, or port 0."
                                : ""}};
  }
  auto state = std::make_shared<State>(loop, std::move(acceptor), settings, source);
  state->start();
  return std::unique_ptr<TelemetryServer>(new TelemetryServer(std::move(state)));
}

TelemetryServer::TelemetryServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

TelemetryServer::~TelemetryServer() {
  state_->stop();
}

base::Endpoint TelemetryServer::endpoint() const {
  return state_->endpoint();
}

}  // namespace gateway
