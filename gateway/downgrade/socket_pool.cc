#include "gateway/downgrade/socket_pool.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "netns/fd_passing.h"

namespace gateway {

using base::Fd;
using base::SysResult;

SysResult<void> SocketPool::install(netns::Sandbox& sandbox) {
  uninstall();
  if (auto watched = loop_.watch(sandbox.control(), EPOLLIN, *this); !watched) {
    return watched;
  }
  sandbox_ = &sandbox;
  if (wanted_) {
    order(true);
    order(false);
  }
  return {};
}

void SocketPool::uninstall() {
  if (sandbox_ != nullptr) {
    loop_.unwatch(sandbox_->control(), *this);
    sandbox_ = nullptr;
  }
  orders_.clear();
  shelves_ = {};
}

void SocketPool::keep_filled() {
  if (std::exchange(wanted_, true) || sandbox_ == nullptr) {
    return;
  }
  order(true);
  order(false);
}

Fd SocketPool::take(bool v4) {
  wanted_ = true;
  Shelf& shelf = this->shelf(v4);
  Fd socket;
  if (shelf.stock.empty()) {
    ++shelf.missed;
  } else {
    socket = std::move(shelf.stock.back());
    shelf.stock.pop_back();
  }
  if (shelf.stock.size() < kLow) {
    order(v4);
  }
  return socket;
}

void SocketPool::order(bool v4) {
  Shelf& shelf = this->shelf(v4);
  if (sandbox_ == nullptr || shelf.ordered) {
    return;
  }
  const std::size_t count = std::min(kFull - std::min(kFull, shelf.stock.size()) + shelf.missed,
                                     netns::kMaxFdsPerMessage);
  if (count == 0) {
    return;
  }
  // What stands in the way (a full queue to a helper that hangs) stands in the next order's way,
  // too, if it lasts: whoever wants a socket meanwhile has none.
  if (sandbox_->order_sockets(v4 ? AF_INET : AF_INET6, SOCK_STREAM, IPPROTO_TCP,
                              static_cast<std::uint32_t>(count))) {
    shelf.ordered = true;
    orders_.push_back(v4);
  }
  shelf.missed = 0;
}

void SocketPool::on_ready(std::uint32_t /*events*/) {
  while (sandbox_ != nullptr) {
    auto delivery = sandbox_->take_delivery();
    if (!delivery) {
      return;
    }
    if (!*delivery && delivery->error().code.value() == EPIPE) {
      give_up();
      return;
    }
    answered(std::move(*delivery));
  }
}

void SocketPool::answered(SysResult<std::vector<Fd>> delivery) {
  if (orders_.empty()) {
    return;  // nobody has ordered that
  }
  const bool v4 = orders_.front();
  orders_.pop_front();
  Shelf& shelf = this->shelf(v4);
  shelf.ordered = false;
  const bool failed = !delivery || delivery->empty();
  if (!failed) {
    std::ranges::move(*delivery, std::back_inserter(shelf.stock));
  }
  owner_.sockets_arrived(v4, failed);
}

// The helper is gone; whoever watches it will install another sandbox.
void SocketPool::give_up() {
  const auto orders = std::exchange(orders_, {});
  uninstall();
  for (const bool v4 : orders) {
    owner_.sockets_arrived(v4, true);
  }
}

}  // namespace gateway
