#include "gateway/doctor_checks.h"

#include <cerrno>
#include <limits>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

using Mark = Finding::Mark;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

TEST(Doctor, RefusedNamespacesFailWithACure) {
  EXPECT_EQ(judge_user_namespaces(0).mark, Mark::kOk);
  for (const int error : {EPERM, ENOSPC, EINVAL, EIO}) {
    const Finding refused = judge_user_namespaces(error);
    EXPECT_EQ(refused.mark, Mark::kFail);
    EXPECT_THAT(refused.cure, testing::Not(IsEmpty()));
  }
}

TEST(Doctor, AppArmorFailsOnlyWhereItBites) {
  const auto judge = [](bool restricts, int error) {
    return judge_apparmor(
        {.restricts = restricts, .namespace_error = error, .program = "/opt/liftgate"});
  };
  EXPECT_EQ(judge(false, EPERM).mark, Mark::kOk);
  EXPECT_EQ(judge(true, 0).mark, Mark::kOk);
  const Finding bitten = judge(true, EPERM);
  EXPECT_EQ(bitten.mark, Mark::kFail);
  EXPECT_THAT(bitten.cure, HasSubstr("apparmor_parser -r /etc/apparmor.d/liftgate\n"));
  EXPECT_THAT(bitten.cure, HasSubstr("/opt/liftgate flags=(unconfined) {\n  userns,\n}"));
}

TEST(Doctor, SandboxMustStartAndShouldOffload) {
  EXPECT_EQ(judge_sandbox(true).mark, Mark::kOk);
  EXPECT_EQ(judge_sandbox(false).mark, Mark::kWarn);
  const Finding refused = judge_sandbox(
      base::Unexpected{base::Error{std::make_error_code(std::errc::operation_not_permitted),
                                   "TUNSETIFF tun0", "Do something."}});
  EXPECT_EQ(refused.mark, Mark::kFail);
  EXPECT_EQ(refused.what, "a sandbox does not start: TUNSETIFF tun0: Operation not permitted");
  EXPECT_EQ(refused.cure, "Do something.");
}

TEST(Doctor, EachWayThatTheTunDeviceCanBeMissingHasItsCure) {
  const auto judge = [](int stat_error, bool device, int open_error) {
    return judge_tun_device({.stat_error = stat_error,
                             .is_character_device = device,
                             .mode = 0600,
                             .open_error = open_error});
  };
  EXPECT_EQ(judge(0, true, 0).mark, Mark::kOk);
  for (const auto& [finding, cure] :
       {std::pair{judge(ENOENT, false, 0), "modprobe tun"}, std::pair{judge(0, false, 0), "mknod"},
        std::pair{judge(0, true, EACCES), "chmod 0666"},
        std::pair{judge(0, true, EPERM), "--device /dev/net/tun"},
        std::pair{judge(0, true, ENODEV), "modprobe tun"}}) {
    EXPECT_EQ(finding.mark, Mark::kFail) << finding.what;
    EXPECT_THAT(finding.cure, HasSubstr(cure));
  }
}

TEST(Doctor, RefusedPingIsAWarningWithTheSysctl) {
  EXPECT_EQ(judge_ping({.socket_error = 0, .range = "1 0"}).mark, Mark::kOk)
      << "what works, works, whatever the sysctl says";
  const Finding refused = judge_ping({.socket_error = EACCES, .range = "1 0"});
  EXPECT_EQ(refused.mark, Mark::kWarn);
  EXPECT_THAT(refused.what, HasSubstr("ping_group_range is \"1 0\""));
  EXPECT_THAT(refused.cure, HasSubstr("ping_group_range=\"0 2147483647\""));
}

TEST(Doctor, RefusedIoUringNamesWhoRefusesIt) {
  EXPECT_EQ(judge_io_uring({.setup_error = 0, .disabled = "1"}).mark, Mark::kOk);
  EXPECT_THAT(judge_io_uring({.setup_error = EPERM, .disabled = "2"}).cure,
              HasSubstr("io_uring_disabled=0 (it is 2)"));
  EXPECT_THAT(judge_io_uring({.setup_error = EPERM, .disabled = "0"}).cure, HasSubstr("seccomp"));
  EXPECT_EQ(judge_io_uring({.setup_error = ENOSYS, .disabled = ""}).mark, Mark::kWarn);
}

