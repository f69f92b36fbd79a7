#include "gateway/upgrade/lent_sockets.h"

#include <sys/socket.h>

#include <utility>

#include "gateway/loop/tcp_socket.h"

namespace gateway {
namespace {

// RST now, whoever uses the descriptor: tcp(7) has no other word for it than to disconnect.
void reset_now(const base::Fd& socket) {
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (::connect(socket.get(), &nowhere, sizeof(nowhere)) != 0) {
    ::shutdown(socket.get(), SHUT_RDWR);  // no TCP: the app's own
  }
}

}  // namespace

void LentSockets::let_go(bool was_finished, std::uint64_t up_bytes, std::uint64_t down_bytes) {
  const std::scoped_lock lock(mutex_);
  returned_ = Return{.was_finished = was_finished, .up_bytes = up_bytes, .down_bytes = down_bytes};
  if (!was_finished) {
    reset_on_close(client());
    reset_on_close(upstream());
  }
  if (loop_ != nullptr) {
    loop_->post(given_back_);
  }
}

std::optional<LentSockets::Return> LentSockets::returned() const {
  const std::scoped_lock lock(mutex_);
  return returned_;
}

void LentSockets::take_back() {
  const std::scoped_lock lock(mutex_);
  loop_ = nullptr;
  given_back_ = nullptr;
  if (!returned_) {
    reset_now(client());
    reset_now(upstream());
  }
}

}  // namespace gateway
