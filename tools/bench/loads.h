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
/// SOCKET MTU OFFLOAD(0|1) NUMBER TENANT COMMAND...: runs a command in a network whose packets go
/// through an on-ramp; NUMBER is its own (onramp_client.h). SOCKET is a path, or ADDRESS:PORT of a
/// GUE one, where the packets say nothing of TENANT.
int tunnel(const Words& words);
/// ADDRESS PORT: the other end of the UDP loads, for ever.
int udp_serve(const Words& words);
/// ADDRESS PORT PACKET_BYTES SECONDS: as many packets as go; how many of them arrive.
int udp_flood(const Words& words);
/// ADDRESS PORT PACKET_BYTES PER_SECOND SECONDS: echoes at a rate; how many do not come back.
int udp_echo(const Words& words);
/// SOCKET PACKET_BYTES SECONDS: from one tunnel to another.
int forward(const Words& words);
/// PACKET_BYTES SECONDS: the same through a bare loop in place of the gateway.
int forward_bare(const Words& words);
/// SOCKET COUNT: that many flows from one tunnel to another, idle until the end of the input.
int idle_forwarded(const Words& words);
/// SOCKET TENANT ADDRESS PORT PER_SECOND: SYNs to there, each from another client, until it is
/// ended.
int syn_flood(const Words& words);
/// ADDRESS FIRST_PORT PORTS COUNT: says that it is there, waits for a line, opens that many
/// connections, uses each once, says so, and holds them until the end of the input.
int idle(const Words& words);

/// As many descriptors as the hard limit allows.
void lift_descriptor_limit();

}  // namespace bench
