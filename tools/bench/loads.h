// The loads and their other ends. Each prints one JSON object when it has ended.
#pragma once

#include <string>
#include <vector>

namespace bench {

using Words = std::vector<std::string>;

/// ADDRESS FIRST_PORT COUNT: sends back what comes, on many ports, for ever.
int serve(const Words& words);
/// ADDRESS FIRST_PORT COUNT CONCURRENT SECONDS: connect, request, response, close.
int connect_request_response(const Words& words);
/// ADDRESS PORT SECONDS: requests and responses on one connection.
int request_response(const Words& words);
/// LISTEN_ADDRESS TARGET_ADDRESS FIRST_PORT COUNT: connections to the one are spliced to the other,
/// for ever: what a relay costs when the packets never leave the kernel.
int relay(const Words& words);
/// SOCKET MTU OFFLOAD(0|1) COMMAND...: runs a command in a network whose packets go through a
/// SEQPACKET on-ramp.
int tunnel(const Words& words);

}  // namespace bench
