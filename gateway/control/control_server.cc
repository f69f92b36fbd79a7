#include "gateway/control/control_server.h"

#include <fcntl.h>
#include <unistd.h>

#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include <asio/io_context.hpp>

#include "base/time.h"
#include "gateway/control/capture_sessions.h"
#include "gateway/control/control_protocol.h"
#include "gateway/control/control_session.h"
#include "gateway/control/event_followers.h"
#include "gateway/control/unix_listener.h"
#include "gateway/log.h"
#include "gateway/log_control.h"
#include "gateway/log_value.h"

namespace gateway {
namespace {

using Kind = ControlRequest::Kind;

constexpr std::chrono::milliseconds kAcceptPause{100};  // chosen: after EMFILE and its like

// The flow region for a client: a descriptor of its own that cannot be mapped writable. It guards
// against mistakes; a client of our own uid could still write our memory by other ways.
base::SysResult<base::Fd> read_only(const base::Fd& region) {
  const std::string path = "/proc/self/fd/" + std::to_string(region.get());
  auto opened = base::Fd::adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.is_open()) {
    return base::Unexpected{base::last_error("open " + path + " for reading")};
  }
  return opened;
}

}  // namespace

class ControlServer::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, const ControlServerOptions& options, UnixListener listener,
        StatusSource& source)
      : loop_(loop),
        owner_(options.owner),
        network_(options.own_network_only ? std::optional(own_network()) : std::nullopt),
        patience_{options.request_patience, options.reply_patience},
        followers_(options.followers),
        captures_(options.captures),
        listener_(std::move(listener)),
        source_(source),
        waiting_(loop, listener_->fd().get()),
        pause_(loop) {}

  void start() { wait(); }

  void stop() {
    stopped_ = true;
    pause_.cancel();
    (void)waiting_.release();  // the descriptor is the listener's
    listener_.reset();         // now, not when the last handler of this state has run
    for (const auto& session : std::exchange(sessions_, {})) {
      session->close();
    }
  }

 private:
  void wait() {
    waiting_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](const asio::error_code& failed) {
                          if (!failed && !self->stopped_) {
                            self->accept();
                          }
                        });
  }

  void accept() {
    auto peer = listener_->accept();
    for (; peer && peer->has_value(); peer = listener_->accept()) {
      welcome(std::move(**peer));
    }
    if (peer) {
      wait();
      return;
    }
    // The connection still waits, so waiting for readability would spin.
    log_warn("control connection was not accepted error={}", LogValue{peer.error().message()});
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
      if (!cancelled && !self->stopped_) {
        self->accept();
      }
    });
  }

  void welcome(UnixPeer peer) {
    if (peer.uid != owner_ && peer.uid != 0) {
      turn_away(peer, ControlError::kNotAllowed,
                "uid " + std::to_string(peer.uid) + " may not control this gateway, only uid " +
                    std::to_string(owner_) + " and root");
      return;
    }
    if (network_ && peer.network != *network_) {
      turn_away(peer, ControlError::kNotAllowed,
                "a process in another network than the gateway may not control it");
      return;
    }
    if (sessions_.size() >= kMostSessions) {
      turn_away(peer, ControlError::kBusy,
                "there are " + std::to_string(kMostSessions) + " control clients already");
      return;
    }
    const auto session = std::make_shared<ControlSession>(
        loop_, std::move(peer.socket), patience_,
        [this](std::string_view line) { return answer(line); },
        [this](const ControlSession& ended) {
          // The caller holds the session for as long as its handler runs.
          std::erase_if(sessions_, [&](const auto& mine) { return mine.get() == &ended; });
        });
    sessions_.insert(session);
    session->start();
  }

  // One try; a peer that does not even read a line has lost nothing.
  static void turn_away(const UnixPeer& peer, ControlError error, const std::string& message) {
    const std::string line = error_reply(error, message);
    (void)::send(peer.socket.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  ControlAnswer answer(std::string_view line) {
    const auto request = parse_request(std::as_bytes(std::span(line)));
    if (!request) {
      return {error_reply(ControlError::kBadRequest, request.error())};
    }
    switch (request->kind) {
      case Kind::kPing:
        return {ping_reply()};
      case Kind::kKill:
        return {kill(request->flow_id)};
      case Kind::kFlows:
        return flows(request->regions);
      case Kind::kEvents:
        return events(*request);
      case Kind::kCapture:
        return capture(*request);
      case Kind::kExplain:
        return {explain(request->query)};
      case Kind::kHooks:
        return {hooks(request->flow_id)};
      case Kind::kLogLevel:
        return {log_level_of(request->level)};
      case Kind::kReload:
        return {reload_reply(source_.reload(request->config))};
      case Kind::kTunnels:
      case Kind::kTenants:
      case Kind::kNat:
      case Kind::kStats:
      case Kind::kDrops:
        break;
    }
    return {status_reply(request->kind, source_.status(), now_ns())};
  }

  std::string kill(std::uint64_t id) {
    const auto found = source_.kill_flow(id);
    if (!found) {
      return error_reply(ControlError::kFailed, found.error());
    }
    if (!*found) {
      return error_reply(ControlError::kNotFound, "no flow has the id " + std::to_string(id));
    }
    log_info("flow was killed by a control client flow={}", id);
    return kill_reply();
  }

  static std::string log_level_of(const std::string& wanted) {
    if (wanted.empty()) {
      return log_level_reply(log_level_name(log_level()));
    }
    const auto level = log_level_named(wanted);
    if (!level) {
      return error_reply(ControlError::kBadRequest,
                         "'" + wanted + "' is no level: trace, debug, info, warn or error");
    }
    set_log_level(*level);
    log_info("log level was set by a control client level={}", wanted);
    return log_level_reply(wanted);
  }

  std::string hooks(std::uint64_t flow) {
    const auto report = source_.hooks_of(flow);
    return report ? hooks_reply(*report) : error_reply(ControlError::kNotFound, report.error());
  }

  std::string explain(const ExplainQuery& query) {
    const auto explanation = source_.explain(query);
    return explanation ? explain_reply(*explanation)
                       : error_reply(ControlError::kBadRequest, explanation.error());
  }

  ControlAnswer flows(std::size_t most_regions) {
    const auto regions = source_.flow_regions();
    if (regions.size() > most_regions) {
      return {error_reply(ControlError::kBadRequest,
                          "this gateway has " + std::to_string(regions.size()) +
                              " workers with a flow table each, and you take " +
                              std::to_string(most_regions) +
                              "; use the flowctl of the gateway's version, or say 'regions'")};
    }
    ControlAnswer answer{.line = status_reply(Kind::kFlows, source_.status(), now_ns())};
    for (const base::Fd* region : regions) {
      auto shared = read_only(*region);
      if (!shared) {
        return {error_reply(ControlError::kFailed, "the flow table cannot be shared read-only: " +
                                                       shared.error().message())};
      }
      answer.attachments.push_back(std::move(shared).value());
    }
    return answer;
  }

  ControlAnswer events(const ControlRequest& request) {
    auto filter = FlowFilter::parse(request.filter);
    if (!filter) {
      return {error_reply(ControlError::kBadRequest, filter.error())};
    }
    if (followers_ == nullptr) {
      return {error_reply(ControlError::kFailed, "this gateway has no events to follow")};
    }
    if (followers_->is_full()) {
      return {error_reply(ControlError::kBusy, std::to_string(EventFollowers::kMost) +
                                                   " clients follow the events already")};
    }
    return {.line = events_reply(),
            .then = [this, filter = std::move(filter).value()](base::Fd socket) {
              followers_->add(std::move(socket), filter);
            }};
  }

  ControlAnswer capture(const ControlRequest& request) {
    const auto filter = FlowFilter::parse(request.filter);
    if (!filter) {
      return {error_reply(ControlError::kBadRequest, filter.error())};
    }
    if (captures_ == nullptr) {
      return {error_reply(ControlError::kFailed, "this gateway has no packets to capture")};
    }
    if (captures_->is_full()) {
      return {error_reply(ControlError::kBusy, std::to_string(CaptureSessions::kMost) +
                                                   " captures are under way already")};
    }
    auto begun =
        captures_->begin(*filter, request.snap_bytes == 0 ? std::numeric_limits<std::size_t>::max()
                                                          : std::size_t{request.snap_bytes});
    if (!begun) {
      return {error_reply(ControlError::kFailed, begun.error().message())};
    }
    ControlAnswer answer{.line = status_reply(Kind::kCapture, source_.status(), now_ns()),
                         .then = std::move(begun->then)};
    answer.attachments.push_back(std::move(begun->memory));
    return answer;
  }

  static std::int64_t now_ns() { return base::to_nanoseconds(base::Clock::now()); }

  asio::io_context& loop_;
  uid_t owner_;
  std::optional<std::uint64_t> network_;  // none: every one is heard
  ControlSession::Patience patience_;
  EventFollowers* followers_;
  CaptureSessions* captures_;
  std::optional<UnixListener> listener_;
  StatusSource& source_;
  asio::posix::stream_descriptor waiting_;  // the listener's descriptor, borrowed
  asio::steady_timer pause_;
  std::unordered_set<std::shared_ptr<ControlSession>> sessions_;
  bool stopped_ = false;
};

base::SysResult<std::unique_ptr<ControlServer>> ControlServer::create(
    asio::io_context& loop, const ControlServerOptions& options, StatusSource& source) {
  auto listener = UnixListener::create({.path = options.path,
                                        .type = SOCK_STREAM,
                                        .mode = 0600,
                                        .chosen_by = "control.path or $LIFTGATE_SOCKET"});
  if (!listener) {
    return base::Unexpected{listener.error()};
  }
  auto state = std::make_shared<State>(loop, options, std::move(listener).value(), source);
  state->start();
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(state)));
}

ControlServer::ControlServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

ControlServer::~ControlServer() {
  state_->stop();
}

}  // namespace gateway
