#include "tools/flowctl/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "gateway/inspect/packet_text.h"
#include "gateway/inspect/spelling.h"

namespace flowctl {
namespace {

using base::Unexpected;

std::string quoted(std::string_view text) {
  return "'" + base::printable(text, 64) + "'";
}

// "; did you mean 'flows'?", or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string_view best = gateway::closest(word, known);
  return best.empty() ? "" : "; did you mean " + quoted(best) + "?";
}

std::vector<std::string_view> known_commands() {
  std::vector<std::string_view> names;
  for (const CommandInfo& info : command_table()) {
    names.push_back(info.name);
  }
  return names;
}

std::vector<std::string_view> known_options() {
  std::vector<std::string_view> names;
  for (const OptionInfo& info : option_table()) {
    names.push_back(info.name);
  }
  return names;
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                   : std::nullopt;
}

// "drops", "events and capture", "events, capture and top"
std::string owners_of(Option option) {
  std::vector<std::string_view> owners;
  for (const CommandInfo& info : command_table()) {
    if (std::ranges::find(info.options, option) != info.options.end()) {
      owners.push_back(info.name);
    }
  }
  std::string list;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    list += i == 0 ? "" : i + 1 == owners.size() ? " and " : ", ";
    list += owners[i];
  }
  return list;
}

// Takes the words one by one; what is left over at the end belongs to the command.
class Reader {
 public:
  explicit Reader(std::span<const std::string> words) : words_(words) {}

  base::Result<Options, UsageError> read() {
    for (bool options_end = false; !words_.empty() && error_.empty();) {
      const std::string& word = take();
      if (!options_end && word == "--") {
        options_end = true;
      } else if (!options_end && word.starts_with('-') && word.size() > 1) {
        option(word);
      } else {
        operand(word);
      }
    }
    if (error_.empty() && !options_.help && !options_.version) {
      check();
    }
    if (!error_.empty()) {
      return Unexpected{UsageError{error_, options_.command}};
    }
    return std::move(options_);
  }

 private:
  const std::string& take() {
    const std::string& word = words_.front();
    words_ = words_.subspan(1);
    return word;
  }

  // "--socket PATH" or "--socket=PATH".
  void option(const std::string& word) {
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const OptionInfo* info = find_option(std::string_view(word).substr(0, equals));
    const bool has_value = equals != std::string::npos;
    if (info == nullptr || (has_value && info->value.empty())) {
      fail("unknown option " + quoted(word) + did_you_mean(word, known_options()));
      return;
    }
    given_.push_back(info->option);
    std::string value;
    if (has_value) {
      value = word.substr(equals + 1);
    } else if (!info->value.empty() && !words_.empty()) {
      value = take();
    }
    if (!info->value.empty() && value.empty()) {
      fail(std::string(info->name) + " needs a " + what_is(info->value));
      return;
    }
    set(*info, value);
  }

