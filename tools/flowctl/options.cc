#include "tools/flowctl/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/utf8.h"

namespace flowctl {
namespace {

using base::Unexpected;

constexpr std::array<std::pair<std::string_view, Command>, 8> kCommands = {{
    {"tunnels", Command::kTunnels},
    {"tenants", Command::kTenants},
    {"flows", Command::kFlows},
    {"flow", Command::kFlow},
    {"kill", Command::kKill},
    {"nat", Command::kNat},
    {"stats", Command::kStats},
    {"drops", Command::kDrops},
}};

std::string shown(std::string_view text) {
  return "'" + base::printable(text, 64) + "'";
}

std::string known_commands() {
  std::string list;
  for (const auto& [word, command] : kCommands) {
    list += (list.empty() ? "" : ", ") + std::string(word);
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

  void option(const std::string& word) {
    static constexpr std::string_view kSocketIs = "--socket=";
    if (word == "--json") {
      options_.json = true;
    } else if (word == "--all") {
      options_.all = true;
    } else if (word == "--help" || word == "-h") {
      options_.help = true;
    } else if (word == "--version") {
      options_.version = true;
    } else if (word.starts_with(kSocketIs)) {
      socket(word.substr(kSocketIs.size()));
    } else if (word == "--socket") {
      words_.empty() ? fail("--socket needs a path") : socket(take());
    } else {
      fail("unknown option " + shown(word));
    }
  }

  void socket(const std::string& path) {
    path.empty() ? fail("--socket needs a path") : void(options_.socket = path);
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
    const auto* found =
        std::ranges::find(kCommands, word, [](const auto& pair) { return pair.first; });
    if (found == kCommands.end()) {
      fail("unknown command " + shown(word) + "; commands: " + known_commands());
      return;
    }
    options_.command = found->second;
    name_ = word;
  }

  void check() {
    if (options_.command == Command::kNone) {
      fail("no command; commands: " + known_commands());
    } else if (options_.all && options_.command != Command::kDrops) {
      fail("--all belongs to drops only");
    } else if (options_.command == Command::kFlows) {
      options_.filter = std::move(operands_);
    } else if (options_.command == Command::kFlow || options_.command == Command::kKill) {
      flow_id();
    } else if (!operands_.empty()) {
      fail(name_ + " takes no " + shown(operands_.front()));
    }
  }

  void flow_id() {
    if (operands_.size() != 1) {
      fail(name_ + " takes the id of one flow, as `flowctl flows` shows it");
      return;
    }
    const std::string& text = operands_.front();
    const auto [end, failed] =
        std::from_chars(text.data(), text.data() + text.size(), options_.flow_id);
    if (failed != std::errc() || end != text.data() + text.size()) {
      fail(shown(text) + " is not the id of a flow, which is a number");
    }
  }

  void fail(std::string why) { error_ = std::move(why); }

  std::span<const std::string> words_;
  Options options_;
  std::string name_;  // of the command
  std::vector<std::string> operands_;
  std::string error_;
};

}  // namespace

base::Result<Options, std::string> parse_options(std::span<const std::string> words) {
  return Reader(words).read();
}

}  // namespace flowctl
