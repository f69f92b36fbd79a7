// TelemetryServer: /metrics and /health over HTTP, for Prometheus and for load balancers.
//
// It lives on the control thread and asks the StatusSource, so that no scrape is on a packet's
// path. It speaks as much HTTP/1.1 as a scraper needs: GET and HEAD, one request to a connection.
// Each connection has kPatience for all of it and kMostRequestBytes; there are at most
// kMostSessions.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/endpoint.h"
#include "base/error.h"
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

  /// Listens at `at`; answers while `loop` runs. `loop` and `source` outlive the server, and all
  /// three are used on one thread only.
  static base::SysResult<std::unique_ptr<TelemetryServer>> create(asio::io_context& loop,
                                                                  const base::Endpoint& at,
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
