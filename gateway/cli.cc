// Everything that needs CLI11, which costs seconds of compiling, is in this file.
#include "gateway/cli.h"

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>

#include "gateway/config/config_loader.h"
#include "gateway/config/config_writer.h"
#include "gateway/doctor.h"
#include "gateway/doctor_confinement.h"
#include "gateway/hooks/table_text.h"
#include "gateway/inspect/spelling.h"
#include "gateway/log.h"
#include "gateway/reload/reload_command.h"
#include "gateway/run/publish_option.h"
#include "gateway/serve/serve_command.h"

namespace gateway {
namespace {

using Command = CommandLine::Command;
using Words = std::vector<std::string>;

constexpr const char* kProgram = "liftgate";

constexpr const char* kExamples =
    R"(Examples:
  liftgate run -- curl https://example.com/   a program in a network of its own
  liftgate serve --config gateway.yaml        the daemon, for tunnels
  liftgate config default > gateway.yaml      a file to start from
  liftgate doctor                             what this machine allows)";
constexpr const char* kRunExamples =
    R"(Everything from the first word on that is not an option belongs to the command.

The network ends with the command: whatever the command has left running then is ended, too
(SIGTERM, after a second SIGKILL). What the command has sent still arrives.

Of the configuration, what is for daemons only is ignored: onramps, all tenants but the first,
telemetry.listen, and a log.level below warn, since standard error is the command's.

Examples:
  liftgate run -- make test
  liftgate run --audit flows.jsonl -- npm install
  liftgate run -p 8080:80 -- nginx -g 'daemon off;'
  liftgate run --config ci.yaml --map-host 10.0.2.2 -- ./integration-tests)";
constexpr const char* kServeExamples =
    R"(Examples:
  liftgate serve
  liftgate serve --config /etc/liftgate.yaml)";
constexpr const char* kConfigExamples =
    R"(Examples:
  liftgate config default > gateway.yaml
  liftgate config check gateway.yaml)";
constexpr const char* kDefaultExamples =
    R"(Examples:
  liftgate config default > gateway.yaml)";
constexpr const char* kCheckExamples =
    R"(Exits 0 without a word, or 1 with every problem as FILE:LINE:COLUMN: KEY: what is wrong.

Examples:
  liftgate config check gateway.yaml)";
constexpr const char* kDoctorExamples =
    R"(Exits 0 when everything that liftgate needs works, else 1.

Examples:
  liftgate doctor
  liftgate doctor --json | jq '.checks[] | select(.mark != "ok")')";

constexpr const char* kReloadExamples =
    R"(Has a running gateway take over its configuration file, or another: rules, limits of tenants, the
log and most timeouts, from this moment on. Flows that the new rules would not have let in end
(reason "policy"); all others go on. What else has changed is named, and holds after a restart. With
a mistake in the file nothing changes, and every mistake is said. SIGHUP to `liftgate serve` does the
same, and opens the audit log again.

Exit status: 0 done, 1 refused, 2 wrong usage, 3 no gateway there.

Examples:
  liftgate reload
  liftgate reload --config /etc/liftgate.new.yaml --socket /run/liftgate/control.sock)";

constexpr const char* kHooksExamples =
    R"(An app is a gateway that an author has extended: a program of its own with the commands of this
one, whose `hooks` says which hooks it has. The rules of the file are the first app of each, and are
asked before it.

Examples:
  liftgate hooks
  liftgate hooks --json | jq -r '.hooks[] | select(.kind == "decision") | .name')";

// CLI11's help with our own first line.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) {
    column_width(26);
    label("TEXT", "");
    label("REQUIRED", "");
  }
  [[nodiscard]] std::string make_usage(const CLI::App* /*app*/,
                                       std::string /*name*/) const override {
    return "Usage: " + usage_ + "\n";
  }

 private:
  std::string usage_;
};

// The parser and the variables that it fills.
class Parser {
 public:
  CLI::App app{"A root-free userspace L3 gateway: IP packets in, kernel TCP out.", kProgram};
  CLI::App* run = nullptr;
  CLI::App* serve = nullptr;
  CLI::App* config = nullptr;
  CLI::App* config_default = nullptr;
  CLI::App* config_check = nullptr;
  CLI::App* doctor = nullptr;
  CLI::App* reload = nullptr;
  CLI::App* hooks = nullptr;
  CommandLine chosen;
  std::string map_host;
  Words publish;

  Parser();

 private:
  CLI::App* add(CLI::App& parent, const char* name, const char* usage, const char* what,
                const char* examples);
  void take_config(CLI::App* command);
};

CLI::App* Parser::add(CLI::App& parent, const char* name, const char* usage, const char* what,
                      const char* examples) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->formatter(std::make_shared<HelpFormatter>(usage));
  command->footer(examples);
  command->set_help_flag("-h,--help", "Print this and exit");
  return command;
}

