#include "tools/flowctl/options.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/utf8.h"

namespace flowctl {
namespace {

using base::Unexpected;

std::string quoted(std::string_view text) {
  return "'" + base::printable(text, 64) + "'";
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

  base::Result<Options, std::string> read() {
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
      return Unexpected{error_};
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
      fail("unknown option " + quoted(word));
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
    }
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
      fail("unknown command " + quoted(word) + "; commands: " + list_of_commands());
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
    switch (info.operands) {
      case Operands::kFilter:
        options_.filter = std::move(operands_);
        return;
      case Operands::kFlowId:
        flow_id(info);
        return;
      case Operands::kNone:
        if (!operands_.empty()) {
          fail(std::string(info.name) + " takes no " + quoted(operands_.front()));
        }
        return;
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
  std::vector<std::string> operands_;
  std::string error_;
};

}  // namespace

base::Result<Options, std::string> parse_options(std::span<const std::string> words) {
  return Reader(words).read();
}

}  // namespace flowctl
