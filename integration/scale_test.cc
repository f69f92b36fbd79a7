// Ten thousand connections at once, and ten thousand one after the other: everything comes back.

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "integration/support/client_network.h"
#include "integration/support/descriptors.h"
#include "integration/support/gateway_process.h"
#include "integration/support/servers.h"

namespace integration {
namespace {

constexpr std::size_t kWanted = 10'000;

// One of the Rss lines of /proc/PID/status. RssShmem is the flow table, of which a connection
// touches a record and, wherever the hash says, a bucket: up to 8 MiB of those for 1 M flows.
std::size_t memory_of(pid_t pid, const std::string& kind) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    if (word == kind + ":") {
      std::size_t kilobytes = 0;
      status >> kilobytes;
      return kilobytes * 1024;
    }
  }
  throw std::runtime_error("no " + kind + " in /proc/PID/status");
}
std::size_t all_memory_of(pid_t pid) {
  return memory_of(pid, "RssAnon") + memory_of(pid, "RssShmem");
}

class Scale : public testing::Test {
 protected:
  // A connection costs the gateway two descriptors, and so it does this process, client and server.
  // Where the hard limit is not enough for all of them, it is as many as it allows.
  static std::size_t connections() {
    rlimit limit{};
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    constexpr rlim_t kOthers = 200;  // of ours and of the gateway
    return std::min<std::size_t>(kWanted, (limit.rlim_max - kOthers) / 2);
  }

  struct Use {
    std::size_t descriptors = 0;
    std::size_t bindings = 0;
    std::size_t flows = 0;
    friend bool operator==(const Use&, const Use&) = default;
  };
  Use use() {
    return {descriptors_of(gateway_.pid()).others, gateway_.flowctl({"nat"}).at("claimed"),
            gateway_.flowctl({"stats"}).at("flows")};
  }

  // A first connection, after which what is made once (a pipe, scratch memory) has been made.
  void warm_up() {
    const TcpServer server = TcpServer::echo();
    {
      TcpConnection connection = client_.connect(server.endpoint());
      connection.send("x");
      EXPECT_EQ(connection.receive(1), "x");
      connection.finish_sending();
      EXPECT_EQ(connection.wait_for_end(), End::kFin);
    }
    ASSERT_TRUE(eventually([&] { return use().flows == 0; }));
  }

  GatewayProcess gateway_{{.flows = kQuickTimeWait}};
  ClientNetwork client_{gateway_.onramp(), {.mtu = 1500, .offload = true}};
};

TEST_F(Scale, TenThousandIdleConnectionsCostLittleAndComeBack) {
  const TcpServer server = TcpServer::holding();
  const std::size_t count = connections();
  warm_up();
  const Use before = use();
  const std::size_t memory_before = all_memory_of(gateway_.pid());
  {
    std::vector<TcpConnection> idle;
    idle.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      idle.push_back(client_.connect(server.endpoint()));
    }
    server.wait_for_accepted(count);
    EXPECT_EQ(use().bindings, count);
    const std::size_t each = (all_memory_of(gateway_.pid()) - memory_before) / count;
    RecordProperty("connections", std::to_string(count));
    RecordProperty("bytes_per_idle_connection", std::to_string(each));
    EXPECT_LE(each, 8U * 1024U);
    for (TcpConnection& connection : idle) {
      connection.reset_on_close();
    }
  }
  EXPECT_TRUE(eventually([&] { return use() == before; }, 30s))
      << use().descriptors << " descriptors, " << use().bindings << " bindings, " << use().flows
      << " flows";
}

TEST_F(Scale, TenThousandShortConnectionsLeaveNothingBehind) {
  const TcpServer server = TcpServer::echo();
  const std::size_t count = connections();
  warm_up();
  const Use before = use();
  std::size_t memory_after_first = 0;
  for (std::size_t i = 0; i < count; ++i) {
    TcpConnection connection = client_.connect(server.endpoint());
    connection.send("x");
    ASSERT_EQ(connection.receive(1), "x");
    connection.reset_on_close();  // or the client's own ports would rest in TIME-WAIT
    if (i == count / 10) {
      memory_after_first = memory_of(gateway_.pid(), "RssAnon");
    }
  }
  EXPECT_TRUE(eventually([&] { return use() == before; }, 30s))
      << use().descriptors << " descriptors, " << use().bindings << " bindings, " << use().flows
      << " flows";
  // Nine thousand connections later: no more than noise.
  EXPECT_LE(memory_of(gateway_.pid(), "RssAnon"), memory_after_first + (2U << 20U));
  EXPECT_EQ(gateway_.wait_for_audit("flow_end", count + 1).size(), count + 1);
}

}  // namespace
}  // namespace integration
