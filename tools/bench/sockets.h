// Sockets for the load generators: what fails is said and ends the program.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "base/fd.h"

namespace bench {

using Clock = std::chrono::steady_clock;

/// Prints what failed, and why (errno), and ends the program with status 1.
[[noreturn]] void die(const std::string& what);
/// `result`, unless it is negative.
int must(int result, const std::string& what);

/// `count` endpoints of one address, from `first` on: many, because each holds at most 28,000
/// connections of one client in TIME-WAIT.
std::vector<base::Endpoint> endpoints(const std::string& address, const std::string& first_port,
                                      const std::string& count);

base::Fd listen_at(const base::Endpoint& at);
/// A connect under way on a non-blocking socket.
base::Fd start_connect(const base::Endpoint& to);
/// A connected, blocking socket.
base::Fd connect_to(const base::Endpoint& to);

void no_delay(const base::Fd& socket);

struct Percentiles {
  double p50_us, p99_us, p999_us;
};
/// Of `samples`, which are sorted for it.
Percentiles percentiles(std::vector<Clock::duration>& samples);

}  // namespace bench
