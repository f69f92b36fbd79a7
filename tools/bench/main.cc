// bench_load: the loads of tools/bench/run, and the other ends of them.

#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "netns/sandbox.h"
#include "tools/bench/loads.h"

int main(int argc, char** argv) {
  if (const auto status = netns::helper_main(argc, argv)) {
    return *status;
  }
  std::signal(SIGPIPE, SIG_IGN);  // splice(2) has no MSG_NOSIGNAL
  bench::lift_descriptor_limit();
  const std::map<std::string_view, int (*)(const bench::Words&)> loads = {
      {"serve", bench::serve},         {"crr", bench::connect_request_response},
      {"rr", bench::request_response}, {"relay", bench::relay},
      {"tunnel", bench::tunnel},       {"udp-serve", bench::udp_serve},
      {"udp-flood", bench::udp_flood}, {"udp-echo", bench::udp_echo},
      {"forward", bench::forward},     {"forward-bare", bench::forward_bare},
      {"idle", bench::idle},           {"idle-forwarded", bench::idle_forwarded},
      {"syn-flood", bench::syn_flood},
  };
  const auto load = argc > 1 ? loads.find(argv[1]) : loads.end();
  if (load == loads.end()) {
    std::fputs("usage: bench_load LOAD ARGUMENT...\nloads:", stderr);
    for (const auto& [name, function] : loads) {
      std::fprintf(stderr, " %s", std::string(name).c_str());
    }
    std::fputs("; tools/bench/loads.h says their arguments\n", stderr);
    return 2;
  }
  return load->second({argv + 2, argv + argc});
}