  void set(const OptionInfo& info, const std::string& value) {
    switch (info.option) {
      case Option::kSocket:
        options_.socket = value;
        return;
      case Option::kJson:
        options_.json = true;
        return;
      case Option::kHelp:
        options_.help = true;
        return;
      case Option::kVersion:
        options_.version = true;
        return;
      case Option::kAll:
        options_.all = true;
        return;
      case Option::kCount:
        options_.count = positive(info, value);
        return;
      case Option::kWrite:
        options_.file = value;
        return;
      case Option::kSeconds:
        options_.seconds = seconds(info, value);
        return;
      case Option::kSnapLength:
        options_.snap_bytes = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(positive(info, value).value_or(0), UINT32_MAX));
        return;
      case Option::kBy:
        group_by(value);
        return;
      case Option::kSort:
        sort_ = value;
        return;
      case Option::kInterval:
        options_.interval = seconds(info, value);
        return;
      case Option::kOnce:
        options_.once = true;
        return;
      case Option::kLimit:
        options_.limit = positive(info, value);
        return;
      case Option::kHooks:
        options_.hooks = true;
        return;
      case Option::kWatch:
        options_.watch = true;
        return;
      case Option::kTenant:
        options_.query.tenant = value;
        return;
      case Option::kTunnel:
        options_.query.tunnel = value;
        return;
      case Option::kName:
        options_.query.host = value;
        return;
    }
  }

  void group_by(const std::string& value) {
    if (const auto grouping = grouping_named(value)) {
      options_.grouping = *grouping;
    } else {
      fail("--by " + quoted(value) + " is not flow, tenant, tunnel or rule");
    }
  }

  // Which keys there are depends on the command.
  void sort_by() {
    const auto flow_order = FlowOrder::named(*sort_);
    const auto rate_order = rate_order_named(*sort_);
    if (options_.command == Command::kFlows && flow_order) {
      options_.flow_order = *flow_order;
    } else if (options_.command == Command::kTop && rate_order) {
      options_.rate_order = *rate_order;
    } else {
      std::string known;
      for (const std::string_view one : values_of(Option::kSort, options_.command)) {
        known += (known.empty() ? "" : ", ") + std::string(one);
      }
      fail("--sort " + quoted(*sort_) + " is not one of " + known);
    }
  }

  // "10", "0.5", "10s".
  std::optional<std::chrono::milliseconds> seconds(const OptionInfo& info, std::string_view value) {
    static constexpr double kMost = 1e9;
    const std::string_view digits = value.substr(0, value.size() - (value.ends_with('s') ? 1 : 0));
    const auto number = number_in<double>(digits);
    if (!number || !(*number >= 0.001 && *number <= kMost)) {
      fail(std::string(info.name) + " " + quoted(value) + " is not a number of seconds above 0");
      return std::nullopt;
    }
    return std::chrono::milliseconds(std::llround(*number * 1000));
  }

  std::optional<std::uint64_t> positive(const OptionInfo& info, const std::string& value) {
    const auto number = number_in<std::uint64_t>(value);
    if (!number || *number == 0) {
      fail(std::string(info.name) + " " + quoted(value) + " is not a whole number above 0");
      return std::nullopt;
    }
    return number;
  }

  // A placeholder as a word.
  static std::string what_is(std::string_view value) {
    std::string result(value == "N" ? "number" : value);
    std::ranges::transform(result, result.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
  }

  void operand(const std::string& word) {
    if (options_.command != Command::kNone) {
      operands_.push_back(word);
      return;
    }
    if (word == "help") {
      options_.help = true;
      return;
    }
    const CommandInfo* found = find_command(word);
    if (found == nullptr) {
      const std::string meant = did_you_mean(word, known_commands());
      fail("unknown command " + quoted(word) +
           (meant.empty() ? "; commands: " + list_of_commands() : meant));
      return;
    }
    options_.command = found->command;
  }

  void check() {
    if (options_.command == Command::kNone) {
      fail("no command; commands: " + list_of_commands());
      return;
    }
    const CommandInfo& info = info_of(options_.command);
    for (const Option option : given_) {
      if (std::ranges::find(common_options(), option) == common_options().end() &&
          std::ranges::find(info.options, option) == info.options.end()) {
        fail(std::string(info_of(option).name) + " belongs to " + owners_of(option) + " only");
        return;
      }
    }
    if (info.command == Command::kStats && !options_.watch) {
      for (const Option option : {Option::kCount, Option::kInterval}) {
        if (std::ranges::find(given_, option) != given_.end()) {
          fail(std::string(info_of(option).name) + " needs --watch");
          return;
        }
      }
    }
    if (info.command == Command::kCapture && options_.file.empty()) {
      fail("capture needs -w FILE, where - is standard output");
      return;
    }
    if (sort_) {
      sort_by();
    }
    switch (info.operands) {
      case Operands::kFilter:
        options_.filter = std::move(operands_);
        return;
      case Operands::kFlowId:
        flow_id(info);
        return;
      case Operands::kShell:
        shell(info);
        return;
      case Operands::kPacket:
        packet();
        return;
      case Operands::kLevel:
        level(info);
        return;
      case Operands::kNone:
        if (!operands_.empty()) {
          fail(std::string(info.name) + " takes no " + quoted(operands_.front()));
        }
        return;
    }
  }

  void shell(const CommandInfo& info) {
    static constexpr std::array<std::string_view, 3> kShells = {"bash", "zsh", "fish"};
    if (operands_.size() != 1 || std::ranges::find(kShells, operands_.front()) == kShells.end()) {
      fail(std::string(info.name) + " takes the name of a shell: bash, zsh or fish");
      return;
    }
    options_.shell = operands_.front();
  }

  void level(const CommandInfo& info) {
    static constexpr std::array<std::string_view, 5> kLevels = {"trace", "debug", "info", "warn",
                                                                "error"};
    const bool is_one =
        operands_.size() == 1 && std::ranges::find(kLevels, operands_.front()) != kLevels.end();
    if (!operands_.empty() && !is_one) {
      fail(std::string(info.name) + " takes one level: trace, debug, info, warn or error");
      return;
    }
    options_.level = operands_.empty() ? "" : operands_.front();
  }

  // In one word or several, as the shell leaves it.
  void packet() {
    for (const std::string& word : operands_) {
      options_.query.packet += (options_.query.packet.empty() ? "" : " ") + word;
    }
    const auto read = gateway::parse_packet_text(options_.query.packet);
    if (!read) {
      fail(read.error().to_string());
    }
  }

  void flow_id(const CommandInfo& info) {
    if (operands_.size() != 1) {
      fail(std::string(info.name) + " takes the id of one flow, as `flowctl flows` shows it");
      return;
    }
    const auto id = number_in<std::uint64_t>(operands_.front());
    if (!id) {
      fail(quoted(operands_.front()) + " is not the id of a flow, which is a number");
      return;
    }
    options_.flow_id = *id;
  }

  void fail(std::string why) { error_ = std::move(why); }

  std::span<const std::string> words_;
  Options options_;
  std::vector<Option> given_;
  std::optional<std::string> sort_;
  std::vector<std::string> operands_;
  std::string error_;
};

}  // namespace

base::Result<Options, UsageError> parse_options(std::span<const std::string> words) {
  return Reader(words).read();
}

}  // namespace flowctl