TEST(Doctor, SaysHowManyConnectionsTheDescriptorsAllow) {
  const Finding many = judge_descriptors(20'064, 20'064);
  EXPECT_EQ(many.mark, Mark::kOk);
  EXPECT_THAT(many.what, HasSubstr("room for 10000 connections"));
  const Finding raisable = judge_descriptors(1024, 4096);
  EXPECT_EQ(raisable.mark, Mark::kWarn);
  EXPECT_THAT(raisable.cure, HasSubstr("ulimit -n 4096"));
  EXPECT_THAT(judge_descriptors(256, 256).cure, HasSubstr("LimitNOFILE"));
  EXPECT_THAT(judge_descriptors(10, 10).what, HasSubstr("room for 0 connections"));
  EXPECT_THAT(judge_descriptors(kUnlimited, kUnlimited).what, HasSubstr("unlimited open files"));
}

TEST(Doctor, SmallSendBufferIsAWarning) {
  EXPECT_EQ(judge_send_buffer(4U << 20U).mark, Mark::kOk);
  EXPECT_THAT(judge_send_buffer(212'992).cure, HasSubstr("wmem_max=4194304"));
  EXPECT_EQ(judge_send_buffer(std::nullopt).mark, Mark::kWarn);
}

TEST(Doctor, MissingIpv6IsAWarning) {
  EXPECT_EQ(judge_ipv6({.socket_error = 0, .disabled = false}).mark, Mark::kOk);
  EXPECT_EQ(judge_ipv6({.socket_error = EAFNOSUPPORT, .disabled = false}).mark, Mark::kWarn);
  EXPECT_THAT(judge_ipv6({.socket_error = 0, .disabled = true}).cure, HasSubstr("disable_ipv6=0"));
}

TEST(Doctor, MarksThatStayInsideAreSaidAndNoLack) {
  EXPECT_THAT(judge_socket_marks(true).what, HasSubstr("reaches sockets"));
  const Finding inside = judge_socket_marks(false);
  EXPECT_EQ(inside.mark, Mark::kOk);
  EXPECT_THAT(inside.what, HasSubstr("CAP_NET_RAW"));
}

TEST(Doctor, RootIsWarned) {
  EXPECT_EQ(judge_user(0).mark, Mark::kWarn);
  EXPECT_EQ(judge_user(1000).mark, Mark::kOk);
}

TEST(Doctor, PrintsAMarkALineAndTheCureBelow) {
  EXPECT_EQ(print_findings({{Mark::kOk, "one", "works", ""}, {Mark::kFail, "two", "lacks", "a\nb"}},
                           DoctorFormat::kText),
            "ok    one              works\n"
            "fail  two              lacks\n"
            "                 cure: a\n"
            "                       b\n");
}

TEST(Doctor, JsonSaysTheSame) {
  const auto parsed = nlohmann::json::parse(
      print_findings({{Mark::kWarn, "one", "lacks", "cure"}}, DoctorFormat::kJson));
  EXPECT_EQ(parsed.at("ok"), true);
  EXPECT_EQ(parsed.at("checks").at(0).at("mark"), "warn");
  EXPECT_EQ(parsed.at("checks").at(0).at("cure"), "cure");
}

TEST(Doctor, ExaminesThisMachine) {
  std::ostringstream out;
  const int status = doctor(out, DoctorFormat::kJson);
  const auto parsed = nlohmann::json::parse(out.str());
  EXPECT_EQ(status, parsed.at("ok").get<bool>() ? 0 : 1);
  for (const auto& check : parsed.at("checks")) {
    EXPECT_FALSE(check.at("what").get<std::string>().empty());
    EXPECT_EQ(check.at("cure").get<std::string>().empty(), check.at("mark") == "ok") << check;
  }
}

}  // namespace
}  // namespace gateway
