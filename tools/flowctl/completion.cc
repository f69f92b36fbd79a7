#include "tools/flowctl/completion.h"

#include <span>
#include <vector>

#include "gateway/inspect/flow_filter.h"
#include "gateway/inspect/flow_measure.h"
#include "tools/flowctl/command_table.h"

namespace flowctl {
namespace {

// The first ids that there are; nothing where no gateway answers.
constexpr std::string_view kIds =
    R"(flowctl flows 2>/dev/null | while read -r id _ && [ "${n:=0}" -lt 200 ]; do n=$((n + 1)); )"
    R"([ "$id" = ID ] || echo "$id"; done)";

std::string joined(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) {
    text += (text.empty() ? "" : " ") + std::string(word);
  }
  return text;
}

std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return result + "'";
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

// Of a command: its own options and everybody's.
std::vector<Option> options_of(const CommandInfo& info) {
  std::vector<Option> options = info.options;
  options.insert(options.end(), common_options().begin(), common_options().end());
  return options;
}

bool takes_file(Option option) {
  return option == Option::kSocket || option == Option::kWrite;
}

// "tenant= protocol=tcp protocol=udp ... age>"
std::vector<std::string> filter_words() {
  std::vector<std::string> words;
  for (const gateway::FilterKey& key : gateway::filter_keys()) {
    if (key.values.empty()) {
      words.push_back(std::string(key.key) + "=");
    }
    for (const std::string_view value : key.values) {
      words.push_back(std::string(key.key) + "=" + std::string(value));
    }
  }
  return words;
}

std::string filter_text() {
  std::string text;
  for (const std::string& word : filter_words()) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

std::string words_after(const CommandInfo& info) {
  switch (info.operands) {
    case Operands::kFilter:
      return filter_text();
    case Operands::kShell:
      return "bash zsh fish";
    case Operands::kLevel:
      return "trace debug info warn error";
    case Operands::kNone:
    case Operands::kPacket:
    case Operands::kFlowId:
      break;
  }
  return "";
}

std::string all_commands() {
  std::string text;
  for (const CommandInfo& info : command_table()) {
    text += (text.empty() ? "" : " ") + std::string(info.name);
  }
  return text;
}

std::string option_words(std::span<const Option> options) {
  std::string text;
  for (const Option option : options) {
    text += (text.empty() ? "" : " ") + std::string(info_of(option).name);
  }
  return text;
}

// Values that may follow an option; "FILE" stands for a path.
void append_bash_values(std::string& out, const CommandInfo& info) {
  for (const Option option : options_of(info)) {
    const OptionInfo& about = info_of(option);
    if (about.value.empty()) {
      continue;
    }
    const std::string pattern =
        std::string(info.name) + ":" + std::string(about.name) +
        (about.letter.empty() ? ""
                              : "|" + std::string(info.name) + ":" + std::string(about.letter));
    const std::string values =
        takes_file(option) ? "FILE" : joined(values_of(option, info.command));
    out += "    " + pattern + ") values=" + quoted(values) + "; takes=1 ;;\n";
  }
}

std::string bash() {
  std::string out = R"(# bash completion for flowctl
_flowctl() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command='' i
  # A filter's "=" and an option's are words of their own to bash.
  local line=${COMP_LINE:0:COMP_POINT}
  local whole=${line##*[[:space:]]} prefix=''
  if [[ $whole == *=* && $whole != -* ]]; then prefix=${whole%=*}=; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --socket) ((i++)) ;;
      -*|=) ;;
      *) command=${COMP_WORDS[i]}; break ;;
    esac
  done
  local options='' words='' values='' takes=''
  case $command in
)";
  out += "    '') options=" + quoted(option_words(common_options())) +
         "; words=" + quoted(all_commands()) + " ;;\n";
  for (const CommandInfo& info : command_table()) {
    out += "    " + std::string(info.name) + ") options=" + quoted(option_words(options_of(info)));
    out += info.operands == Operands::kFlowId ? "; words=$(" + std::string(kIds) + ")"
                                              : "; words=" + quoted(words_after(info));
    out += " ;;\n";
  }
  out += "  esac\n  case $command:$before in\n    *:--socket) values=FILE; takes=1 ;;\n";
  for (const CommandInfo& info : command_table()) {
    append_bash_values(out, info);
  }
  out += R"(  esac
  if [[ -n $takes ]]; then
    if [[ $values == FILE ]]; then
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
    else
      mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current")
    fi
    return
  fi
  if [[ $current == -* ]]; then words=$options; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$whole")
  if [[ -n $prefix ]]; then COMPREPLY=("${COMPREPLY[@]#"$prefix"}"); fi
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -F _flowctl flowctl
)";
  return out;
}

