// Command table: every command and option of flowctl, once. The words on the command line are read
// by it (options.h), and --help (help.h) is made of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flowctl {

enum class Command : std::uint8_t {
  kNone,
  kTunnels,
  kTenants,
  kFlows,
  kFlow,
  kKill,
  kNat,
  kStats,
  kDrops,
  kEvents,
  kCapture,
  kTop,
  kCompletion,
  kExplain,
  kLogLevel,
};

/// What stands behind a command.
enum class Operands : std::uint8_t { kNone, kFilter, kFlowId, kShell, kPacket, kLevel };

/// What an option sets.
enum class Option : std::uint8_t {
  kSocket,
  kJson,
  kHelp,
  kVersion,
  kAll,
  kCount,
  kWrite,
  kSeconds,
  kSnapLength,
  kBy,
  kSort,
  kInterval,
  kOnce,
  kLimit,
  kWatch,
  kTenant,
  kTunnel,
  kName,
  kHooks,
};

struct OptionInfo {
  Option option{};
  std::string_view name;     // "--socket"
  std::string_view letter;   // "-h"; empty: it has none
  std::string_view value;    // "PATH"; empty: it takes none
  std::string_view meaning;  // lines, as --help shows them
};

struct CommandInfo {
  Command command{};
  std::string_view name;
  Operands operands{};
  std::string_view summary;      // one line
  std::vector<Option> options;   // of its own; those in common_options() are everybody's
  std::string_view description;  // paragraphs
  std::vector<std::string_view> examples;
};

std::span<const CommandInfo> command_table();
std::span<const OptionInfo> option_table();

/// The values of an option behind a command, where they are words that we know.
std::vector<std::string_view> values_of(Option option, Command command);

const CommandInfo* find_command(std::string_view name);
const CommandInfo& info_of(Command command);  // not of kNone
/// By its name or its letter.
const OptionInfo* find_option(std::string_view word);
const OptionInfo& info_of(Option option);

/// Those that every command takes.
std::span<const Option> common_options();

/// "[FILTER]", "ID", "PACKET", or nothing.
std::string_view shown(Operands operands);
/// What they may be, for --help; empty where nothing needs saying.
std::string_view explained(Operands operands);

/// "tunnels, tenants, ..."
std::string list_of_commands();

}  // namespace flowctl
