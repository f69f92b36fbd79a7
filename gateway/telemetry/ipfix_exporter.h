// IpfixExporter: sends what an IpfixFeed has to a collector, over UDP.
//
// It lives on the control thread. Every kEvery it takes what waits and sends it, many records to a
// datagram, none longer than the way's MTU allows. The templates go before the first record, and
// again every `template_interval`, so that a collector that begins later understands us soon (RFC
// 7011 8.1). UDP promises nothing: a datagram that the kernel refuses is lost, its records are
// counted, and the sequence numbers tell the collector.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/error.h"
#include "gateway/config/settings.h"
#include "gateway/inspect/health.h"
#include "gateway/telemetry/ipfix_feed.h"

namespace asio {
class io_context;
}

namespace gateway {

class IpfixExporter {
 public:
  static constexpr std::chrono::milliseconds kEvery{250};

  /// `settings` say where the collector is. `loop` and `feed` outlive the exporter.
  static base::SysResult<std::unique_ptr<IpfixExporter>> create(asio::io_context& loop,
                                                                const IpfixSettings& settings,
                                                                IpfixFeed& feed);
  /// Sends what waits still.
  ~IpfixExporter();
  IpfixExporter(const IpfixExporter&) = delete;
  IpfixExporter& operator=(const IpfixExporter&) = delete;

  /// Records that were sent, and that were not: for want of a place, or because sending failed.
  [[nodiscard]] std::uint64_t sent() const;
  [[nodiscard]] std::uint64_t lost() const;
  [[nodiscard]] IpfixHealth health() const;

 private:
  class State;
  explicit IpfixExporter(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace gateway
