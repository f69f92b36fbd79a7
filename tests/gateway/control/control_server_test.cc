// The control server on a real socket, with its loop on a thread of its own.
#include "gateway/control/control_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "flows/flow_snapshot.h"
#include "gateway/control/control_client.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_gateway.h"

namespace gateway {
namespace {

using base::Fd;
using nlohmann::json;
using namespace std::chrono_literals;
using Kind = ControlRequest::Kind;

constexpr auto kPatience = 10s;

class ControlServerTest : public testing::Test {
 protected:
  ~ControlServerTest() override { stop(); }

  void serve() { serve(options()); }
  ControlServerOptions options() {
    ControlServerOptions options;
    options.path = path_;
    return options;
  }
  void serve(const ControlServerOptions& options) {
    auto server = ControlServer::create(loop_, options, source_);
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(server).value();
    thread_ = std::thread([this] { loop_.run(); });
  }
  void stop() {
    asio::post(loop_, [this] {
      server_.reset();
      work_.reset();
    });
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  static Fd unconnected() { return Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
  void connect_to_server(const Fd& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  Fd connected() {
    Fd socket = unconnected();
    connect_to_server(socket);
    return socket;
  }

  json ask(const ControlRequest& request) {
    auto reply = ask_gateway(path_, request, kPatience);
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? json::parse(reply->line) : json();
  }

  test_support::TempDirectory directory_;
  const std::string path_ = directory_.file("control.sock");
  test_support::TestGateway source_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

void send_text(const Fd& socket, std::string_view text) {
  ASSERT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL), std::ssize(text));
}

bool readable(const Fd& socket, std::chrono::milliseconds limit) {
  pollfd wait{.fd = socket.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, static_cast<int>(limit.count())) == 1;
}

// Everything until the gateway closes; nothing when it does not.
std::optional<std::string> read_to_end(const Fd& socket) {
  std::string text;
  while (readable(socket, kPatience)) {
    std::string piece(4096, '\0');
    const ssize_t bytes = ::recv(socket.get(), piece.data(), piece.size(), 0);
    if (bytes <= 0) {
      return text;
    }
    text.append(piece, 0, static_cast<std::size_t>(bytes));
  }
  return std::nullopt;
}

TEST_F(ControlServerTest, AnswersEveryRequest) {
  serve();
  EXPECT_EQ(ask({.kind = Kind::kPing}).at("ok"), true);
  EXPECT_EQ(ask({.kind = Kind::kTunnels}).at("tunnels").at(0).at("name"), "laptop-17");
  EXPECT_EQ(ask({.kind = Kind::kTenants}).at("tenants").size(), 2u);
  EXPECT_TRUE(ask({.kind = Kind::kNat}).contains("nat"));
  EXPECT_TRUE(ask({.kind = Kind::kStats}).contains("stats"));
  EXPECT_TRUE(ask({.kind = Kind::kDrops}).contains("drops"));
}

TEST_F(ControlServerTest, FlowsComeAsTheRegionItself) {
  serve();
  const auto id = source_.add_flow("100.64.0.2:40000", "192.0.2.1:443");

  const auto reply = ask_gateway(path_, {.kind = Kind::kFlows}, kPatience);

  ASSERT_TRUE(reply) << reply.error().message;
  ASSERT_EQ(reply->flow_regions.size(), 1u);
  const Fd& region = reply->flow_regions.front();
  struct stat status{};
  ASSERT_EQ(::fstat(region.get(), &status), 0);
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* memory = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, region.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  const auto snapshot = flows::FlowSnapshot::open({static_cast<const std::byte*>(memory), bytes});
  ASSERT_TRUE(snapshot) << snapshot.error();
  EXPECT_EQ(snapshot->find(id)->key.destination.to_string(), "192.0.2.1:443");
  source_.add_flow("100.64.0.2:40001", "192.0.2.1:443");
  EXPECT_EQ(snapshot->live_count(), 2u) << "it is the same memory";
  ::munmap(memory, bytes);
}

TEST_F(ControlServerTest, EachWorkersRegionComesToWhoTakesThem) {
  source_.regions = 3;
  serve();
  const auto all = ask_gateway(path_, flows_request(), kPatience);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->flow_regions.size(), 3u);

  const auto one = ask_gateway(path_, {.kind = Kind::kFlows}, kPatience);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_TRUE(one->flow_regions.empty()) << "a part is not the whole";
  EXPECT_EQ(json::parse(one->line).at("error"),
            "this gateway has 3 workers with a flow table each, and you take 1; use the flowctl of "
            "the gateway's version, or say 'regions'");
}

TEST_F(ControlServerTest, ClientCannotMapTheRegionWritable) {
  serve();
  const auto reply = ask_gateway(path_, {.kind = Kind::kFlows}, kPatience);
  ASSERT_TRUE(reply) << reply.error().message;

  ASSERT_EQ(reply->flow_regions.size(), 1u);
  const Fd& region = reply->flow_regions.front();
  EXPECT_EQ(::fcntl(region.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, region.get(), 0), MAP_FAILED);
}

TEST_F(ControlServerTest, KillEndsTheFlowOrSaysThatThereIsNone) {
  serve();
  const auto id = source_.add_flow("100.64.0.2:40000", "192.0.2.1:443");

  EXPECT_EQ(ask({.kind = Kind::kKill, .flow_id = id}).at("ok"), true);
  EXPECT_EQ(source_.table.size(), 0u);
  EXPECT_EQ(ask({.kind = Kind::kKill, .flow_id = id}),
            json::parse(R"({"ok":false,"code":"not_found","error":"no flow has the id )" +
                        std::to_string(id) + R"("})"));
}

TEST_F(ControlServerTest, BadRequestGetsOneExactError) {
  serve();
  const Fd socket = connected();
  send_text(socket, "{'request':'flows'}\n");
  EXPECT_EQ(read_to_end(socket),
            "{\"ok\":false,\"code\":\"bad_request\",\"error\":\"request: not JSON at byte 2\"}\n");
}

TEST_F(ControlServerTest, RequestMayComeInPieces) {
  serve();
  const Fd socket = connected();
  for (const char c : std::string_view("{\"request\":\"ping\"}\n")) {
    send_text(socket, {&c, 1});
  }
  EXPECT_EQ(json::parse(*read_to_end(socket)).at("ok"), true);
}

TEST_F(ControlServerTest, EndOfTheStreamEndsARequestToo) {
  serve();
  const Fd socket = connected();
  send_text(socket, "{\"request\":\"ping\"}");
  ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
  EXPECT_EQ(json::parse(*read_to_end(socket)).at("ok"), true);
}

TEST_F(ControlServerTest, RequestWithoutAnEndIsCutOff) {
  serve();
  const Fd socket = connected();
  send_text(socket, std::string(kMaxRequestBytes + 1, ' '));
  EXPECT_EQ(json::parse(*read_to_end(socket)).at("error"), "request: longer than 4096 bytes");
}

TEST_F(ControlServerTest, SilentClientIsClosedInTime) {
  auto impatient = options();
  impatient.request_patience = 50ms;
  serve(impatient);
  const Fd silent = connected();
  const Fd halfway = connected();
  send_text(halfway, "{\"request\":");
  EXPECT_EQ(read_to_end(silent), "");
  EXPECT_EQ(read_to_end(halfway), "");
}

TEST_F(ControlServerTest, ClientThatDoesNotReadIsClosedInTime) {
  source_.state.rules.assign(4'000, std::string(100, 'x'));  // more than a socket's buffer holds
  auto impatient = options();
  impatient.reply_patience = 50ms;
  serve(impatient);
  const Fd socket = connected();
  send_text(socket, "{\"request\":\"flows\"}\n");
  pollfd gone{.fd = socket.get(), .events = POLLRDHUP, .revents = 0};
  EXPECT_EQ(::poll(&gone, 1, 10'000), 1);
}

TEST_F(ControlServerTest, LongReplyArrivesWhole) {
  source_.state.rules.assign(4'000, std::string(100, 'x'));
  serve();
  EXPECT_EQ(ask({.kind = Kind::kFlows}).at("rules").size(), 4'000u);
}

TEST_F(ControlServerTest, SilentClientsDoNotKeepOthersWaiting) {
  serve();
  std::vector<Fd> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(connected());
    send_text(silent.back(), "{");
  }
  EXPECT_EQ(ask({.kind = Kind::kPing}).at("ok"), true);
}

TEST_F(ControlServerTest, ManyClientsAtOnceAllGetTheirAnswer) {
  serve();
  std::vector<std::thread> clients;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        answered += ask({.kind = Kind::kTunnels}).value("ok", false) ? 1 : 0;
      }
    });
  }
  for (auto& client : clients) {
    client.join();
  }
  EXPECT_EQ(answered, 160);
}

TEST_F(ControlServerTest, OneClientTooManyIsToldSo) {
  serve();
  std::vector<Fd> silent;
  for (std::size_t i = 0; i < ControlServer::kMostSessions; ++i) {
    silent.push_back(connected());
  }
  EXPECT_EQ(ask({.kind = Kind::kPing}).at("code"), "busy");
  silent.pop_back();
  json reply;
  do {
    reply = ask({.kind = Kind::kPing});
  } while (reply.value("code", "") == "busy");  // until it has seen that one is gone
  EXPECT_EQ(reply.at("ok"), true);
}

TEST_F(ControlServerTest, ClientWaitsWhileThereAreNoDescriptors) {
  serve();
  EXPECT_EQ(ask({.kind = Kind::kPing}).at("ok"), true);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  const Fd socket = unconnected();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  connect_to_server(socket);
  send_text(socket, "{\"request\":\"ping\"}\n");
  EXPECT_FALSE(readable(socket, 20ms)) << "it was accepted without a descriptor";
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);