// "'--by[flow, tenant, tunnel or rule]:WHAT:(flow tenant)'"
std::string zsh_option(const CommandInfo& info, Option option) {
  const OptionInfo& about = info_of(option);
  std::string text;
  for (const char c : first_line(about.meaning)) {
    text += c == '[' || c == ']' || c == ':' ? std::string("\\") + c : std::string(1, c);
  }
  std::string spec = std::string(about.name) + "[" + text + "]";
  if (!about.value.empty()) {
    const auto values = values_of(option, info.command);
    spec += ":" + std::string(about.value) + ":" +
            (takes_file(option) ? "_files"
             : values.empty()   ? " "
                                : "(" + joined(values) + ")");
  }
  return quoted(spec);
}

std::string zsh_operands(const CommandInfo& info) {
  switch (info.operands) {
    case Operands::kFilter:
      return " '*:filter:(" + filter_text() + ")'";
    case Operands::kFlowId:
      return " '1:flow:_flowctl_ids'";
    case Operands::kShell:
      return " '1:shell:(bash zsh fish)'";
    case Operands::kLevel:
      return " '1:level:(trace debug info warn error)'";
    case Operands::kPacket:
    case Operands::kNone:
      break;
  }
  return "";
}

std::string zsh() {
  std::string out = "#compdef flowctl\n_flowctl_ids() {\n  local -a ids\n  ids=(${(f)\"$(" +
                    std::string(kIds) + ")\"})\n  compadd -a ids\n}\n_flowctl() {\n" +
                    "  local -a commands\n  commands=(\n";
  for (const CommandInfo& info : command_table()) {
    out += "    " + quoted(std::string(info.name) + ":" + std::string(info.summary)) + "\n";
  }
  out += R"(  )
  local command=''
  integer i
  for ((i = 2; i < CURRENT; i++)); do
    case ${words[i]} in
      --socket) ((i++)) ;;
      -*) ;;
      *) command=${words[i]}; break ;;
    esac
  done
  if [[ -z $command ]]; then
    if [[ ${words[CURRENT]} == -* ]]; then
      _arguments)";
  for (const Option option : common_options()) {
    out += " " + zsh_option(command_table().front(), option);
  }
  out += R"(
    else
      _describe command commands
    fi
    return
  fi
  shift $((i - 1)) words
  ((CURRENT -= i - 1))
  case $command in
)";
  for (const CommandInfo& info : command_table()) {
    out += "    " + std::string(info.name) + ") _arguments";
    for (const Option option : options_of(info)) {
      out += " " + zsh_option(info, option);
    }
    out += zsh_operands(info) + " ;;\n";
  }
  return out +
         "  esac\n}\nif [[ $funcstack[1] == _flowctl ]]; then _flowctl \"$@\"; else "
         "compdef _flowctl flowctl; fi\n";
}

std::string fish_option(Option option, const std::string& condition, Command command) {
  const OptionInfo& about = info_of(option);
  std::string out = "complete -c flowctl" + condition + " -l " + std::string(about.name.substr(2));
  if (!about.letter.empty()) {
    out += " -s " + std::string(about.letter.substr(1));
  }
  if (takes_file(option)) {
    out += " -r -F";
  } else if (!about.value.empty()) {
    out += " -x -a " + quoted(joined(values_of(option, command)));
  }
  return out + " -d " + quoted(first_line(about.meaning)) + "\n";
}

std::string fish() {
  const std::string commands = all_commands();
  std::string out = "# fish completion for flowctl\ncomplete -c flowctl -f\n";
  for (const Option option : common_options()) {
    out += fish_option(option, "", Command::kNone);
  }
  for (const CommandInfo& info : command_table()) {
    const std::string name(info.name);
    const std::string inside = " -n '__fish_seen_subcommand_from " + name + "'";
    out += "complete -c flowctl -n 'not __fish_seen_subcommand_from " + commands + "' -a " + name +
           " -d " + quoted(info.summary) + "\n";
    for (const Option option : info.options) {
      out += fish_option(option, inside, info.command);
    }
    if (info.operands == Operands::kFlowId) {
      out += "complete -c flowctl" + inside +
             " -a '(flowctl flows 2>/dev/null | string match -r \"^ *[0-9]+\" | string trim)'\n";
    } else if (const std::string words = words_after(info); !words.empty()) {
      out += "complete -c flowctl" + inside + " -a " + quoted(words) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string completion(std::string_view shell) {
  if (shell == "bash") {
    return bash();
  }
  return shell == "zsh" ? zsh() : fish();
}

}  // namespace flowctl
