#include "tools/flowctl/capture_command.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/time.h"
#include "gateway/capture/capture_memory.h"
#include "gateway/control/control_protocol.h"
#include "gateway/inspect/flow_filter.h"
#include "tools/flowctl/capture_file.h"
#include "tools/flowctl/gateway_access.h"
#include "tools/flowctl/interruption.h"
#include "tools/flowctl/output.h"
#include "tools/flowctl/reply.h"

namespace flowctl {
namespace {

using base::Fd;
using base::Unexpected;
using gateway::CaptureMemory;
using gateway::CaptureRingReader;
using gateway::ControlRequest;
using Done = base::Result<void, Failure>;

constexpr std::chrono::milliseconds kPause{5};  // chosen: between two looks at empty rings
constexpr int kBurst = 1'000;                   // chosen: packets between two looks at all else
constexpr auto kNamesAgain = std::chrono::milliseconds(200);

Unexpected<Failure> failed(std::string why) {
  return Unexpected{Failure{ExitStatus::kFailed, std::move(why)}};
}

base::Result<Fd, Failure> open_file(const std::string& path) {
  if (path == "-") {
    if (::isatty(STDOUT_FILENO) == 1) {
      return Unexpected{Failure{ExitStatus::kUsage,
                                "-w - writes packets to standard output, which is a terminal"}};
    }
    return Fd::adopt(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  }
  Fd file = Fd::adopt(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.is_open()) {
    return failed(base::last_error("open " + path).message());
  }
  return file;
}

// The names of tenants and tunnels; those of tunnels that came later are asked for.
class CurrentNames {
 public:
  CurrentNames(const Options& options, const Json& reply)
      : options_(options), book_(names_in(reply)) {}

  CaptureFile::Names of(const gateway::CaptureRecord& record) {
    flows::Flow flow;
    flow.key.tenant = record.tenant;
    flow.tunnel = record.tunnel;
    if (!book_.knows_tunnel(record.tunnel) && base::Clock::now() - asked_ >= kNamesAgain) {
      ask_again();
    }
    const gateway::FlowNames names = book_.of(flow);
    return {std::string(names.tenant), std::string(names.tunnel)};
  }

 private:
  void ask_again() {
    asked_ = base::Clock::now();
    const auto answer = ask(choose_socket(options_.socket), gateway::flows_request());
    const auto reply = answer ? granted(answer->line) : Unexpected{answer.error()};
    if (reply) {
      book_ = names_in(*reply);
    }
  }

  const Options& options_;
  NameBook book_;
  base::Instant asked_{};
};

class Capture {
 public:
  Capture(const Options& options, const Fd& connection, const CaptureMemory& memory,
          CaptureFile& file, Output& output)
      : options_(options), connection_(connection), file_(file), output_(output) {
    for (std::size_t i = 0; i < memory.ring_count(); ++i) {
      rings_.emplace_back(memory.ring(i));
    }
  }

  // Why it is over; empty: as it should.
  std::string run(const Interruption& interruption) {
    const auto end =
        options_.seconds
            ? base::Clock::now() + std::chrono::duration_cast<base::Duration>(*options_.seconds)
            : base::Instant::max();
    while (!is_over() && base::Clock::now() < end) {
      const bool any = read_some();
      if (!any) {
        output_.flush();
      }
      const auto woke = interruption.wait({.readable = connection_,
                                           .written_to = output_.descriptor(),
                                           .limit = any ? std::chrono::milliseconds(0) : kPause});
      if (woke == Interruption::Woke::kSignal || woke == Interruption::Woke::kReaderGone) {
        break;
      }
      if (woke == Interruption::Woke::kReady && has_ended()) {
        read_what_is_there();
        return broken_ ? kBroken : "the gateway has ended";
      }
    }
    read_what_is_there();
    return broken_ ? kBroken : "";
  }

  [[nodiscard]] std::uint64_t dropped() const {
    std::uint64_t count = 0;
    for (const CaptureRingReader& ring : rings_) {
      count += ring.dropped();
    }
    return count;
  }

 private:
  static constexpr const char* kBroken = "what the gateway wrote is broken";

  [[nodiscard]] bool is_over() const { return broken_ || file_.is_full() || !output_.is_open(); }

  bool read_some() {
    bool any = false;
    for (CaptureRingReader& ring : rings_) {
      for (int i = 0; i < kBurst && read_one(ring); ++i) {
        any = true;
      }
    }
    return any;
  }

  bool read_one(CaptureRingReader& ring) {
    if (is_over()) {
      return false;
    }
    const auto read = ring.next(captured_);
    if (read == CaptureRingReader::Read::kPacket) {
      file_.add(captured_);
      return true;
    }
    broken_ = broken_ || read == CaptureRingReader::Read::kBroken;
    return false;
  }

  // And not what comes meanwhile.
  void read_what_is_there() {
    for (CaptureRingReader& ring : rings_) {
      const std::uint64_t end = ring.written();
      while (ring.read_up_to() < end && read_one(ring)) {
      }
    }
  }

  [[nodiscard]] bool has_ended() const {
    char byte = 0;
    const ssize_t bytes = ::recv(connection_.get(), &byte, 1, MSG_DONTWAIT);
    return bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR);
  }

  const Options& options_;
  const Fd& connection_;
  std::vector<CaptureRingReader> rings_;
  CaptureFile& file_;
  Output& output_;
  CaptureRingReader::Captured captured_;
  bool broken_ = false;
};

void summarize(std::uint64_t written, std::uint64_t dropped, const std::string& why) {
  std::fprintf(stderr, "flowctl: %s%llu packets captured, %llu dropped for want of room\n",
               why.empty() ? "" : (why + "; ").c_str(), static_cast<unsigned long long>(written),
               static_cast<unsigned long long>(dropped));
}

}  // namespace

Done capture(const Options& options) {
  if (const auto filter = gateway::FlowFilter::parse(options.filter); !filter) {
    return Unexpected{Failure{ExitStatus::kUsage, filter.error()}};
  }
  auto stream = open_stream(choose_socket(options.socket), {.kind = ControlRequest::Kind::kCapture,
                                                            .filter = options.filter,
                                                            .snap_bytes = options.snap_bytes});
  if (!stream) {
    return Unexpected{stream.error()};
  }
  const auto reply = granted(stream->line);
  if (!reply) {
    return Unexpected{reply.error()};
  }
  if (stream->attached.size() != 1) {
    return failed("the gateway sent no memory for the packets");
  }
  const auto memory = CaptureMemory::open(stream->attached.front());
  if (!memory) {
    return failed(memory.error().message());
  }
  const auto descriptor = open_file(options.file);
  if (!descriptor) {
    return Unexpected{descriptor.error()};
  }
  const Interruption interruption;  // not before: a FIFO may have no reader yet
  Output output(descriptor->get(), options.file == "-" ? "standard output" : options.file);
  CurrentNames names(options, *reply);
  CaptureFile file(output, {.snap_bytes = options.snap_bytes, .count = options.count},
                   [&](const gateway::CaptureRecord& record) { return names.of(record); });
  output.flush();  // who reads along sees at once that it has begun
  Capture running(options, stream->socket, *memory, file, output);
  const std::string why = running.run(interruption);
  const std::uint64_t dropped = running.dropped();
  file.finish(dropped);
  if (!output.error().empty()) {
    return failed(output.error());
  }
  summarize(file.written(), dropped, why);
  return {};
}

}  // namespace flowctl
