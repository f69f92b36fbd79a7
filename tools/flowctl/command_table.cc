#include "tools/flowctl/command_table.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "tools/flowctl/flow_order.h"

namespace flowctl {
namespace {

constexpr std::string_view kFilterTerms =
    R"(A FILTER is one or more of these, all of which must hold:

  tenant=NAME  tunnel=NAME  rule=NAME      or the number instead of the name
  id=NUMBER
  protocol=tcp|udp|icmp|icmpv6             or the number
  state=dialing|syn_received|established|closing|time_wait
  action=upgrade|forward|reject|drop|downgrade  then=downgrade|nothing
  mark=NUMBER  dscp=ef|af41|...|none       what the rule has given the flow; 23 or 0x17
  name=HOST  name=*.DOMAIN                 what the destination was looked up as
  source=END  destination=END              END: ADDRESS, PREFIX, :PORT, ADDRESS:PORT, PREFIX:PORT;
  upstream=END                             IPv6 before a port stands in brackets
  'age>10s'  'idle<5m'                     more or less than a time: ms, s, m, h, d
  'bytes>10MiB'  'up>1500'  'down<64KiB'   than a size
  'packets>100'  'up_packets<3'  'down_packets>0'
)";

constexpr std::string_view kTunnels =
    R"(The tunnels that are open: their tenant, addresses, MTU and labels, the flows they have, and what
they have carried (UP from the tunnel, DOWN to it).
)";

constexpr std::string_view kTenants =
    R"(What each tenant uses of what it may: tunnels, flows, and upstream connections being dialled.
)";

constexpr std::string_view kFlows =
    R"(Every flow, oldest first, read from the gateway's own flow table without asking it further.

Sort keys: id, tenant, tunnel, protocol, source, destination, name, action, rule, state, from the
lowest; age, idle, up, down, bytes, up_packets, down_packets, packets, from the highest. Flows that
are equal stay in the order of their ids.
)";

constexpr std::string_view kFlow =
    R"(All that is known about one flow. `flowctl flows` shows the ids.
)";

constexpr std::string_view kKill =
    R"(Ends a flow at once: both of its ends are reset. `flowctl flows` shows the ids.
)";

constexpr std::string_view kLogLevel =
    R"(The least that the gateway writes to its log: shown, or set from now on (trace, debug, info, warn,
error), until the next reload, which takes the level of the file.
)";

constexpr std::string_view kNat =
    R"(The slots that upgraded flows claim in the sandbox: how many there are and how many are claimed, and
how many flows were refused because none was free.
)";

constexpr std::string_view kStats =
    R"(The gateway as a whole: flows, tunnels, relays, bytes, and what went wrong. With --watch again and
again, with the flows of each rule and what each bandwidth carried, and how each has changed: a
counter per second, anything else since the last time; with --json an object a line.
)";

constexpr std::string_view kCompletion =
    R"(Prints what your shell needs to complete flowctl's commands, options, filters and flow ids.
)";

constexpr std::string_view kDrops =
    R"(Packets and flows that were refused, and tunnels that were not let in, each reason with its count.
Reasons that never happened are left out, unless --all asks for them; --json has them all.
)";

constexpr std::string_view kEvents =
    R"(What happens from now on, a line each: flow_start and flow_end, as the audit log has them (with or
without an audit log), tunnel_open and tunnel_close. It ends when it is interrupted, or the gateway
ends. Who reads too slowly does not hold the gateway up: events are lost then, and a line says how
many (event "lost").
)";

constexpr std::string_view kCapture =
    R"(Writes the packets of flows, as their tunnels carry them, to a file that Wireshark opens (pcapng).
Each packet has a comment: flow=17 tenant=acme tunnel=laptop-17 direction=up, and says whether it
came from a tunnel (inbound) or went to one. A packet is captured where its flow counts it, so
what the filter lets through is what `flowctl flows` shows. It ends when it is interrupted. The
traffic does not wait for it: who writes too slowly loses packets of the capture; how many is said
at the end, and in the file.
)";

constexpr std::string_view kTop =
    R"(What flows carry per second, up from the tunnel and down to it: on a terminal a view of the whole
screen that can be sorted, filtered and grouped, and in which a flow can be killed (press h there
for its keys); else a table for each interval, and with --json an object for each.

Sort keys: rate, up, down, packets, bytes, flows, age, id; the highest first.
)";

constexpr std::string_view kExplain =
    R"(What the gateway would do with the first packet of a flow: which rule decides, which key of each
earlier rule does not hold, where the flow would go, and which limits it meets. Nothing is sent, and
nothing changes.
)";

