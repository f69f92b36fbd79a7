// TestGateway: a StatusSource without packets: a real flow table in a real memfd, and a status that
// the test writes.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/fd.h"
#include "base/time.h"
#include "flows/flow_table.h"
#include "gateway/inspect/status.h"

namespace test_support {

class TestGateway : public gateway::StatusSource {
 public:
  explicit TestGateway(std::uint32_t capacity = 1000, std::size_t shard = 0)
      : bytes_(flows::FlowTable::region_bytes(capacity)),
        region_(base::Fd::adopt(::memfd_create("flows", MFD_CLOEXEC))),
        memory_(mapped()),
        table(flows::FlowTable::create({static_cast<std::byte*>(memory_), bytes_}, capacity,
                                       {.low = 1, .high = 2}, flows::first_flow_id(shard))) {
    state.tenants.resize(2);
    state.tenants[0].id = 1;
    state.tenants[0].name = "acme";
    state.tenants[1].id = 2;
    state.tenants[1].name = "umbrella";
    state.tunnels.resize(1);
    state.tunnels[0].id = 4;
    state.tunnels[0].tenant = "acme";
    state.tunnels[0].name = "laptop-17";
    state.tunnels[0].onramp = "seqpacket";
    state.rules = {"web"};
  }
  ~TestGateway() override { ::munmap(memory_, bytes_); }
  TestGateway(const TestGateway&) = delete;
  TestGateway& operator=(const TestGateway&) = delete;

  gateway::GatewayStatus status() override { return state; }
  gateway::GatewayHealth health() override { return condition; }
  std::vector<const base::Fd*> flow_regions() const override {
    return std::vector<const base::Fd*>(regions, &region_);
  }
  [[nodiscard]] const base::Fd& flow_region() const { return region_; }
  base::Result<bool, std::string> kill_flow(std::uint64_t id) override {
    std::optional<flows::FlowIndex> found;
    table.for_each([&](flows::FlowIndex index) {
      if (table[index].id == id) {
        found = index;
      }
    });
    if (found) {
      table.erase(*found);
    }
    return found.has_value();
  }

  base::Result<gateway::Explanation, std::string> explain(
      const gateway::ExplainQuery& query) override {
    asked = query;
    if (explanation.says.empty()) {
      return base::Unexpected{std::string("no tenant has the name 'x'")};
    }
    return explanation;
  }

  base::Result<gateway::HookReport, std::string> hooks_of(std::uint64_t flow) override {
    if (hooks.flow != flow) {
      return base::Unexpected{std::string("no hooks of flow 1 are known")};
    }
    return hooks;
  }

  std::string config() override { return "workers: auto\n"; }

  gateway::ReloadReport reload(const std::string& path) override {
    asked_config = path;
    return reloaded;
  }

  /// A TCP flow of tenant 1, tunnel 4 and rule 0; `fill` may change all but its key. Its id.
  template <class Fill>
  std::uint64_t add_flow(const std::string& source, const std::string& destination, Fill fill) {
    const flows::FlowKey key{.source = *base::Endpoint::parse(source),
                             .destination = *base::Endpoint::parse(destination),
                             .tenant = 1,
                             .protocol = flows::Protocol::kTcp};
    return add_flow(key, fill);
  }
  template <class Fill>
  std::uint64_t add_flow(const flows::FlowKey& key, Fill fill) {
    const auto index = table.insert(key, base::Clock::now(), [&](flows::Flow& flow) {
      flow.tunnel = 4;
      flow.rule = 0;
      fill(flow);
    });
    CHECK(index.has_value());
    return table[*index].id;
  }
  std::uint64_t add_flow(const std::string& source, const std::string& destination) {
    return add_flow(source, destination, [](flows::Flow&) {});
  }

 private:
  void* mapped() {
    CHECK(region_.is_open() && ::ftruncate(region_.get(), static_cast<off_t>(bytes_)) == 0);
    void* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, region_.get(), 0);
    CHECK(memory != MAP_FAILED);
    return memory;
  }

  std::size_t bytes_;
  base::Fd region_;
  void* memory_;

 public:
  flows::FlowTable table;
  std::size_t regions = 1;  // that it says it has; all are the one
  gateway::GatewayStatus state;
  gateway::GatewayHealth condition;
  gateway::ExplainQuery asked;       // last, by explain()
  std::string asked_config;          // last, by reload()
  gateway::ReloadReport reloaded;    // its answer
  gateway::HookReport hooks;         // of the flow that it names
  gateway::Explanation explanation;  // its answer; says nothing: it refuses
};

}  // namespace test_support
