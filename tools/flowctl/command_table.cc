#include "tools/flowctl/command_table.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace flowctl {
namespace {

constexpr std::string_view kFilterTerms =
    R"(A FILTER is one or more of these, all of which must hold:

  tenant=NAME  tunnel=NAME  rule=NAME      or the number instead of the name
  protocol=tcp|udp|icmp|icmpv6             or the number
  state=dialing|syn_received|established|closing|time_wait
  action=upgrade|forward|reject|drop
  name=HOST  name=*.DOMAIN                 what the destination was looked up as
  source=END  destination=END              END: ADDRESS, PREFIX, :PORT, ADDRESS:PORT, PREFIX:PORT;
                                           IPv6 before a port stands in brackets
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
)";

constexpr std::string_view kFlow =
    R"(All that is known about one flow. `flowctl flows` shows the ids.
)";

constexpr std::string_view kKill =
    R"(Ends a flow at once: both of its ends are reset. `flowctl flows` shows the ids.
)";

constexpr std::string_view kNat =
    R"(The slots that upgraded flows claim in the sandbox: how many there are and how many are claimed, and
how many flows were refused because none was free.
)";

constexpr std::string_view kStats =
    R"(The gateway as a whole: flows, tunnels, relays, bytes, and what went wrong.
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
      {Option::kCount, "--count", "", "N", "end after so many"},
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
       "every flow there is, or those that the filter lets through",
       {},
       kFlows,
       {"flowctl flows", "flowctl flows tenant=acme protocol=tcp state=established",
        "flowctl flows name=*.example.com", "flowctl flows source=10.0.0.0/8 destination=:443",
        "flowctl flows 'destination=[2001:db8::/32]:53'"}},
      {Command::kFlow,
       "flow",
       Operands::kFlowId,
       "all about one flow",
       {},
       kFlow,
       {"flowctl flow 17"}},
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
       {},
       kStats,
       {"flowctl stats", "flowctl --json stats | jq .flows"}},
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
  }
  return "";
}

std::string_view explained(Operands operands) {
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
