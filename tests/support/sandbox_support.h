// What tests need that start sandboxes: starting one or saying why not, waiting with a bound,
// counting what may leak.
#pragma once

#include <dirent.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/check.h"
#include "base/fd.h"
#include "netns/sandbox.h"
#include "tests/support/addresses.h"

namespace test_support {

inline constexpr std::chrono::seconds kPatience{10};  // for what must happen

/// Whether this machine forbids even the plainest sandbox; why, or nothing.
/// LIFTGATE_REQUIRE_SANDBOX turns that into a failure: then these tests cannot silently become no
/// tests.
inline const std::string& why_no_sandbox() {
  static const std::string kReason = [] {
    const auto sandbox = netns::Sandbox::start({});
    return sandbox ? std::string() : sandbox.error().message();
  }();
  return kReason;
}

#define START_SANDBOX_OR_SKIP(name, config)                                                     \
  if (!test_support::why_no_sandbox().empty()) {                                                \
    ASSERT_EQ(::getenv("LIFTGATE_REQUIRE_SANDBOX"), nullptr) << test_support::why_no_sandbox(); \
    GTEST_SKIP() << test_support::why_no_sandbox();                                             \
  }                                                                                             \
  auto name##_started = netns::Sandbox::start(config);                                          \
  ASSERT_TRUE(name##_started) << name##_started.error().message();                              \
  netns::Sandbox name = std::move(name##_started).value()

/// A TUN with one address of each family.
inline netns::SandboxConfig plain_sandbox() {
  netns::SandboxConfig config;
  config.tun.addresses = {{address("198.18.0.1"), 15}, {address("fd00::1"), 64}};
  return config;
}

inline bool readable_within(std::chrono::milliseconds limit, const base::Fd& fd) {
  pollfd wait{.fd = fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, static_cast<int>(limit.count())) == 1;
}

/// The next message or bytes of `fd`; nothing if none came in time. Empty at the end of a stream.
inline std::optional<std::string> read_within(std::chrono::milliseconds limit, const base::Fd& fd) {
  if (!readable_within(limit, fd)) {
    return std::nullopt;
  }
  std::string bytes(64 * 1024, '\0');
  const ssize_t size = ::read(fd.get(), bytes.data(), bytes.size());
  bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return bytes;
}

/// Everything up to the end of the stream.
inline std::string read_all(const base::Fd& fd) {
  std::string all;
  for (;;) {
    const auto part = read_within(kPatience, fd);
    if (!part || part->empty()) {
      EXPECT_TRUE(part) << "no end after: " << all;
      return all;
    }
    all += *part;
  }
}

/// How many descriptors this process has open.
inline std::size_t open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
  CHECK(folder != nullptr);
  std::size_t count = 0;
  while (::readdir(folder.get()) != nullptr) {
    ++count;
  }
  return count;
}

/// Whether a child of this process is alive or waits to be reaped.
inline bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// A line of /proc/PID/status: status_of(pid, "CapEff") is "0000000000000000".
inline std::string status_of(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string key, value; status >> key && std::getline(status >> std::ws, value);) {
    if (key == name + ":") {
      return value;
    }
  }
  return {};
}

}  // namespace test_support
