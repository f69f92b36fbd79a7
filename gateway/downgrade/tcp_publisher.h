// TcpPublisher: published TCP ports: accepts on the host, and hands over to the downgrade.
//
// The host's kernel answers a client's SYN before anybody inside is asked. So what cannot be
// delivered (nobody listens there, no tunnel, a limit) is an RST on the open connection, as with
// every port forwarder that sits above the kernel.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/endpoint.h"
#include "base/error.h"
#include "base/fd.h"
#include "gateway/downgrade/published_flows.h"
#include "gateway/loop/acceptor.h"
#include "gateway/loop/event_loop.h"
#include "gateway/upgrade/tcp_upgrade.h"

namespace gateway {

/// Belongs to the shard's thread.
class TcpPublisher {
 public:
  /// `dropped` counts a client that is refused.
  TcpPublisher(EventLoop& loop, PublishedFlows& flows, TcpUpgrade& upgrade,
               std::function<void(flows::Drop)> dropped)
      : loop_(loop), flows_(flows), upgrade_(upgrade), dropped_(std::move(dropped)) {}
  ~TcpPublisher();
  TcpPublisher(const TcpPublisher&) = delete;
  TcpPublisher& operator=(const TcpPublisher&) = delete;

  /// Clients of `listener`, which is non-blocking, reach `to` at a tunnel of `tenant`, which
  /// outlives the publisher.
  base::SysResult<void> publish(base::Fd listener, Tenant& tenant, const base::Endpoint& to);

 private:
  static constexpr int kTurn = 64;  // chosen: connections per wake-up of one port

  struct Listener final : EventLoop::Handler {
    void on_ready(std::uint32_t /*events*/) override { publisher->accept_some(*this); }

    TcpPublisher* publisher = nullptr;
    base::Fd socket;
    Tenant* tenant = nullptr;
    base::Endpoint to;
  };

  void accept_some(Listener& listener);
  void admit(const Listener& listener, base::Fd client, const base::Endpoint& peer);

  EventLoop& loop_;
  PublishedFlows& flows_;
  TcpUpgrade& upgrade_;
  std::function<void(flows::Drop)> dropped_;
  Acceptor acceptor_;
  std::vector<std::unique_ptr<Listener>> listeners_;
};

}  // namespace gateway