  EXPECT_EQ(json::parse(*read_to_end(socket)).at("ok"), true);
}

TEST_F(ControlServerTest, OtherUidsAreNotHeard) {
  const uid_t before = ::geteuid();
  const uid_t client = before == 0 ? 65534 : before;
  auto of_somebody_else = options();
  of_somebody_else.owner = client + 1;
  serve(of_somebody_else);
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0777), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  const uid_t unchanged = static_cast<uid_t>(-1);
  // Root is always heard, so root becomes somebody else. The bare call changes this thread only;
  // the server stays what it is.
  ASSERT_EQ(::syscall(SYS_setresuid, unchanged, client, unchanged), 0);
  const Fd socket = connected();
  ASSERT_EQ(::syscall(SYS_setresuid, unchanged, before, unchanged), 0);

  EXPECT_EQ(json::parse(*read_to_end(socket)).at("error"),
            "uid " + std::to_string(client) + " may not control this gateway, only uid " +
                std::to_string(client + 1) + " and root");
}

TEST_F(ControlServerTest, SocketFileIsPrivateAndGoesWithTheServer) {
  serve();
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const Fd open_session = connected();
  stop();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(read_to_end(open_session), "");
}

TEST_F(ControlServerTest, SocketFileGoesThoughTheLoopDoesNotRun) {
  auto server = ControlServer::create(loop_, options(), source_);
  ASSERT_TRUE(server) << server.error().message();
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ControlServerTest, SecondServerNamesTheCure) {
  serve();
  const auto second = ControlServer::create(loop_, options(), source_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message(),
            "another liftgate answers at " + path_ +
                ". Stop it, or choose another path with control.path or $LIFTGATE_SOCKET.");
}

TEST(ControlClient, KnowsWhenThereIsNoDaemon) {
  const auto reply = ask_gateway("/no/such/control.sock", {.kind = Kind::kPing});
  ASSERT_FALSE(reply);
  EXPECT_TRUE(reply.error().no_daemon);
  EXPECT_EQ(reply.error().message, "connect /no/such/control.sock: No such file or directory");
}

TEST(ControlClient, DoesNotWaitForever) {
  const test_support::TempDirectory directory;
  auto mute = Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = directory.file("mute.sock");
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(mute.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(mute.get(), 1), 0);

  const auto reply = ask_gateway(path, {.kind = Kind::kPing}, 20ms);

  ASSERT_FALSE(reply);
  EXPECT_FALSE(reply.error().no_daemon);
  EXPECT_EQ(reply.error().message,
            "the gateway does not answer (process " + std::to_string(::getpid()) + " is busy)");
}

}  // namespace
}  // namespace gateway
