// TelemetryServer: what can be asked over HTTP: /metrics for Prometheus, /health for load
// balancers, a page for people, at /, what that reads, below /api/, and a heap profile at
// /debug/heap.
//
// /metrics is in Prometheus's text format, or in OpenMetrics where the scraper wants that (Accept).
// /health is 200 or 503, "ok" or why not; `Accept: application/json` or /health?full has an object
// instead. Whoever may read the rest finds every part of the gateway in it.
//
// It lives on the control thread and asks the StatusSource, so that no scrape is on a packet's
// path. It speaks as much HTTP/1.1 as that needs: GET and HEAD, one request to a connection.
// Nothing that can be asked changes anything.
//
// Where there is a token, all but /health and the page, which is empty, ask for it. Where there is
// none, the page and /api/ answer only who asks for them by address: in the browser of an operator
// who visits a hostile site, a name of that site's may lead here (DNS rebinding), and then its
// script could read what we say.
//
// Each connection has kPatience for all of it and kMostRequestBytes; there are at most
// kMostSessions, of which the oldest gives way to another: a probe takes milliseconds, so that one
// is the likeliest never to ask.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/endpoint.h"
#include "base/error.h"
#include "gateway/config/settings.h"
#include "gateway/inspect/status.h"

namespace asio {
class io_context;
}

namespace gateway {

class TelemetryServer {
 public:
  static constexpr std::size_t kMostSessions = 64;
  static constexpr std::size_t kMostRequestBytes = 8192;
  static constexpr std::chrono::seconds kPatience{10};

  /// Listens where `settings` say, which must say where; answers while `loop` runs. `loop` and
  /// `source` outlive the server, and all three are used on one thread only.
  static base::SysResult<std::unique_ptr<TelemetryServer>> create(asio::io_context& loop,
                                                                  const TelemetrySettings& settings,
                                                                  StatusSource& source);
  ~TelemetryServer();  // ends every connection
  TelemetryServer(const TelemetryServer&) = delete;
  TelemetryServer& operator=(const TelemetryServer&) = delete;

  /// Where it listens; the port is the kernel's choice where 0 was asked for.
  [[nodiscard]] base::Endpoint endpoint() const;

 private:
  class State;
  explicit TelemetryServer(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace gateway
