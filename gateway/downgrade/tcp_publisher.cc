#include "gateway/downgrade/tcp_publisher.h"

#include <utility>

#include "gateway/loop/tcp_socket.h"

namespace gateway {

using base::Endpoint;
using base::Fd;
using flows::Drop;

TcpPublisher::~TcpPublisher() {
  for (const auto& listener : listeners_) {
    loop_.unwatch(listener->socket, *listener);
  }
}

base::SysResult<void> TcpPublisher::publish(Fd listener, Tenant& tenant, const Endpoint& to) {
  auto made = std::make_unique<Listener>();
  made->publisher = this;
  made->socket = std::move(listener);
  set_relay_options(made->socket);
  made->tenant = &tenant;
  made->to = to;
  if (auto watched = loop_.watch(made->socket, EPOLLIN, *made); !watched) {
    return watched;
  }
  listeners_.push_back(std::move(made));
  return {};
}

// What is left of a burst shows at the next wake-up: the listener is watched level-triggered.
void TcpPublisher::accept_some(Listener& listener) {
  for (int i = 0; i < kTurn; ++i) {
    auto arrival = acceptor_.next(listener.socket);
    if (!arrival) {
      return;
    }
    if (arrival->socket.is_open()) {
      admit(listener, std::move(arrival->socket), arrival->peer);
    } else {
      dropped_(Drop::kNoDescriptor);
    }
  }
}

void TcpPublisher::admit(const Listener& listener, Fd client, const Endpoint& peer) {
  const auto flow = flows_.open(*listener.tenant, peer, listener.to, flows::Protocol::kTcp);
  if (!flow) {
    dropped_(flow.error());
    reset_on_close(client);
    return;
  }
  upgrade_.open_accepted(*flow, std::move(client));
}

}  // namespace gateway