void Parser::take_config(CLI::App* command) {
  command->add_option("--config", chosen.config_path, "The YAML file; without it, the defaults")
      ->type_name("FILE");
}

Parser::Parser() {
  app.formatter(std::make_shared<HelpFormatter>("liftgate COMMAND [OPTION]..."));
  app.footer(kExamples);
  app.set_help_flag("-h,--help", "Print this and exit");
  app.set_version_flag("--version", std::string("liftgate ") + LIFTGATE_VERSION,
                       "Print the version and exit");
  app.require_subcommand(1);

  run = add(app, "run",
            "liftgate run [--config FILE] [-p|--publish [ADDR:]HOSTPORT:PORT[/tcp|/udp]]...\n"
            "                    [--map-host ADDR] [--audit FILE] -- CMD [ARG...]",
            "Run a command in a network of its own", kRunExamples);
  take_config(run);
  run->add_option("-p,--publish", publish,
                  "A port of this host that leads to one inside: of every address, v4 and v6,\n"
                  "unless ADDR is given; HOSTPORT 0: the kernel chooses, and it is said;\n"
                  "8000-8009:9000-9009: ten of them")
      ->type_name(std::string(kPublishUsage))
      ->allow_extra_args(false);
  run->add_option("--map-host", map_host, "The address that stands for this host's loopback inside")
      ->type_name("ADDR");
  run->add_option("--audit", chosen.audit_path, "Write a line for each flow's start and end here")
      ->type_name("FILE");

  serve = add(app, "serve", "liftgate serve [--config FILE]", "Serve tunnels until told to stop",
              kServeExamples);
  take_config(serve);

  config = add(app, "config", "liftgate config default | liftgate config check FILE",
               "Print the default configuration, or check a file", kConfigExamples);
  config->require_subcommand(1);
  config_default = add(*config, "default", "liftgate config default",
                       "Print every setting with its default", kDefaultExamples);
  config_check = add(*config, "check", "liftgate config check FILE",
                     "Say everything that is wrong with a file", kCheckExamples);
  config_check->add_option("FILE", chosen.config_path, "The YAML file")->required()->type_name(" ");

  doctor = add(app, "doctor", "liftgate doctor [--json | --audit-syscalls]",
               "Say what this machine allows, and the cure for each lack", kDoctorExamples);
  CLI::Option* json = doctor->add_flag("--json", chosen.json, "For programs");
  doctor
      ->add_flag("--audit-syscalls", chosen.audit_syscalls,
                 "Print the system calls that each process of a gateway may make, and why, and\n"
                 "those that the kernel's log has besides (see `confine: log`)")
      ->excludes(json);

  reload = add(app, "reload", "liftgate reload [--config FILE] [--socket PATH]",
               "Have a running gateway take over its configuration", kReloadExamples);
  reload
      ->add_option("--config", chosen.config_path,
                   "The YAML file; without it, the one that the gateway was started with")
      ->type_name("FILE");
  reload
      ->add_option("--socket", chosen.socket,
                   "The gateway's control socket; without it,\n"
                   "$LIFTGATE_SOCKET, the daemon's, or that of the one `liftgate run`")
      ->type_name("PATH");

  hooks = add(app, "hooks", "liftgate hooks [--json]",
              "Say what an app can be asked and told, and when", kHooksExamples);
  hooks->add_flag("--json", chosen.json, "For programs");
}

CommandLineAnswer usage_error(const std::string& command, const std::string& sentence) {
  return {kExitUsage, "liftgate: " + sentence + "; see `" + command + " --help`\n"};
}

// "liftgate config check"
std::string full_name(const CLI::App& app) {  // NOLINT(misc-no-recursion): three levels of ours
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

std::vector<std::string> children_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(child->get_name());
  }
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string_view best = closest(word, {known.begin(), known.end()});
  return best.empty() ? "" : " (did you mean " + std::string(best) + "?)";
}

// What went wrong at `command`, for whom `word` was too much.
CommandLineAnswer unexpected(const CLI::App& command, const std::string& word) {
  const std::string name = full_name(command);
  const auto children = children_of(command);
  if (word.starts_with("-")) {
    const std::string option = word.substr(0, word.find('='));
    return usage_error(
        name, "unknown option " + in_quotes(option) + suggestion(option, options_of(command)));
  }
  if (!children.empty()) {
    return usage_error(name, "unknown command " + in_quotes(word) + suggestion(word, children));
  }
  return usage_error(name, "unexpected argument " + in_quotes(word));
}

