#include "gateway/doctor_confinement.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using testing::HasSubstr;
using Mark = Finding::Mark;

TEST(DoctorConfinement, WhatIsMissingIsSaidWithItsCure) {
  netns::InForce in_force{.no_new_privileges = true, .landlock = 7, .filter = true, .missing = {}};
  EXPECT_EQ(judge_confinement(in_force).mark, Mark::kOk);
  EXPECT_THAT(judge_confinement(in_force).what, HasSubstr("Landlock 7"));

  in_force.landlock = 0;
  in_force.missing = {{{}, "making Landlock rules", "A newer kernel"}};
  const Finding without = judge_confinement(in_force);
  EXPECT_EQ(without.mark, Mark::kWarn);
  EXPECT_EQ(without.what,
            "a gateway confines itself: no new privileges, system call filter; not in force: "
            "making Landlock rules");
  EXPECT_EQ(without.cure, "A newer kernel.");
}

TEST(DoctorConfinement, ThisMachineIsExamined) {
  const Finding finding = examine_confinement();
  EXPECT_EQ(finding.check, "confinement");
  EXPECT_THAT(finding.what, HasSubstr("no new privileges")) << finding.cure;
}

ProcessStatus status(const std::string& seccomp, const std::string& capabilities) {
  std::istringstream text("Name:\tliftgate\nUmask:\t0022\nPid:\t17\nPPid:\t1\nCapEff:\t" +
                          capabilities + "\nNoNewPrivs:\t1\nSeccomp:\t" + seccomp +
                          "\nSeccomp_filters:\t1\n");
  return read_process_status(text).value();
}

TEST(DoctorConfinement, RunningGatewayIsJudgedByWhatTheKernelSays) {
  const ProcessStatus good = status("2", "0000000000000000");
  EXPECT_EQ(judge_running_gateway({good}).what, "liftgate 17: confined");
  EXPECT_EQ(judge_running_gateway({good}).mark, Mark::kOk);
  for (const auto& bad : {status("0", "0000000000000000"), status("2", "0000000000200000")}) {
    EXPECT_EQ(judge_running_gateway({good, bad}).mark, Mark::kWarn);
  }
  EXPECT_EQ(judge_running_gateway({status("0", "0000000000000000")}).what,
            "liftgate 17: not confined (no_new_privs yes, filter no, capabilities no)");
}

TEST(DoctorConfinement, HalfAStatusIsNone) {
  std::istringstream text("Name:\tliftgate\nPid:\t17\n");
  EXPECT_FALSE(read_process_status(text));
}

constexpr const char* kLine =
    "5,812,1794,-;audit: type=1326 audit(1795259.4:3): auid=4294967295 uid=65534 gid=65534 ses=1 "
    "pid=77 comm=\"liftgate\" exe=\"/usr/bin/liftgate\" sig=31 arch=c000003e syscall=101 compat=0 "
    "ip=0x7f code=0x80000000\n";

TEST(DoctorConfinement, KernelsLogSaysWhichCallWasOnNoList) {
  const auto killed = parse_audit_line(kLine);
  ASSERT_TRUE(killed);
  EXPECT_EQ(*killed, (ForbiddenCall{"liftgate", "/usr/bin/liftgate", 101, true}));
  std::string logged = kLine;
  logged.replace(logged.find("sig=31"), 6, "sig=0");
  EXPECT_FALSE(parse_audit_line(logged)->killed);
}

TEST(DoctorConfinement, OtherLinesAndPartsOfOneAreNone) {
  EXPECT_FALSE(parse_audit_line("6,1,2,-;eth0: link up"));
  EXPECT_FALSE(parse_audit_line("5,8,1,-;audit: type=1326 comm=\"liftgate\" syscall=x"));
  const std::string line = kLine;
  for (std::size_t size = 0; size < line.find("syscall="); ++size) {
    EXPECT_FALSE(parse_audit_line(line.substr(0, size))) << size;
  }
}

TEST(DoctorConfinement, EveryRoleIsInTheListWithReasons) {
  std::ostringstream out;
  (void)audit_syscalls(out);
  for (const netns::Role role : netns::kAllRoles) {
    EXPECT_THAT("\n" + out.str(), HasSubstr("\n" + std::string(netns::name(role)) + ":\n"));
  }
}

}  // namespace
}  // namespace gateway
