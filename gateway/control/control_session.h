// ControlSession: one connection to the control socket, from its request to its reply's last byte.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include "base/fd.h"

namespace gateway {

/// What a session answers: a line, and descriptors to send along where there are any.
struct ControlAnswer {
  std::string line;
  std::vector<base::Fd> attachments{};  // at most kMostAttachments
  /// Takes the connection over once the line is written; nothing: it is closed.
  std::function<void(base::Fd socket)> then{};
};

class ControlSession : public std::enable_shared_from_this<ControlSession> {
 public:
  struct Patience {
    std::chrono::milliseconds request;
    std::chrono::milliseconds reply;
  };
  using Answer = std::function<ControlAnswer(std::string_view line)>;
  using Ended = std::function<void(const ControlSession&)>;

  /// `socket` is non-blocking. `answer` is called at most once, `ended` exactly once unless close()
  /// comes first.
  ControlSession(asio::io_context& loop, base::Fd socket, Patience patience, Answer answer,
                 Ended ended);

  void start();
  /// Ends it; nothing is called any more.
  void close();

 private:
  void wait_for(std::chrono::milliseconds limit);
  void read();
  [[nodiscard]] bool has_whole_request() const;
  void reply(std::string_view line);
  void write();
  void end();

  asio::posix::stream_descriptor socket_;
  asio::steady_timer timer_;
  Patience patience_;
  Answer answer_;
  Ended ended_;
  std::string request_;
  ControlAnswer reply_;
  std::size_t written_ = 0;  // bytes of reply_.line
};

}  // namespace gateway
