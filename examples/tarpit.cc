// tarpit: whoever connects to a trap is held, for as long as it listens to a line now and then.
//
//     app: {traps: [192.0.2.66/32], pause: 10s}
//
// The app is the upstream itself: it gives the gateway one end of a socket pair, and a thread of
// its own writes to the other.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "gateway/hooks/app.h"

namespace {

using namespace gateway::hooks;  // NOLINT(google-build-using-namespace): an app is written in it

constexpr std::size_t kMostHeld = 10'000;

struct Settings {
  std::vector<base::IpPrefix> traps;
  std::chrono::nanoseconds pause = std::chrono::seconds(10);
  std::string line = "please wait";

  void describe(SettingVisitor& v) {
    v.list("traps", traps, "Where nobody has any business.");
    v.value("pause", pause, "Between two lines to who is held.");
    v.value("line", line, "");
    v.rule_out(pause < std::chrono::milliseconds(1), "pause", "shorter than 1ms");
  }
  friend bool operator==(const Settings&, const Settings&) = default;
};

// Of the process: everybody who is held, by any shard.
class Pit final : public ProcessHooks {
 public:
  explicit Pit(const Settings& settings)
      : pause_(settings.pause), line_(settings.line + "\n"), thread_([this] { drip(); }) {}
  ~Pit() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  /// The upstream for one more; closed when there is no room.
  base::Fd hold() {
    std::array<int, 2> ends{-1, -1};
    const std::scoped_lock lock(mutex_);
    if (held_.size() >= kMostHeld ||
        ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
      return {};
    }
    held_.push_back(base::Fd::adopt(ends[0]));
    return base::Fd::adopt(ends[1]);
  }

 private:
  void drip() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, pause_, [this] { return stopping_; })) {
      std::erase_if(held_, [&](const base::Fd& who) {
        return ::send(who.get(), line_.data(), line_.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
               errno != EAGAIN;
      });
    }
  }

  std::chrono::nanoseconds pause_;
  std::string line_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<base::Fd> held_;
  bool stopping_ = false;
  std::thread thread_;
};

struct Trapped {};  // what a flow to a trap carries

class Tarpit final : public ShardHooks, public FlowDecide, public EgressDecide {
 public:
  Tarpit(const Settings& settings, Pit& pit) : settings_(settings), pit_(pit) {}

  FlowRuling flow_decide(const FlowStart& start) override {
    const auto holds = [&](const base::IpPrefix& trap) {
      return trap.contains(start.flow.destination.address);
    };
    if (!std::ranges::any_of(settings_.traps, holds)) {
      return FlowRuling::no_opinion();
    }
    if (start.flow.protocol != flows::Protocol::kTcp) {
      return FlowRuling::drop();
    }
    start.flow.context.emplace<Trapped>();
    return FlowRuling::upgrade();
  }

  EgressRuling egress_decide(const EgressStart& start) override {
    if (start.flow.context.get<Trapped>() == nullptr) {
      return EgressRuling::connect();
    }
    base::Fd upstream = pit_.hold();
    return upstream.is_open() ? EgressRuling::use(std::move(upstream)) : EgressRuling::refuse();
  }

 private:
  Settings settings_;
  Pit& pit_;
};

}  // namespace

int main(int argc, char** argv) {
  return bootstrap<Settings, Tarpit, Pit>({.name = "tarpit", .version = "1"}, argc, argv);
}
