// The helper's side of a sandbox; netns/sandbox.h tells the whole story.
#include "netns/helper.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "netns/capabilities.h"
#include "netns/fd_passing.h"
#include "netns/landlock.h"
#include "netns/rtnetlink.h"
#include "netns/sandbox.h"
#include "netns/sandbox_message.h"
#include "netns/seccomp.h"

namespace netns {
namespace {

using base::Fd;
using base::SysResult;
using base::Unexpected;

constexpr int kDone = 0;
constexpr int kFailed = 1;

// What the helper hands over.
struct Furnished {
  Ready ready;
  std::vector<Fd> fds;  // the TUN, then the listeners
};

void leave_the_callers_session() {
  ::setsid();  // refused only to a process group leader, which a fresh child is not
  for (const int ignored : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) {
    ::signal(ignored, SIG_IGN);
  }
  ::prctl(PR_SET_NAME, kHelperName, 0, 0, 0);
  (void)!::chdir("/");  // keeps no mount of the caller busy
}

// A batch of sockets, and the caller's whole listeners, are open here at one time.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

SysResult<Fd> listen_on(const ListenerConfig& config) {
  const std::string where = config.endpoint.to_string();
  const base::SocketAddress address(config.endpoint);
  auto socket = Fd::adopt(
      ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket.is_open()) {
    return Unexpected{base::last_error("making the listener " + where)};
  }
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.family() == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (::bind(socket.get(), address.data(), address.size()) != 0) {
    return Unexpected{base::last_error("binding the listener " + where)};
  }
  if (::listen(socket.get(), config.backlog) != 0) {
    return Unexpected{base::last_error("listening on " + where)};
  }
  return socket;
}

// Settings that every sandbox of ours is better with; none of them is worth failing for.
void set_usual_sysctls(const Setup& setup, std::vector<std::string>& notes) {
  const std::string gid = std::to_string(setup.outside.gid);
  int backlog = 0;
  for (const ListenerConfig& listener : setup.config.listeners) {
    backlog = std::max(backlog, listener.backlog);
  }
  std::vector<Sysctl> settings = {{"net/ipv4/ping_group_range", gid + " " + gid, true}};
  if (backlog > 0) {
    settings.push_back({"net/core/somaxconn", std::to_string(backlog), true});
  }
  for (const Sysctl& setting : settings) {
    if (auto set = set_sysctl(setting); !set) {
      notes.push_back(set.error().message());
    }
  }
}

SysResult<void> furnish_network(const Setup& setup, Furnished& into) {
  auto route = RouteSocket::open();
  if (!route) {
    return Unexpected{route.error()};
  }
  if (auto up = route->set_link_up("lo"); !up) {
    return up;
  }
  for (const Sysctl& sysctl : setup.config.sysctls) {
    if (auto set = set_sysctl(sysctl); !set) {
      return set;
    }
  }
  auto tun = make_tun(setup.config.tun);
  if (!tun) {
    return Unexpected{tun.error()};
  }
  into.ready = {.tun_name = tun->name, .offload = tun->offload, .notes = std::move(tun->notes)};
  into.fds.push_back(std::move(tun->fd));
  set_usual_sysctls(setup, into.ready.notes);
  for (const ListenerConfig& listener : setup.config.listeners) {
    auto socket = listen_on(listener);
    if (!socket) {
      return Unexpected{socket.error()};
    }
    into.fds.push_back(std::move(*socket));
  }
  return {};
}

SysResult<void> give_up_privileges() {
  if (const int error = drop_all_capabilities(); error != 0) {
    return Unexpected{base::Error{{error, std::generic_category()}, "dropping capabilities", {}}};
  }
  // Programs in the sandbox have our uid: none of them may trace us and speak to our owner.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return Unexpected{base::last_error("PR_SET_DUMPABLE")};
  }
  return {};
}

SysResult<void> filter_calls(Role role, Enforcement enforcement) {
  return enforcement == Enforcement::kOff ? SysResult<void>()
                                          : allow_only(role, enforcement, Threads::kThisOne);
}

// Where there is no Landlock, the filter forbids opening files all the same.
SysResult<void> forbid_files(Enforcement enforcement) {
  if (enforcement == Enforcement::kOff || landlock_version() == 0) {
    return {};
  }
  const auto none = FileRules::make({});
  if (!none) {
    return Unexpected{none.error()};
  }
  const int error = none->restrict_this_thread();
  return error == 0 ? SysResult<void>()
                    : Unexpected{base::Error{
                          {error, std::generic_category()}, "forbidding files to the helper", {}}};
}

// It writes no file, and what it holds in memory is no one's to read later.
void limit_resources() {
  for (const auto resource : {RLIMIT_CORE, RLIMIT_FSIZE}) {
    const rlimit none{};
    ::setrlimit(resource, &none);
  }
}

SysResult<Furnished> furnish(const Setup& setup) {
  Furnished furnished;
  const Enforcement enforcement = setup.config.enforcement;
  // The capabilities will be gone, which is what counts: a kernel without filters will do.
  if (auto done = filter_calls(Role::kSetUp, enforcement); !done) {
    furnished.ready.notes.push_back(done.error().message());
  }
  if (auto done = write_id_maps(setup.outside); !done) {
    return Unexpected{done.error()};
  }
  if (auto done = mount_files(setup.config.files); !done) {
    return Unexpected{done.error()};
  }
  if (auto done = hide_directories(setup.config.hidden_directories); !done) {
    return Unexpected{done.error()};
  }
  if (auto done = furnish_network(setup, furnished); !done) {
    return Unexpected{done.error()};
  }
  if (auto done = give_up_privileges(); !done) {
    return Unexpected{done.error()};
  }
  limit_resources();
  if (auto done = forbid_files(enforcement); !done) {
    furnished.ready.notes.push_back(done.error().message());
  }
  if (auto done = filter_calls(Role::kHelper, enforcement); !done) {
    furnished.ready.notes.push_back(done.error().message());
  }
  return furnished;
}

SysResult<std::vector<Fd>> make_sockets(const OpenSockets& wanted) {
  const std::uint32_t most = kMaxFdsPerMessage;
  std::vector<Fd> sockets;
  for (std::uint32_t i = 0; i < std::min(wanted.count, most); ++i) {
    auto socket = Fd::adopt(
        ::socket(wanted.domain, wanted.type | SOCK_NONBLOCK | SOCK_CLOEXEC, wanted.protocol));
    if (!socket.is_open()) {
      auto error = base::last_error("making a socket in the sandbox");
      if (error.code.value() == EMFILE) {
        error.cure = "Raise the hard limit of open files (ulimit -Hn, LimitNOFILE=)";
      }
      return Unexpected{std::move(error)};
    }
    sockets.push_back(std::move(socket));
  }
  return sockets;
}

SysResult<void> answer(const Fd& control, const OpenSockets& wanted) {
  const auto sockets = make_sockets(wanted);
  if (!sockets) {
    return send_message(control, encode(to_message(sockets.error(), wanted.request)));
  }
  auto sent = send_message(control, encode(Sockets{wanted.request}), *sockets);
  if (!sent && sent.error().code.value() != EPIPE) {
    return send_message(control, encode(to_message(sent.error(), wanted.request)));
  }
  return sent;
}

std::optional<SandboxMessage> next_message(const Fd& control) {
  auto message = receive_message(control, kMaxSandboxMessageBytes);
  if (!message || !*message) {
    return std::nullopt;
  }
  return decode((*message)->bytes);
}

// Until the owner closes the socket, or says what we do not understand. Ends the process itself:
// what libraries do at exit, the system call filter forbids.
[[noreturn]] void serve(const Fd& control) {
  for (;;) {
    const auto message = next_message(control);
    if (!message || !std::holds_alternative<OpenSockets>(*message) ||
        !answer(control, std::get<OpenSockets>(*message))) {
      ::_exit(message ? kFailed : kDone);
    }
  }
}

int run_helper(const Fd& control) {
  leave_the_callers_session();
  raise_descriptor_limit();
  if (!send_message(control, encode(Hello{}))) {
    return kFailed;
  }
  const auto setup = next_message(control);
  if (!setup || !std::holds_alternative<Setup>(*setup)) {
    return kFailed;
  }
  {
    const auto furnished = furnish(std::get<Setup>(*setup));
    if (!furnished) {
      (void)send_message(control, encode(to_message(furnished.error())));
      return kFailed;
    }
    if (!send_message(control, encode(furnished->ready), furnished->fds)) {
      return kFailed;
    }
  }  // the owner has them now; a TUN that we hold, too, would outlive it
  serve(control);
}

}  // namespace

std::optional<int> helper_main(int argc, char** argv) {
  fill_standard_fds();
  if (argc < 1 || std::string_view(argv[0]) != kHelperName) {
    return std::nullopt;
  }
  return run_helper(Fd::adopt(kHelperControlFd));
}

}  // namespace netns