constexpr std::string_view kPacketForms =
    R"(PACKET, in one word or several:

  tcp|udp SOURCE:PORT > DESTINATION:PORT     IPv6 stands in brackets
  icmp|icmpv6 SOURCE > DESTINATION [type N] [code N] [id N]    an echo request without a type
  NUMBER SOURCE > DESTINATION                another IP protocol
)";

const std::vector<OptionInfo>& options() {
  static const std::vector<OptionInfo> kOptions = {
      {Option::kSocket, "--socket", "", "PATH",
       "the gateway's control socket. Default: $LIFTGATE_SOCKET, else\n"
       "$XDG_RUNTIME_DIR/liftgate/control.sock, else /run/liftgate/control.sock when\n"
       "that may be used, else /tmp/liftgate-UID/control.sock; where none answers, the\n"
       "one `liftgate run` that has its socket beside it."},
      {Option::kJson, "--json", "", "", "JSON instead of text"},
      {Option::kHelp, "--help", "-h", "", "this, or with a command, more about it"},
      {Option::kVersion, "--version", "", "", "the version of flowctl"},
      {Option::kAll, "--all", "", "", "reasons that never happened, too"},
      {Option::kCount, "--count", "", "N", "end after so many events, packets or intervals"},
      {Option::kWrite, "--write", "-w", "FILE", "where to; - is standard output"},
      {Option::kSeconds, "--seconds", "", "SECONDS", "end after so long: 10, or 0.5"},
      {Option::kSnapLength, "--snaplen", "", "BYTES", "of each packet, at most; default: all"},
      {Option::kBy, "--by", "", "WHAT", "flow, tenant, tunnel or rule; default: flow"},
      {Option::kSort, "--sort", "", "KEY", "the order of the rows"},
      {Option::kInterval, "--interval", "", "SECONDS", "between two looks; default: 1"},
      {Option::kOnce, "--once", "", "", "one table and no more"},
      {Option::kLimit, "--limit", "", "N", "rows of a table; default: 20"},
      {Option::kWatch, "--watch", "", "", "again for each interval, until it is interrupted"},
      {Option::kTenant, "--tenant", "", "NAME",
       "whose packet it is; needed where there are several tenants"},
      {Option::kTunnel, "--tunnel", "", "NAME",
       "where it comes from, or its id. Default: the tunnel that claims the source,\n"
       "else the only one of the tenant"},
      {Option::kHooks, "--hooks", "", "",
       "which hooks of an app have run for it, how long, and what each decided"},
      {Option::kName, "--name", "", "HOST", "as if the destination had been looked up as that"},
  };
  return kOptions;
}

