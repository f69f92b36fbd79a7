#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>

#include "netns/sandbox.h"
#include "netns/spawn.h"
#include "tools/bench/loads.h"
#include "tools/bench/sockets.h"

namespace bench {

using base::Fd;

namespace {

constexpr auto kOwn4 = "100.64.0.2";
constexpr auto kOwn6 = "fd00:64::2";
constexpr std::size_t kMostBytes = 65535 + 10;

Fd open_tunnel(const std::string& path, const std::string& mtu, bool offload) {
  Fd socket = Fd::adopt(must(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"));
  const int buffer = 4 << 20;  // as much as the kernel lets us have
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  must(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
       "connect to " + path);
  const std::string context = R"({"tenant":"default","reply":true,"addresses":[")" +
                              std::string(kOwn4) + "/32\",\"" + kOwn6 + "/128\"],\"mtu\":" + mtu +
                              ",\"offload\":" + (offload ? "true" : "false") + "}";
  must(static_cast<int>(::send(socket.get(), context.data(), context.size(), 0)), "context");
  std::array<char, 4096> reply{};
  if (::recv(socket.get(), reply.data(), reply.size() - 1, 0) <= 0 ||
      std::strstr(reply.data(), "\"ok\":true") == nullptr) {
    die(std::string("the gateway's answer: ") + reply.data());
  }
  return socket;
}

void carry(const Fd& from, const Fd& to) {
  std::array<char, kMostBytes> packet{};
  pollfd polled{.fd = from.get(), .events = POLLIN, .revents = 0};
  while (::poll(&polled, 1, -1) > 0 && (polled.revents & POLLIN) != 0) {
    ssize_t size = 0;
    while ((size = ::read(from.get(), packet.data(), packet.size())) > 0) {
      (void)!::write(to.get(), packet.data(), static_cast<std::size_t>(size));
    }
    if (size == 0) {
      return;
    }
  }
}

}  // namespace

int tunnel(const Words& words) {
  const bool offload = words.at(2) == "1";
  netns::SandboxConfig config;
  config.tun.mtu_bytes = static_cast<std::uint32_t>(std::stoul(words.at(1)));
  config.tun.vnet_header = offload;
  config.tun.offload = offload;
  config.tun.addresses = {{.address = *base::IpAddress::parse(kOwn4), .bits = 32},
                          {.address = *base::IpAddress::parse(kOwn6), .bits = 128}};
  auto sandbox = netns::Sandbox::start(config);
  if (!sandbox) {
    std::fprintf(stderr, "bench_load: %s\n", sandbox.error().message().c_str());
    return 1;
  }
  const Fd socket = open_tunnel(words.at(0), words.at(1), offload);
  std::thread up([&] { carry(sandbox->tun(), socket); });
  std::thread down([&] { carry(socket, sandbox->tun()); });
  const auto process = netns::spawn(*sandbox, {.argv = {words.begin() + 3, words.end()}});
  if (!process) {
    std::fprintf(stderr, "bench_load: %s\n", process.error().message().c_str());
    std::_Exit(1);
  }
  int status = 0;
  must(::waitpid(process->pid, &status, 0), "waitpid");
  std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);  // the threads end with us
}

}  // namespace bench
