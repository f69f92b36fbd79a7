#include "tools/flowctl/help.h"

namespace flowctl {
namespace {

constexpr std::string_view kProgram =
    R"(flowctl asks a running liftgate what it does.

Usage: flowctl [--socket PATH] [--json] COMMAND

Commands:
  tunnels        who is connected, and what each tunnel has carried
  tenants        what each tenant uses of what it may
  flows [FILTER] every flow there is, or those that the filter lets through
  flow ID        all about one flow
  kill ID        end a flow, resetting both ends
  nat            the slots of the sandbox's NAT
  stats          the gateway as a whole
  drops [--all]  what was refused, and why

Options:
  --socket PATH  the gateway's control socket. Default: $LIFTGATE_SOCKET, else
                 $XDG_RUNTIME_DIR/liftgate/control.sock, else /run/liftgate/control.sock when
                 that may be used, else /tmp/liftgate-UID/control.sock; where none answers, the
                 one `liftgate run` that has its socket beside it.
  --json         JSON instead of text
  --help         this, or with a command, more about it
  --version      the version of flowctl

Exit status: 0 done, 1 failed (no such flow), 2 wrong usage, 3 no gateway there.

Examples:
  flowctl flows
  flowctl flows tenant=acme destination=:443
  flowctl --json flows | jq '.[] | select(.idle_ms > 60000) | .id'
)";

constexpr std::string_view kTunnels =
    R"(Usage: flowctl tunnels

The tunnels that are open: their tenant, addresses, MTU and labels, the flows they have, and what
they have carried (UP from the tunnel, DOWN to it).

Examples:
  flowctl tunnels
  flowctl --json tunnels | jq -r '.[] | select(.labels.user == "alice") | .name'
)";

constexpr std::string_view kTenants =
    R"(Usage: flowctl tenants

What each tenant uses of what it may: tunnels, flows, and upstream connections being dialled.

Example:
  flowctl tenants
)";

constexpr std::string_view kFlows =
    R"(Usage: flowctl flows [FILTER]

Every flow, oldest first, read from the gateway's own flow table without asking it further. A FILTER
is one or more of these, all of which must hold:

  tenant=NAME  tunnel=NAME  rule=NAME      or the number instead of the name
  protocol=tcp|udp|icmp|icmpv6             or the number
  state=dialing|syn_received|established|closing|time_wait
  action=upgrade|forward|reject|drop
  name=HOST  name=*.DOMAIN                 what the destination was looked up as
  source=END  destination=END              END: ADDRESS, PREFIX, :PORT, ADDRESS:PORT, PREFIX:PORT;
                                           IPv6 before a port stands in brackets

Examples:
  flowctl flows
  flowctl flows tenant=acme protocol=tcp state=established
  flowctl flows name=*.example.com
  flowctl flows source=10.0.0.0/8 destination=:443
  flowctl flows 'destination=[2001:db8::/32]:53'
)";

constexpr std::string_view kFlow =
    R"(Usage: flowctl flow ID

All that is known about one flow. `flowctl flows` shows the ids.

Example:
  flowctl flow 17
)";

constexpr std::string_view kKill =
    R"(Usage: flowctl kill ID

Ends a flow at once: both of its ends are reset. `flowctl flows` shows the ids.

Examples:
  flowctl kill 17
  flowctl --json flows tunnel=laptop-17 | jq '.[].id' | xargs -n1 flowctl kill
)";

constexpr std::string_view kNat =
    R"(Usage: flowctl nat

The slots that upgraded flows claim in the sandbox: how many there are and how many are claimed, and
how many flows were refused because none was free.

Example:
  flowctl nat
)";

constexpr std::string_view kStats =
    R"(Usage: flowctl stats

The gateway as a whole: flows, tunnels, relays, bytes, and what went wrong.

Example:
  flowctl --json stats | jq .flows
)";

constexpr std::string_view kDrops =
    R"(Usage: flowctl drops [--all]

Packets and flows that were refused, and tunnels that were not let in, each reason with its count.
Reasons that never happened are left out, unless --all asks for them; --json has them all.

Examples:
  flowctl drops
  flowctl drops --all
  flowctl --json drops | jq '.[] | select(.name == "no_flow").count'
)";

}  // namespace

std::string_view help(Command command) {
  switch (command) {
    case Command::kNone:
      return kProgram;
    case Command::kTunnels:
      return kTunnels;
    case Command::kTenants:
      return kTenants;
    case Command::kFlows:
      return kFlows;
    case Command::kFlow:
      return kFlow;
    case Command::kKill:
      return kKill;
    case Command::kNat:
      return kNat;
    case Command::kStats:
      return kStats;
    case Command::kDrops:
      return kDrops;
  }
  return kProgram;
}

std::string short_usage() {
  const std::size_t from = kProgram.find("Usage:");
  const std::size_t to = kProgram.find("Options:");
  return std::string(kProgram.substr(from, to - from)) +
         "`flowctl --help` and `flowctl COMMAND --help` say more.\n";
}

}  // namespace flowctl
