#include "tools/flowctl/help.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace flowctl {
namespace {

constexpr std::string_view kExitStatus =
    "Exit status: 0 done, 1 failed (no such flow), 2 wrong usage, 3 no gateway there.\n";

constexpr std::size_t kMostUsage = 92;  // with "Usage: " within 100 columns

using Lines = std::vector<std::pair<std::string, std::string_view>>;  // what stands left, right

std::string joined(std::string_view first, std::string_view second) {
  return second.empty() ? std::string(first) : std::string(first) + " " + std::string(second);
}

// Two columns; what stands right may have lines of its own.
std::string columns(const Lines& lines) {
  std::size_t width = 0;
  for (const auto& [left, right] : lines) {
    width = std::max(width, left.size());
  }
  std::string text;
  for (const auto& [left, right] : lines) {
    text += "  " + left + std::string(width - left.size() + 2, ' ');
    for (const char c : right) {
      text += c;
      text.append(c == '\n' ? width + 4 : 0, ' ');
    }
    text += '\n';
  }
  return text;
}

Lines lines_of(std::span<const Option> options) {
  Lines lines;
  for (const Option option : options) {
    const OptionInfo& info = info_of(option);
    const std::string letter = info.letter.empty() ? "" : std::string(info.letter) + ", ";
    lines.emplace_back(letter + joined(info.name, info.value), info.meaning);
  }
  return lines;
}

std::string usage_of(const CommandInfo& info) {
  std::string usage = "flowctl " + std::string(info.name);
  for (const Option option : info.options) {
    usage += " [" + joined(info_of(option).name, info_of(option).value) + "]";
  }
  usage = joined(usage, shown(info.operands));
  return usage.size() <= kMostUsage
             ? usage
             : joined("flowctl " + std::string(info.name) + " [OPTION]...", shown(info.operands));
}

std::string examples_of(std::span<const std::string_view> examples) {
  std::string text = examples.size() == 1 ? "\nExample:\n" : "\nExamples:\n";
  for (const std::string_view example : examples) {
    text += "  " + std::string(example) + "\n";
  }
  return text;
}

std::string usage_and_commands() {
  Lines lines;
  for (const CommandInfo& info : command_table()) {
    lines.emplace_back(joined(info.name, shown(info.operands)), info.summary);
  }
  return "Usage: flowctl [--socket PATH] [--json] COMMAND\n\nCommands:\n" + columns(lines);
}

std::string help_of_program() {
  return "flowctl asks a running liftgate what it does.\n\n" + usage_and_commands() +
         "\nOptions:\n" + columns(lines_of(common_options())) + "\n" + std::string(kExitStatus) +
         examples_of(std::vector<std::string_view>{
             "flowctl flows", "flowctl flows tenant=acme destination=:443",
             "flowctl --json flows | jq '.[] | select(.idle_ms > 60000) | .id'"});
}

}  // namespace

std::string help(Command command) {
  if (command == Command::kNone) {
    return help_of_program();
  }
  const CommandInfo& info = info_of(command);
  std::string text = "Usage: " + usage_of(info) + "\n\n" + std::string(info.description);
  if (const std::string_view operands = explained(info.operands); !operands.empty()) {
    text += "\n" + std::string(operands);
  }
  if (!info.options.empty()) {
    text += "\nOptions:\n" + columns(lines_of(info.options));
  }
  return text + examples_of(info.examples);
}

std::string full_name(Command command) {
  return command == Command::kNone ? "flowctl" : "flowctl " + std::string(info_of(command).name);
}

std::string short_usage() {
  return usage_and_commands() + "\n`flowctl --help` and `flowctl COMMAND --help` say more.\n";
}

}  // namespace flowctl