// What `liftgate` alone is told.
CommandLineAnswer short_usage(const CLI::App& app) {
  std::string text = "Usage: liftgate COMMAND [OPTION]...\n\nCommands:\n";
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    text += "  " + command->get_name() + std::string(10 - command->get_name().size(), ' ') +
            command->get_description() + "\n";
  }
  return {kExitUsage, text + "\n`liftgate --help` and `liftgate COMMAND --help` say more.\n"};
}

CommandLineAnswer incomplete(const CLI::App& command) {
  if (command.get_parent() == nullptr) {
    return short_usage(command);
  }
  const auto children = children_of(command);
  const std::string need =
      children.empty() ? "a FILE" : "a command: " + one_of({children.begin(), children.end()});
  return usage_error(full_name(command), "`" + full_name(command) + "` needs " + need);
}

// CLI11's complaint as one sentence of ours.
CommandLineAnswer explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  for (;;) {
    if (const Words rest = command->remaining(); !rest.empty()) {
      return unexpected(*command, rest.front());
    }
    if (command->get_subcommands().empty()) {
      break;
    }
    command = command->get_subcommands().back();
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    return incomplete(*command);
  }
  // "--config: 1 required FILE missing", and the like
  const std::string_view what = error.what();
  const std::string name(what.substr(0, what.find(':')));
  const CLI::Option* option = command->get_option_no_throw(name);
  if (option == nullptr) {
    return usage_error(full_name(*command), std::string(what));
  }
  return usage_error(full_name(*command),
                     name + (option->count() > 1 ? " is given twice" : " needs a value"));
}

// The words behind `run`, cut where its own options end, so that CLI11 never sees the command's.
struct RunWords {
  Words ours;
  Words command;
};
RunWords split_run(const Words& arguments) {
  static constexpr std::array<std::string_view, 5> kWithValue = {"--config", "-p", "--publish",
                                                                 "--map-host", "--audit"};
  std::size_t end = 1;
  while (end < arguments.size() && arguments[end].starts_with('-') && arguments[end] != "--") {
    const bool takes_value = std::ranges::find(kWithValue, arguments[end]) != kWithValue.end();
    end += takes_value ? 2U : 1U;
  }
  end = std::min(end, arguments.size());
  const auto cut = arguments.begin() + static_cast<std::ptrdiff_t>(end);
  const bool dashes = cut != arguments.end() && *cut == "--";
  return {Words(arguments.begin(), cut), Words(dashes ? cut + 1 : cut, arguments.end())};
}

// What CLI11 has put down as text.
std::optional<CommandLineAnswer> read_run_options(Parser& parser, Words command) {
  static const std::string kRun = "liftgate run";
  for (const std::string& text : parser.publish) {
    const auto ports = parse_published(text);
    if (!ports) {
      return usage_error(kRun, "--publish takes " + std::string(kPublishUsage) +
                                   ", both ports or two ranges of one length, got " +
                                   in_quotes(text));
    }
    std::vector<PublishedPorts>& before = parser.chosen.publish;
    const auto same = std::ranges::find_if(
        before, [&](const PublishedPorts& one) { return collide(one, *ports); });
    if (same != before.end()) {
      const auto at = static_cast<std::size_t>(same - before.begin());
      return usage_error(kRun, "--publish " + in_quotes(text) + " and " +
                                   in_quotes(parser.publish[at]) +
                                   " are the same port of this host; choose another for one of "
                                   "them, or 0");
    }
    before.push_back(*ports);
  }
  if (parser.chosen.audit_path == "-") {
    return usage_error(
        kRun, "--audit takes the path of a file, got \"-\"; the terminal is the command's");
  }
  if (!parser.map_host.empty()) {
    parser.chosen.map_host = base::IpAddress::parse(parser.map_host);
    if (!parser.chosen.map_host) {
      return usage_error(kRun, "--map-host takes an IP address, got " + in_quotes(parser.map_host));
    }
    if (const auto why = why_no_map_host(*parser.chosen.map_host)) {
      return usage_error(kRun, "--map-host cannot be " + parser.map_host + ": " + *why +
                                   "; choose an address like 10.0.2.2");
    }
  }
  if (command.empty()) {
    return usage_error(kRun, "no command to run: liftgate run [OPTION]... -- CMD [ARG...]");
  }
  parser.chosen.words = std::move(command);
  return std::nullopt;
}

Command command_of(const Parser& parser) {
  if (parser.run->parsed()) {
    return Command::kRun;
  }
  if (parser.serve->parsed()) {
    return Command::kServe;
  }
  if (parser.doctor->parsed()) {
    return Command::kDoctor;
  }
  if (parser.reload->parsed()) {
    return Command::kReload;
  }
  if (parser.hooks->parsed()) {
    return Command::kHooks;
  }
  return parser.config_default->parsed() ? Command::kConfigDefault : Command::kConfigCheck;
}

