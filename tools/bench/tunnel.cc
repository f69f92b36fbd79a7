#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "netns/sandbox.h"
#include "netns/spawn.h"
#include "tools/bench/loads.h"
#include "tools/bench/onramp_client.h"
#include "tools/bench/packet_pump.h"
#include "tools/bench/sockets.h"

namespace bench {

using base::Fd;

int tunnel(const Words& words) {
  TunnelContext context = context_of(words.at(3), words.at(1), words.at(2) == "1");
  context.tenant = words.at(4);
  netns::SandboxConfig config;
  config.tun.mtu_bytes = static_cast<std::uint32_t>(std::stoul(words.at(1)));
  config.tun.vnet_header = true;
  config.tun.offload = true;
  config.tun.addresses = {{.address = context.v4, .bits = 32},
                          {.address = context.v6, .bits = 128}};
  auto sandbox = netns::Sandbox::start(config);
  if (!sandbox) {
    std::fprintf(stderr, "bench_load: %s\n", sandbox.error().message().c_str());
    return 1;
  }
  const auto peer = base::Endpoint::parse(words.at(0));
  const Fd socket = peer ? open_gue(*peer) : open_tunnel(words.at(0), context);
  const Pumped ends{.tun = sandbox->tun(),
                    .socket = socket,
                    .mtu_bytes = config.tun.mtu_bytes,
                    .offload = context.offload};
  std::thread up([&] { pump_up(ends); });
  std::thread down([&] { pump_down(ends); });
  const auto process = netns::spawn(*sandbox, {.argv = {words.begin() + 5, words.end()}});
  if (!process) {
    std::fprintf(stderr, "bench_load: %s\n", process.error().message().c_str());
    std::_Exit(1);
  }
  int status = 0;
  must(::waitpid(process->pid, &status, 0), "waitpid");
  std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);  // the threads end with us
}

}  // namespace bench
