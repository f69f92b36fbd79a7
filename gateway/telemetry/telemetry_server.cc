#include "gateway/telemetry/telemetry_server.h"

#include <array>
#include <string>
#include <unordered_set>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include "base/time.h"
#include "gateway/log.h"
#include "gateway/telemetry/http_request.h"
#include "gateway/telemetry/metrics.h"

namespace gateway {
namespace {

using asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause{100};  // chosen: after EMFILE and its like

struct Reply {
  std::string_view status;
  std::string_view content_type;
  std::string body;
};

std::string http_text(const Reply& reply, bool with_body) {
  std::string text = "HTTP/1.1 " + std::string(reply.status) +
                     "\r\nContent-Type: " + std::string(reply.content_type) +
                     "\r\nContent-Length: " + std::to_string(reply.body.size()) +
                     "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
  return with_body ? text + reply.body : text;
}

Reply reply_to(const HttpRequest& request, StatusSource& source) {
  constexpr std::string_view kText = "text/plain; charset=utf-8";
  if (request.method != "GET" && request.method != "HEAD") {
    return {"405 Method Not Allowed", kText, "GET or HEAD\n"};
  }
  if (request.path == "/metrics") {
    return {"200 OK", kMetricsContentType,
            metrics_text(source.status(), base::to_nanoseconds(base::Clock::now()))};
  }
  if (request.path == "/health") {
    source.status();  // the shard answers, or nobody does
    return {"200 OK", kText, "ok\n"};
  }
  return {"404 Not Found", kText, "/metrics or /health\n"};
}

// One connection, from its request to the end.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Ended = std::function<void(const Session&)>;

  Session(tcp::socket socket, StatusSource& source, Ended ended)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        source_(source),
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
          if (failed) {
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
      answer(request ? http_text(reply_to(*request, source_), request->method != "HEAD")
                     : http_text({"400 Bad Request", "text/plain", "no HTTP request\n"}, true));
    } else if (head_.size() >= TelemetryServer::kMostRequestBytes) {
      answer(http_text({"431 Request Header Fields Too Large", "text/plain", "too long\n"}, true));
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
  StatusSource& source_;
  Ended ended_;
  std::array<char, 2048> buffer_{};
  std::string head_;
  std::string reply_;
};

}  // namespace

class TelemetryServer::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, tcp::acceptor acceptor, StatusSource& source)
      : acceptor_(std::move(acceptor)), pause_(loop), source_(source) {}

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
    log_warn("telemetry connection was not accepted error={}", why.message());
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
      if (!cancelled && !self->stopped_) {
        self->accept();
      }
    });
  }

  void welcome(tcp::socket socket) {
    if (sessions_.size() >= kMostSessions) {
      return;  // closes it
    }
    const auto session =
        std::make_shared<Session>(std::move(socket), source_, [this](const Session& ended) {
          std::erase_if(sessions_, [&](const auto& mine) { return mine.get() == &ended; });
        });
    sessions_.insert(session);
    session->start();
  }

  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  StatusSource& source_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  bool stopped_ = false;
};

base::SysResult<std::unique_ptr<TelemetryServer>> TelemetryServer::create(asio::io_context& loop,
                                                                          const base::Endpoint& at,
                                                                          StatusSource& source) {
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
  auto state = std::make_shared<State>(loop, std::move(acceptor), source);
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
