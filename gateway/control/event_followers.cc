#include "gateway/control/event_followers.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <span>
#include <utility>
#include <variant>

#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>

#include "gateway/control/event_line.h"

namespace gateway {

class EventFollowers::Follower : public std::enable_shared_from_this<Follower> {
 public:
  using Ended = std::function<void(const Follower&)>;

  Follower(asio::io_context& loop, base::Fd socket, FlowFilter filter, Ended ended)
      : socket_(loop, socket.release()), filter_(std::move(filter)), ended_(std::move(ended)) {}

  void start() { watch(); }
  [[nodiscard]] const FlowFilter& filter() const { return filter_; }

  void offer(std::string_view line) {
    if (lost_ > 0 || buffer_.size() - written_ + line.size() > kBufferBytes) {
      ++lost_;
      return;
    }
    buffer_ += line;
  }
  void lose(std::uint64_t count) { lost_ += count; }

  void write() {
    write_some();
    if (socket_.is_open() && written_ < buffer_.size() && !waiting_) {
      waiting_ = true;
      socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                         [self = shared_from_this()](const asio::error_code& failed) {
                           self->waiting_ = false;
                           if (!failed && self->socket_.is_open()) {
                             self->write();
                           }
                         });
    }
  }

  void close() {
    ended_ = nullptr;
    asio::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void write_some() {
    while (true) {
      say_what_was_lost();
      if (written_ == buffer_.size()) {
        return;
      }
      const ssize_t bytes = ::send(socket_.native_handle(), buffer_.data() + written_,
                                   buffer_.size() - written_, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (bytes < 0) {
        if (errno != EAGAIN && errno != EINTR) {
          end();
        }
        return;
      }
      written_ += static_cast<std::size_t>(bytes);
      if (written_ == buffer_.size() || written_ > kBufferBytes / 2) {
        buffer_.erase(0, std::exchange(written_, 0));
      }
    }
  }

  void say_what_was_lost() {
    if (lost_ > 0 && buffer_.size() - written_ <= kBufferBytes / 2) {
      append_lost_line(buffer_, std::chrono::system_clock::now(), std::exchange(lost_, 0));
    }
  }

  // It has nothing to say; its end is what we wait for.
  void watch() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const asio::error_code& failed) {
                         if (failed || !self->socket_.is_open()) {
                           return;
                         }
                         std::array<char, 512> ignored;
                         const ssize_t bytes = ::recv(self->socket_.native_handle(), ignored.data(),
                                                      ignored.size(), MSG_DONTWAIT);
                         if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR)) {
                           self->end();
                         } else {
                           self->watch();
                         }
                       });
  }

  void end() {
    const Ended ended = std::move(ended_);
    close();
    if (ended) {
      ended(*this);
    }
  }

  asio::posix::stream_descriptor socket_;
  FlowFilter filter_;
  Ended ended_;
  std::string buffer_;
  std::size_t written_ = 0;  // bytes of buffer_
  std::uint64_t lost_ = 0;   // and not said yet
  bool waiting_ = false;
};

class EventFollowers::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, EventFeed& feed, AuditNames names)
      : loop_(loop), feed_(feed), names_(std::move(names)) {}

  [[nodiscard]] bool is_full() const { return followers_.size() >= kMost; }

  void add(base::Fd socket, FlowFilter filter) {
    if (followers_.empty()) {
      feed_.start([this, weak = weak_from_this()] {
        asio::post(loop_, [weak] {
          if (const auto self = weak.lock()) {
            self->pass_on();
          }
        });
      });
    }
    const auto follower = std::make_shared<Follower>(
        loop_, std::move(socket), std::move(filter), [this](const Follower& ended) {
          std::erase_if(followers_, [&](const auto& mine) { return mine.get() == &ended; });
          if (followers_.empty()) {
            feed_.stop();
          }
        });
    followers_.push_back(follower);
    follower->start();
  }

  void stop() {
    pass_on();
    feed_.stop();
    for (const auto& follower : std::exchange(followers_, {})) {
      follower->close();
    }
  }

 private:
  void pass_on() {
    const EventFeed::Batch batch = feed_.take();
    // A batch may be longer than what a follower holds.
    for (std::span rest(batch.events); !rest.empty();) {
      const auto piece = rest.first(std::min(rest.size(), kWriteEvery));
      rest = rest.subspan(piece.size());
      offer(piece);
      write();
    }
    if (batch.lost > 0) {
      for (const auto& follower : followers_) {
        follower->lose(batch.lost);
      }
      write();
    }
  }

  void offer(std::span<const EventFeed::Happened> events) {
    std::string line;
    for (const EventFeed::Happened& happened : events) {
      const EventLine event(happened, names_);
      line.clear();
      for (const auto& follower : followers_) {
        if (event.matches(follower->filter())) {
          if (line.empty()) {
            event.append_to(line);
          }
          follower->offer(line);
        }
      }
    }
  }

  // This may end a follower, and take it off the list.
  void write() {
    for (const auto& follower : std::vector(followers_)) {
      follower->write();
    }
  }

  static constexpr std::size_t kWriteEvery = 64;  // chosen: events, far less than a buffer holds

  asio::io_context& loop_;
  EventFeed& feed_;
  AuditNames names_;
  std::vector<std::shared_ptr<Follower>> followers_;
};

EventFollowers::EventFollowers(asio::io_context& loop, EventFeed& feed, AuditNames names)
    : state_(std::make_shared<State>(loop, feed, std::move(names))) {}

EventFollowers::~EventFollowers() {
  state_->stop();
}

bool EventFollowers::is_full() const {
  return state_->is_full();
}

void EventFollowers::add(base::Fd socket, FlowFilter filter) {
  state_->add(std::move(socket), std::move(filter));
}

}  // namespace gateway