// The settings of --config, or the problems said and nothing.
std::optional<Settings> settings_of(const std::string& config_path, std::string_view command,
                                    const hooks::App* app) {
  if (config_path.empty()) {
    Settings settings = default_settings();
    settings.app = hooks::default_settings(app);
    return settings;
  }
  auto loaded = load_config_file(config_path, hooks::default_settings(app));
  if (!loaded) {
    for (const ConfigProblem& problem : loaded.error()) {
      const bool is_of_file = problem.line == 0;  // and not of something in it
      std::cerr << (is_of_file ? command : "") << problem.to_string() << '\n';
    }
    return std::nullopt;
  }
  return std::move(*loaded);
}

// Help, version and usage errors of an app are ours, in its name.
std::string as_said_by(const hooks::App* app, std::string text) {
  if (app == nullptr) {
    return text;
  }
  const std::string version = std::string(kProgram) + " " + LIFTGATE_VERSION + "\n";
  const hooks::AppInfo& info = app->info();
  if (text == version) {
    return info.name + " " + info.version + " (" + version.substr(0, version.size() - 1) + ")\n";
  }
  for (std::size_t at = text.find(kProgram); at != std::string::npos;
       at = text.find(kProgram, at + info.name.size())) {
    text.replace(at, std::string_view(kProgram).size(), info.name);
  }
  return text;
}

int print(const std::string& text) {
  std::cout << text << std::flush;
  return std::cout ? 0 : kExitFailed;
}

int with_settings(CommandLine& line, hooks::App* app) {
  auto settings =
      settings_of(line.config_path,
                  line.command == Command::kServe ? "liftgate serve: " : "liftgate run: ", app);
  if (!settings) {
    return kExitFailed;
  }
  configure_log(settings->log);
  if (line.command == Command::kServe) {
    return serve(*settings, line.config_path, app);
  }
  return run({.settings = std::move(*settings),
              .config_path = line.config_path,
              .publish = std::move(line.publish),
              .map_host = line.map_host,
              .audit_path = std::move(line.audit_path),
              .command = std::move(line.words),
              .app = app});
}

int execute(CommandLine& line, hooks::App* app) {
  switch (line.command) {
    case Command::kRun:
    case Command::kServe:
      return with_settings(line, app);
    case Command::kConfigDefault:
      return print(default_config(hooks::default_settings(app)));
    case Command::kConfigCheck:
      return settings_of(line.config_path, "", app) ? 0 : kExitFailed;
    case Command::kDoctor:
      if (line.audit_syscalls) {
        return audit_syscalls(std::cout);
      }
      return doctor(std::cout, line.json ? DoctorFormat::kJson : DoctorFormat::kText);
    case Command::kReload:
      return reload(line.config_path,
                    line.socket.empty() ? std::nullopt : std::optional(line.socket));
    case Command::kHooks:
      return print(line.json ? hooks::table_json(app) : hooks::table_text(app));
  }
  base::check_failed("command is a Command", __FILE__, __LINE__);
}

}  // namespace

base::Result<CommandLine, CommandLineAnswer> parse_command_line(
    const std::vector<std::string>& given) {
  Words arguments = given;
  if (!arguments.empty() && arguments.front() == "help") {  // `help run` is `run --help`
    std::ranges::rotate(arguments, arguments.begin() + 1);
    arguments.back() = "--help";
  }
  const bool is_run = !arguments.empty() && arguments.front() == "run";
  RunWords words = is_run ? split_run(arguments) : RunWords{arguments, {}};
  std::ranges::reverse(words.ours);  // CLI11 reads from the back
  Parser parser;
  try {
    parser.app.parse(words.ours);
  } catch (const CLI::CallForHelp&) {
    return base::Unexpected{CommandLineAnswer{0, parser.app.help()}};
  } catch (const CLI::CallForVersion& version) {
    return base::Unexpected{CommandLineAnswer{0, std::string(version.what()) + "\n"}};
  } catch (const CLI::ParseError& error) {
    return base::Unexpected{explain(parser.app, error)};
  }
  parser.chosen.command = command_of(parser);
  if (is_run) {
    if (auto wrong = read_run_options(parser, std::move(words.command))) {
      return base::Unexpected{std::move(*wrong)};
    }
  }
  return std::move(parser.chosen);
}

int command_line_main(int argc, const char* const* argv, hooks::App* app) {
  auto line = parse_command_line(Words(argv + 1, argv + std::max(argc, 1)));
  if (!line) {
    const std::string text = as_said_by(app, line.error().text);
    if (line.error().status == 0) {
      return print(text);
    }
    std::cerr << text;
    return line.error().status;
  }
  return execute(*line, app);
}

}  // namespace gateway
