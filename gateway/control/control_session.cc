#include "gateway/control/control_session.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "gateway/control/control_protocol.h"

namespace gateway {
namespace {

// Sends part of `bytes`, and `attachments` with it when there are any. As sendmsg(2).
ssize_t send_some(int socket, std::string_view bytes, const std::vector<base::Fd>& attachments) {
  iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostAttachments * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!attachments.empty()) {
    CHECK(attachments.size() <= kMostAttachments);
    const std::size_t size = attachments.size() * sizeof(int);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    for (std::size_t i = 0; i < attachments.size(); ++i) {
      const int number = attachments[i].get();
      std::memcpy(CMSG_DATA(header) + i * sizeof(number), &number, sizeof(number));
    }
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

ControlSession::ControlSession(asio::io_context& loop, base::Fd socket, Patience patience,
                               Answer answer, Ended ended)
    : socket_(loop, socket.release()),
      timer_(loop),
      patience_(patience),
      answer_(std::move(answer)),
      ended_(std::move(ended)) {}

void ControlSession::start() {
  wait_for(patience_.request);
  read();
}

void ControlSession::close() {
  ended_ = nullptr;
  answer_ = nullptr;
  reply_.then = nullptr;
  timer_.cancel();
  asio::error_code ignored;
  socket_.close(ignored);
}

void ControlSession::end() {
  const Ended ended = std::move(ended_);
  close();
  if (ended) {
    ended(*this);
  }
}

void ControlSession::wait_for(std::chrono::milliseconds limit) {
  timer_.expires_after(limit);
  timer_.async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
    // An expiry that was already queued when the timer was set anew does not count.
    if (!cancelled && self->timer_.expiry() <= asio::steady_timer::clock_type::now()) {
      self->end();
    }
  });
}

void ControlSession::read() {
  std::array<char, kMaxRequestBytes> buffer{};
  ssize_t bytes = 0;
  do {
    bytes = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    request_.append(buffer.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  } while (bytes > 0 && !has_whole_request());

  if (has_whole_request() || (bytes == 0 && !request_.empty())) {
    // A peer that shut its side down after a request without a line end still gets its reply.
    reply(std::string_view(request_).substr(0, request_.find('\n')));
  } else if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const asio::error_code& failed) {
                         if (!failed && self->socket_.is_open()) {
                           self->read();
                         }
                       });
  } else {
    end();
  }
}

// One that is too long counts, too: it is answered without reading on.
bool ControlSession::has_whole_request() const {
  return request_.size() > kMaxRequestBytes || request_.find('\n') != std::string::npos;
}

void ControlSession::reply(std::string_view line) {
  reply_ = std::exchange(answer_, nullptr)(line);
  wait_for(patience_.reply);
  write();
}

void ControlSession::write() {
  const std::string_view rest = std::string_view(reply_.line).substr(written_);
  const ssize_t bytes = send_some(socket_.native_handle(), rest, reply_.attachments);
  if (bytes >= 0) {
    reply_.attachments.clear();
    written_ += static_cast<std::size_t>(bytes);
    if (written_ == reply_.line.size()) {
      if (const auto then = std::move(reply_.then)) {
        then(base::Fd::adopt(socket_.release()));
      }
      end();
      return;
    }
    wait_for(patience_.reply);
  } else if (errno != EAGAIN && errno != EINTR) {
    end();
    return;
  }
  socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                     [self = shared_from_this()](const asio::error_code& failed) {
                       if (!failed && self->socket_.is_open()) {
                         self->write();
                       }
                     });
}

}  // namespace gateway
