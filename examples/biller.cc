// biller: what each tenant has sent and received, as a CSV file that is written when the gateway
// stops.
//
//     app: {path: bill.csv}
#include <cstdint>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "gateway/hooks/app.h"

namespace {

using namespace gateway::hooks;  // NOLINT(google-build-using-namespace): an app is written in it

struct Settings {
  std::string path = "bill.csv";

  void describe(SettingVisitor& v) {
    v.value("path", path, "Where the bill goes when the gateway stops.");
    v.rule_out(path.empty(), "path", "a bill needs a file");
  }
  friend bool operator==(const Settings&, const Settings&) = default;
};

// Of the process: every shard adds to it, on its own thread.
class Bill final : public ProcessHooks, public Start, public Stop {
 public:
  explicit Bill(const Settings& settings) : path_(settings.path) {}

  Refusal start(const GatewayStart& /*start*/) override {
    return write() ? std::nullopt : Refusal("the bill cannot be written: " + path_);
  }
  void stop() override {
    if (!write()) {
      log("bill not written path=" + path_);
    }
  }

  void add(const FlowEnded& ended) {
    const std::scoped_lock lock(mutex_);
    Account& account = accounts_[std::string(ended.flow.tenant)];
    ++account.flows;
    account.up_bytes += ended.up.bytes;
    account.down_bytes += ended.down.bytes;
  }

 private:
  struct Account {
    std::uint64_t flows = 0;
    std::uint64_t up_bytes = 0;
    std::uint64_t down_bytes = 0;
  };

  bool write() {
    const std::scoped_lock lock(mutex_);
    std::ofstream file(path_);
    file << "tenant,flows,up_bytes,down_bytes\n";
    for (const auto& [tenant, account] : accounts_) {
      file << tenant << ',' << account.flows << ',' << account.up_bytes << ',' << account.down_bytes
           << '\n';
    }
    file.close();
    return file.good();
  }

  std::string path_;
  std::mutex mutex_;
  std::map<std::string, Account> accounts_;
};

class Meter final : public ShardHooks, public FlowEnd {
 public:
  Meter(const Settings& /*settings*/, Bill& bill) : bill_(bill) {}
  void flow_end(const FlowEnded& ended) override { bill_.add(ended); }

 private:
  Bill& bill_;
};

}  // namespace

int main(int argc, char** argv) {
  return bootstrap<Settings, Meter, Bill>({.name = "biller", .version = "1"}, argc, argv);
}
