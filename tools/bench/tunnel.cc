#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <thread>

#include "netns/sandbox.h"
#include "netns/spawn.h"
#include "tools/bench/loads.h"
#include "tools/bench/packet_pump.h"
#include "tools/bench/sockets.h"

namespace bench {

using base::Fd;

namespace {

constexpr auto kOwn4 = "100.64.0.2";
constexpr auto kOwn6 = "fd00:64::2";

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

}  // namespace

int tunnel(const Words& words) {
  const bool offload = words.at(2) == "1";
  netns::SandboxConfig config;
  config.tun.mtu_bytes = static_cast<std::uint32_t>(std::stoul(words.at(1)));
  config.tun.vnet_header = true;
  config.tun.offload = true;
  config.tun.addresses = {{.address = *base::IpAddress::parse(kOwn4), .bits = 32},
                          {.address = *base::IpAddress::parse(kOwn6), .bits = 128}};
  auto sandbox = netns::Sandbox::start(config);
  if (!sandbox) {
    std::fprintf(stderr, "bench_load: %s\n", sandbox.error().message().c_str());
    return 1;
  }
  const Fd socket = open_tunnel(words.at(0), words.at(1), offload);
  const Pumped ends{.tun = sandbox->tun(),
                    .socket = socket,
                    .mtu_bytes = config.tun.mtu_bytes,
                    .offload = offload};
  std::thread up([&] { pump_up(ends); });
  std::thread down([&] { pump_down(ends); });
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
