#include "gateway/telemetry/ipfix_exporter.h"

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include "base/check.h"
#include "base/endpoint.h"
#include "base/fd.h"
#include "base/time.h"
#include "gateway/log.h"
#include "gateway/log_value.h"

namespace gateway {
namespace {

constexpr std::size_t kHeadersV4 = 20 + 8;  // IP and UDP
constexpr std::size_t kHeadersV6 = 40 + 8;

std::size_t most_payload(const IpfixSettings& settings) {
  const std::size_t headers = settings.collector->address.is_v4() ? kHeadersV4 : kHeadersV6;
  return settings.mtu_bytes - headers;
}

}  // namespace

class IpfixExporter::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, const IpfixSettings& settings, base::Fd socket, IpfixFeed& feed)
      : timer_(loop),
        settings_(settings),
        socket_(std::move(socket)),
        feed_(feed),
        message_(settings.domain, most_payload(settings)) {}

  void wait() {
    timer_.expires_after(kEvery);
    timer_.async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
      if (!cancelled && !self->stopped_) {
        self->send_all();
        self->wait();
      }
    });
  }

  void stop() {
    stopped_ = true;
    timer_.cancel();
    send_all();
  }

  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_ + feed_.lost(); }
  [[nodiscard]] IpfixHealth health() const {
    return {.collector = settings_.collector->to_string(),
            .sent = sent(),
            .lost = lost(),
            .error = error_};
  }

 private:
  void send_all() {
    const base::Instant now = base::Clock::now();
    const std::vector<IpfixRecord> records = feed_.take();
    if (now >= next_templates_) {
      message_.add_templates();
      next_templates_ = now + settings_.template_interval;
    }
    for (const IpfixRecord& record : records) {
      if (!message_.add(record)) {
        send_message();
        CHECK(message_.add(record));
      }
      ++in_message_;
    }
    if (!message_.is_empty()) {
      send_message();
    }
  }

  void send_message() {
    const auto bytes = message_.finish(std::chrono::system_clock::now());
    const std::uint64_t records = std::exchange(in_message_, 0);
    ssize_t done = -1;
    do {  // an error that an earlier datagram has met is told, and costs this one nothing
      done = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (done < 0 &&
             (errno == EINTR || (errno == ECONNREFUSED && !std::exchange(told_, true))));
    const bool was_refused = std::exchange(told_, false);
    if (done == std::ssize(bytes)) {
      sent_ += records;
      fails_ = false;
      error_ = was_refused ? "the last datagram but one was refused: nobody listens there" : "";
      return;
    }
    lost_ += records;
    error_ = base::last_error("send").message();
    if (!std::exchange(fails_, true)) {
      log_warn("flow records were not sent collector={} error={}", settings_.collector->to_string(),
               LogValue{error_});
    }
  }

  asio::steady_timer timer_;
  IpfixSettings settings_;
  base::Fd socket_;
  IpfixFeed& feed_;
  IpfixMessage message_;
  base::Instant next_templates_{};
  std::uint64_t in_message_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t lost_ = 0;
  bool told_ = false;   // this datagram was refused for what an earlier one has met
  bool fails_ = false;  // said once, until it works again
  std::string error_;   // what is known of the way
  bool stopped_ = false;
};

base::SysResult<std::unique_ptr<IpfixExporter>> IpfixExporter::create(asio::io_context& loop,
                                                                      const IpfixSettings& settings,
                                                                      IpfixFeed& feed) {
  CHECK(settings.collector.has_value());
  const base::SocketAddress address(*settings.collector);
  base::Fd socket =
      base::Fd::adopt(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open() || ::connect(socket.get(), address.data(), address.size()) != 0) {
    return base::Unexpected{base::last_error("reaching " + settings.collector->to_string() +
                                             " (telemetry.ipfix.collector)")};
  }
  auto state = std::make_shared<State>(loop, settings, std::move(socket), feed);
  state->wait();
  return std::unique_ptr<IpfixExporter>(new IpfixExporter(std::move(state)));
}

IpfixExporter::IpfixExporter(std::shared_ptr<State> state) : state_(std::move(state)) {}

IpfixExporter::~IpfixExporter() {
  state_->stop();
}

std::uint64_t IpfixExporter::sent() const {
  return state_->sent();
}
std::uint64_t IpfixExporter::lost() const {
  return state_->lost();
}

IpfixHealth IpfixExporter::health() const {
  return state_->health();
}

}  // namespace gateway
