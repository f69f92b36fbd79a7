#include "netns/sandbox.h"

#include <errno.h>  // program_invocation_name
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "netns/capabilities.h"
#include "netns/diagnosis.h"
#include "netns/exec_report.h"
#include "netns/fd_passing.h"
#include "netns/helper.h"
#include "netns/sandbox_message.h"

namespace netns {
namespace {

using base::Error;
using base::Fd;
using base::SysResult;
using base::Unexpected;
using namespace std::chrono_literals;

constexpr auto kEndPatience = 2s;          // for the helper to see that we have closed
constexpr timeval kAnswerPatience{20, 0};  // for one answer: a loaded machine is slow, not dead
constexpr std::size_t kMaxListeners = kMaxFdsPerMessage - 1;

bool wants_mounts(const SandboxConfig& config) {
  return config.mount_namespace || !config.files.empty() || !config.hidden_directories.empty();
}

// The two ends as both processes need them: above the numbers that the child fills.
struct Ends {
  Fd ours;
  Fd helpers;
  Fd null;
};

SysResult<Ends> open_ends() {
  auto pair = seqpacket_pair();
  if (!pair) {
    return Unexpected{pair.error()};
  }
  auto helpers = lift_above(std::move(pair->second), kHelperControlFd + 1);
  if (!helpers) {
    return Unexpected{helpers.error()};
  }
  auto opened = Fd::adopt(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!opened.is_open()) {
    return Unexpected{base::last_error("opening /dev/null")};
  }
  auto null = lift_above(std::move(opened), kHelperControlFd + 1);
  if (!null) {
    return Unexpected{null.error()};
  }
  ::setsockopt(pair->first.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerPatience,
               sizeof(kAnswerPatience));
  ::setsockopt(pair->first.get(), SOL_SOCKET, SO_SNDTIMEO, &kAnswerPatience,
               sizeof(kAnswerPatience));
  return Ends{std::move(pair->first), std::move(*helpers), std::move(*null)};
}

// In the child. Standard error stays, so that a failed CHECK of the helper is not lost.
[[noreturn]] void become_helper(const Ends& ends, const ExecReport& report) noexcept {
  reset_signals();
  const bool placed = ::dup2(ends.null.get(), STDIN_FILENO) >= 0 &&
                      ::dup2(ends.null.get(), STDOUT_FILENO) >= 0 &&
                      ::dup2(ends.helpers.get(), kHelperControlFd) >= 0;
  if (!placed) {
    report.fail("placing the helper's descriptors", errno);
  }
  const auto kept = static_cast<unsigned>(report.child_fd());
  close_range_of(kHelperControlFd + 1, kept - 1);
  close_from(kept + 1);
  if (const int error = keep_capabilities_over_exec(); error != 0) {
    report.fail("keeping the sandbox's capabilities", error);
  }
  char name[sizeof(kHelperName)];
  std::ranges::copy(kHelperName, name);
  char* const arguments[] = {name, nullptr};
  ::execve("/proc/self/exe", arguments, environ);
  report.fail("executing /proc/self/exe as the sandbox's helper", errno);
}

SysResult<Process> start_helper(const Ends& ends, std::uint64_t namespaces) {
  auto report = ExecReport::open();
  if (!report) {
    return Unexpected{report.error()};
  }
  Process helper;
  int pidfd = -1;
  {
    const SignalBlock block;
    helper.pid = clone_process(namespaces, &pidfd);
    if (helper.pid == 0) {
      become_helper(ends, *report);
    }
  }
  if (helper.pid < 0) {
    auto error = base::last_error("cloning into a new user and network namespace");
    error.cure = user_namespace_cure(error.code.value());
    return Unexpected{std::move(error)};
  }
  helper.pidfd = Fd::adopt(pidfd);
  if (auto executed = report->wait(); !executed) {
    (void)wait_for_exit(helper.pidfd);
    return Unexpected{executed.error()};
  }
  return helper;
}

// A main() without helper_main() would start sandboxes from within sandboxes.
SysResult<void> check_that_we_are_no_helper() {
  if (std::string_view(program_invocation_name) != kHelperName) {
    return {};
  }
  return Unexpected{base::failure(
      "this program was started as a sandbox's helper, but its main() does not begin with "
      "netns::helper_main()")};
}

}  // namespace

SysResult<Sandbox> Sandbox::start(const SandboxConfig& config) {
  if (auto sane = check_that_we_are_no_helper(); !sane) {
    return Unexpected{sane.error()};
  }
  if (config.listeners.size() > kMaxListeners) {
    return Unexpected{
        base::failure("a sandbox has at most " + std::to_string(kMaxListeners) + " listeners")};
  }
  fill_standard_fds();
  auto ends = open_ends();
  if (!ends) {
    return Unexpected{ends.error()};
  }
  const std::uint64_t mounts = wants_mounts(config) ? CLONE_NEWNS : 0;
  auto helper = start_helper(*ends, CLONE_NEWUSER | CLONE_NEWNET | mounts);
  if (!helper) {
    return Unexpected{helper.error()};
  }
  ends->helpers.reset();
  Sandbox sandbox(std::move(*helper), std::move(ends->ours));
  if (auto done = sandbox.set_up(config); !done) {
    return Unexpected{done.error()};
  }
  return sandbox;
}

SysResult<void> Sandbox::set_up(const SandboxConfig& config) {
  const auto expect =
      [this]<class Kind>(const Kind&) -> SysResult<std::pair<Kind, std::vector<Fd>>> {
    auto message = receive_message(control_, kMaxSandboxMessageBytes);
    if (!message) {
      return Unexpected{message.error()};
    }
    if (!*message) {
      return Unexpected{why_it_went_silent()};
    }
    auto body = decode((*message)->bytes);
    if (body && std::holds_alternative<Failed>(*body)) {
      return Unexpected{to_error(std::get<Failed>(std::move(*body)))};
    }
    if (!body || !std::holds_alternative<Kind>(*body)) {
      return Unexpected{base::failure("the sandbox's helper sent something unexpected")};
    }
    return std::pair(std::get<Kind>(std::move(*body)), std::move((*message)->fds));
  };
  const auto setup = encode(Setup{current_ids(), config});
  if (setup.size() > kMaxSandboxMessageBytes) {
    return Unexpected{base::failure("the sandbox's configuration is too large")};
  }
  if (auto hello = expect(Hello{}); !hello) {
    return Unexpected{hello.error()};
  }
  if (auto sent = send_message(control_, setup); !sent) {
    return sent;
  }
  auto ready = expect(Ready{});
  if (!ready) {
    return Unexpected{ready.error()};
  }
  auto& [facts, fds] = *ready;
  if (fds.size() != 1 + config.listeners.size()) {
    return Unexpected{base::failure("the sandbox's helper sent too few descriptors")};
  }
  tun_ = std::move(fds.front());
  fds.erase(fds.begin());
  listeners_ = std::move(fds);
  tun_name_ = std::move(facts.tun_name);
  offload_ = facts.offload;
  notes_ = std::move(facts.notes);
  mount_namespace_ = wants_mounts(config);
  return {};
}

SysResult<std::vector<Fd>> Sandbox::open_sockets(int domain, int type, int protocol,
                                                 std::uint32_t count) {
  std::vector<Fd> sockets;
  sockets.reserve(count);
  while (sockets.size() < count) {
    const std::size_t left = count - sockets.size();
    const auto batch = static_cast<std::uint32_t>(std::min(left, kMaxFdsPerMessage));
    if (auto opened = open_batch(domain, type, protocol, batch, sockets); !opened) {
      return Unexpected{opened.error()};
    }
  }
  return sockets;
}

SysResult<void> Sandbox::open_batch(int domain, int type, int protocol, std::uint32_t count,
                                    std::vector<Fd>& into) {
  const std::uint32_t request = ++last_request_;
  const OpenSockets wanted{request, domain, type, protocol, count};
  if (auto sent = send_message(control_, encode(wanted)); !sent) {
    return sent;
  }
  for (;;) {
    auto message = receive_message(control_, kMaxSandboxMessageBytes);
    if (!message) {
      return Unexpected{message.error()};
    }
    if (!*message) {
      return Unexpected{why_it_went_silent()};
    }
    auto body = decode((*message)->bytes);
    if (body && std::holds_alternative<Failed>(*body) &&
        std::get<Failed>(*body).request == request) {
      return Unexpected{to_error(std::get<Failed>(std::move(*body)))};
    }
    if (body && std::holds_alternative<Sockets>(*body) &&
        std::get<Sockets>(*body).request == request) {
      std::ranges::move((*message)->fds, std::back_inserter(into));
      return (*message)->fds.size() == count
                 ? SysResult<void>()
                 : Unexpected{base::failure("the sandbox's helper sent too few sockets")};
    }
    // An answer to an earlier request, which we had given up.
  }
}

SysResult<void> Sandbox::order_sockets(int domain, int type, int protocol, std::uint32_t count) {
  return send_message(control_, encode(OpenSockets{++last_request_, domain, type, protocol, count}),
                      {}, Wait::kNo);
}

std::optional<SysResult<std::vector<Fd>>> Sandbox::take_delivery() {
  auto message = receive_message(control_, kMaxSandboxMessageBytes, Wait::kNo);
  if (!message && message.error().code.value() == EAGAIN) {
    return std::nullopt;
  }
  if (!message) {
    return Unexpected{message.error()};
  }
  if (!*message) {
    return Unexpected{
        Error{{EPIPE, std::generic_category()}, "asking the sandbox's helper for sockets", {}}};
  }
  auto body = decode((*message)->bytes);
  if (body && std::holds_alternative<Failed>(*body)) {
    return Unexpected{to_error(std::get<Failed>(std::move(*body)))};
  }
  if (!body || !std::holds_alternative<Sockets>(*body)) {
    return Unexpected{base::failure("the sandbox's helper sent something unexpected")};
  }
  return std::move((*message)->fds);
}

Error Sandbox::why_it_went_silent() {
  if (!exits_within(helper_.pidfd, kEndPatience)) {
    return base::failure("the sandbox's helper closed its control socket");
  }
  const auto status = peek_exit(helper_.pidfd);
  return base::failure("the sandbox's helper ended" +
                       (status ? " with status " + std::to_string(*status) : std::string()));
}

void Sandbox::end() noexcept {
  if (control_.is_open()) {
    ::shutdown(control_.get(), SHUT_RDWR);  // also for a copy that some fork(2) made
    control_.reset();
  }
  if (!helper_.pidfd.is_open()) {
    return;
  }
  if (!exits_within(helper_.pidfd, kEndPatience)) {
    send_signal(helper_.pidfd, SIGKILL);
  }
  (void)wait_for_exit(helper_.pidfd);
  helper_.pidfd.reset();
}

Sandbox::~Sandbox() {
  end();
}

Sandbox& Sandbox::operator=(Sandbox&& other) noexcept {
  if (this != &other) {
    end();
    helper_ = std::move(other.helper_);
    control_ = std::move(other.control_);
    tun_ = std::move(other.tun_);
    listeners_ = std::move(other.listeners_);
    tun_name_ = std::move(other.tun_name_);
    offload_ = other.offload_;
    mount_namespace_ = other.mount_namespace_;
    notes_ = std::move(other.notes_);
    last_request_ = other.last_request_;
  }
  return *this;
}

}  // namespace netns
