// ServedGateway: a TestGateway behind a real control server, whose loop has a thread of its own.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include "base/check.h"
#include "gateway/control/control_server.h"
#include "tests/support/test_gateway.h"

namespace test_support {

/// `gateway` may be changed while no request is under way.
class ServedGateway {
 public:
  explicit ServedGateway(const std::string& path, std::uint32_t capacity = 1000)
      : gateway(capacity) {
    ::gateway::ControlServerOptions options;
    options.path = path;
    auto server = ::gateway::ControlServer::create(loop_, options, gateway);
    CHECK(server.has_value());
    server_ = std::move(server).value();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~ServedGateway() {
    asio::post(loop_, [this] {
      server_.reset();
      work_.reset();
    });
    thread_.join();
  }
  ServedGateway(const ServedGateway&) = delete;
  ServedGateway& operator=(const ServedGateway&) = delete;

  TestGateway gateway;

 private:
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  std::unique_ptr<::gateway::ControlServer> server_;
  std::thread thread_;
};

}  // namespace test_support
