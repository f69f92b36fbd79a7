#include "gateway/confine/confine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/upgrade/sandbox_link.h"
#include "netns/process.h"
#include "tests/support/sandbox_support.h"
#include "tests/support/temp_directory.h"

namespace gateway {
namespace {

using netns::Access;
using netns::FileRule;

const FileRule* rule_for(const std::vector<FileRule>& rules, const std::string& path) {
  const auto found = std::ranges::find(rules, path, &FileRule::path);
  return found == rules.end() ? nullptr : &*found;
}

class ConfineGateway : public testing::Test {
 protected:
  Settings settings() const {
    Settings settings = default_settings();
    settings.control_path = directory_.file("control/c.sock");
    settings.onramps[0].seqpacket->path = directory_.file("onramp/o.sock");
    settings.audit_path = directory_.file("audit/flows.jsonl");
    return settings;
  }
  ConfineGateway() {
    for (const char* name : {"control", "onramp", "audit", "config"}) {
      std::filesystem::create_directory(directory_.file(name));
    }
  }

  test_support::TempDirectory directory_;
};

TEST_F(ConfineGateway, DirectoriesOfWhatItOpensAgainAreItsOwn) {
  const auto rules = files_of_gateway(settings(), directory_.file("config/c.yaml"));
  for (const char* sockets : {"control", "onramp"}) {
    const FileRule* rule = rule_for(rules, directory_.file(sockets));
    ASSERT_NE(rule, nullptr) << sockets;
    EXPECT_EQ(rule->access, Access::kRead | Access::kRemove);
  }
  const FileRule* audit = rule_for(rules, directory_.file("audit"));
  ASSERT_NE(audit, nullptr);
  EXPECT_EQ(audit->access, Access::kRead | Access::kWrite | Access::kCreate);
  const FileRule* config = rule_for(rules, directory_.file("config"));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->access, Access::kRead);
  EXPECT_EQ(rule_for(rules, directory_.path()), nullptr);
  EXPECT_EQ(rule_for(rules, "/"), nullptr);
}

// The directory of a pipe holds what else is nobody's business.
TEST_F(ConfineGateway, AuditLogThatIsNoFileBringsNoDirectory) {
  Settings piped = settings();
  piped.audit_path = directory_.file("audit/pipe");
  ASSERT_EQ(::mkfifo(piped.audit_path.c_str(), 0600), 0);
  const auto rules = files_of_gateway(piped, {});
  EXPECT_NE(rule_for(rules, piped.audit_path), nullptr);
  EXPECT_EQ(rule_for(rules, directory_.file("audit")), nullptr);
}

TEST_F(ConfineGateway, LinksLeadToWhereTheFileIs) {
  Settings linked = settings();
  std::ofstream(linked.audit_path) << "";
  std::filesystem::create_symlink(linked.audit_path, directory_.file("config/link"));
  linked.audit_path = directory_.file("config/link");
  const auto rules = files_of_gateway(linked, {});
  EXPECT_NE(rule_for(rules, directory_.file("audit")), nullptr);
  EXPECT_EQ(rule_for(rules, directory_.file("config")), nullptr);
}

// The helper that a confined gateway starts in place of a dead one, with all that it sets up, in a
// process of its own: confinement is for ever.
TEST_F(ConfineGateway, StillStartsASandbox) {
  if (!test_support::why_no_sandbox().empty()) {
    ASSERT_EQ(::getenv("LIFTGATE_REQUIRE_SANDBOX"), nullptr) << test_support::why_no_sandbox();
    GTEST_SKIP() << test_support::why_no_sandbox();
  }
  for (const auto role : {netns::Role::kGateway, netns::Role::kRun}) {
    int pidfd = -1;
    const pid_t pid = netns::clone_process(0, &pidfd);
    if (pid == 0) {
      const auto in_force =
          netns::confine({.role = role, .files = files_of_gateway(settings(), {})});
      auto sandbox = SandboxLink::make(IoSettings{}, Confine::kAuto);
      if (!sandbox) {
        ::write(STDERR_FILENO, sandbox.error().message().c_str(), sandbox.error().message().size());
        ::_exit(2);
      }
      const bool works = sandbox->open_sockets(AF_INET, SOCK_STREAM, 0, 3).has_value() &&
                         sandbox->notes().empty() && in_force.no_new_privileges;
      ::_exit(works ? 0 : 3);
    }
    EXPECT_EQ(*netns::wait_for_exit(base::Fd::adopt(pidfd)), 0) << netns::name(role);
  }
}

}  // namespace
}  // namespace gateway