const std::vector<CommandInfo>& commands() {
  static const std::vector<CommandInfo> kCommands = {
      {Command::kTunnels,
       "tunnels",
       Operands::kNone,
       "who is connected, and what each tunnel has carried",
       {},
       kTunnels,
       {"flowctl tunnels",
        "flowctl --json tunnels | jq -r '.[] | select(.labels.user == \"alice\") | .name'"}},
      {Command::kTenants,
       "tenants",
       Operands::kNone,
       "what each tenant uses of what it may",
       {},
       kTenants,
       {"flowctl tenants"}},
      {Command::kFlows,
       "flows",
       Operands::kFilter,
       "every flow, or those that the filter lets through",
       {Option::kSort},
       kFlows,
       {"flowctl flows", "flowctl flows tenant=acme protocol=tcp state=established",
        "flowctl flows name=*.example.com 'idle>5m'", "flowctl flows --sort bytes",
        "flowctl flows source=10.0.0.0/8 destination=:443",
        "flowctl flows 'destination=[2001:db8::/32]:53'"}},
      {Command::kFlow,
       "flow",
       Operands::kFlowId,
       "all about one flow",
       {Option::kHooks},
       kFlow,
       {"flowctl flow 17", "flowctl flow 17 --hooks"}},
      {Command::kKill,
       "kill",
       Operands::kFlowId,
       "end a flow, resetting both ends",
       {},
       kKill,
       {"flowctl kill 17",
        "flowctl --json flows tunnel=laptop-17 | jq '.[].id' | xargs -n1 flowctl kill"}},
      {Command::kNat,
       "nat",
       Operands::kNone,
       "the slots of the sandbox's NAT",
       {},
       kNat,
       {"flowctl nat"}},
      {Command::kStats,
       "stats",
       Operands::kNone,
       "the gateway as a whole",
       {Option::kWatch, Option::kInterval, Option::kCount},
       kStats,
       {"flowctl stats", "flowctl stats --watch --interval 5", "flowctl --json stats | jq .flows"}},
      {Command::kDrops,
       "drops",
       Operands::kNone,
       "what was refused, and why",
       {Option::kAll},
       kDrops,
       {"flowctl drops", "flowctl drops --all",
        "flowctl --json drops | jq '.[] | select(.name == \"no_flow\").count'"}},
      {Command::kEvents,
       "events",
       Operands::kFilter,
       "flows and tunnels as they come and go",
       {Option::kCount},
       kEvents,
       {"flowctl events", "flowctl events tenant=acme destination=:22",
        "flowctl --json events | jq -r 'select(.event == \"flow_end\") | .reason'"}},
      {Command::kCapture,
       "capture",
       Operands::kFilter,
       "packets of flows, for Wireshark",
       {Option::kWrite, Option::kCount, Option::kSeconds, Option::kSnapLength},
       kCapture,
       {"flowctl capture -w all.pcapng",
        "flowctl capture tenant=acme destination=:443 -w web.pcapng",
        "flowctl capture protocol=udp --seconds 10 -w - | tshark -r -"}},
      {Command::kTop,
       "top",
       Operands::kFilter,
       "who carries how much, now",
       {Option::kBy, Option::kSort, Option::kInterval, Option::kOnce, Option::kCount,
        Option::kLimit},
       kTop,
       {"flowctl top", "flowctl top --by tenant --sort down", "flowctl top --once tenant=acme",
        "flowctl --json top --interval 5 --count 12 > rates.jsonl"}},
      {Command::kCompletion,
       "completion",
       Operands::kShell,
       "the script that completes these words in your shell",
       {},
       kCompletion,
       {"flowctl completion bash > ~/.local/share/bash-completion/completions/flowctl",
        "flowctl completion zsh > ~/.zfunc/_flowctl",
        "flowctl completion fish > ~/.config/fish/completions/flowctl.fish"}},
      {Command::kExplain,
       "explain",
       Operands::kPacket,
       "what would become of a packet, and which rule decides",
       {Option::kTenant, Option::kTunnel, Option::kName},
       kExplain,
       {"flowctl explain 'tcp 10.0.0.2:4000 > 192.0.2.1:443' --tenant acme",
        "flowctl explain 'udp [fd00::2]:5000 > [2001:db8::1]:53' --name example.com",
        "flowctl --json explain 'icmp 10.0.0.2 > 192.0.2.1' | jq .rule"}},
      {Command::kLogLevel,
       "log-level",
       Operands::kLevel,
       "how much the gateway logs",
       {},
       kLogLevel,
       {"flowctl log-level", "flowctl log-level debug"}},
  };
  return kCommands;
}

}  // namespace

std::span<const CommandInfo> command_table() {
  return commands();
}

std::span<const OptionInfo> option_table() {
  return options();
}

std::vector<std::string_view> values_of(Option option, Command command) {
  if (option == Option::kBy) {
    return {"flow", "tenant", "tunnel", "rule"};
  }
  if (option == Option::kSort && command == Command::kFlows) {
    return flow_order_names();
  }
  if (option == Option::kSort) {
    return {"rate", "up", "down", "packets", "bytes", "flows", "age", "id"};
  }
  return {};
}

const CommandInfo* find_command(std::string_view name) {
  const auto found = std::ranges::find(commands(), name, &CommandInfo::name);
  return found == commands().end() ? nullptr : &*found;
}

const CommandInfo& info_of(Command command) {
  const auto found = std::ranges::find(commands(), command, &CommandInfo::command);
  CHECK(found != commands().end());
  return *found;
}

const OptionInfo* find_option(std::string_view word) {
  const auto found = std::ranges::find_if(options(), [&](const OptionInfo& option) {
    return option.name == word || (option.letter == word && !word.empty());
  });
  return found == options().end() ? nullptr : &*found;
}

const OptionInfo& info_of(Option option) {
  const auto found = std::ranges::find(options(), option, &OptionInfo::option);
  CHECK(found != options().end());
  return *found;
}

std::span<const Option> common_options() {
  static constexpr std::array kCommon = {Option::kSocket, Option::kJson, Option::kHelp,
                                         Option::kVersion};
  return kCommon;
}

std::string_view shown(Operands operands) {
  switch (operands) {
    case Operands::kNone:
      return "";
    case Operands::kFilter:
      return "[FILTER]";
    case Operands::kFlowId:
      return "ID";
    case Operands::kShell:
      return "bash|zsh|fish";
    case Operands::kPacket:
      return "PACKET";
    case Operands::kLevel:
      return "[LEVEL]";
  }
  return "";
}

std::string_view explained(Operands operands) {
  if (operands == Operands::kPacket) {
    return kPacketForms;
  }
  return operands == Operands::kFilter ? kFilterTerms : "";
}

std::string list_of_commands() {
  std::string list;
  for (const CommandInfo& info : commands()) {
    list += (list.empty() ? "" : ", ") + std::string(info.name);
  }
  return list;
}

}  // namespace flowctl
