#include "integration/support/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <ostream>
#include <utility>

#include "integration/support/must.h"
#include "netns/capabilities.h"
#include "netns/exec_report.h"
#include "netns/spawn.h"

namespace integration {

using base::Fd;

namespace {

Fd memory_file(const char* name) {
  return Fd::adopt(must_call(::memfd_create(name, MFD_CLOEXEC), "memfd_create"));
}

std::string contents_of(const Fd& file) {
  std::string text;
  std::array<char, 16 * 1024> part{};
  for (;;) {
    const auto offset = static_cast<off_t>(text.size());
    const auto size = must_call(::pread(file.get(), part.data(), part.size(), offset), "pread");
    if (size == 0) {
      return text;
    }
    text.append(part.data(), static_cast<std::size_t>(size));
  }
}

void write_all(const Fd& to, std::string_view text) {
  while (!text.empty()) {
    const auto written = must_call(::write(to.get(), text.data(), text.size()), "write");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::vector<std::string> environment_with(const std::vector<std::string>& more) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  // The first of two equal names wins for getenv, so ours go to the front.
  environment.insert(environment.begin(), more.begin(), more.end());
  return environment;
}

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

// The program's ends of its standard streams, and ours.
struct Program::Streams {
  Fd input_theirs, input_ours;
  Fd out = memory_file("stdout");
  Fd err = memory_file("stderr");

  explicit Streams(const ProgramOptions& options) {
    if (options.keep_input_open) {
      std::array<int, 2> ends{};
      must_call(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
      input_theirs = Fd::adopt(ends[0]);
      input_ours = Fd::adopt(ends[1]);
      write_all(input_ours, options.input);
    } else {
      input_theirs = memory_file("stdin");
      write_all(input_theirs, options.input);
      must_call(::lseek(input_theirs.get(), 0, SEEK_SET), "lseek");
    }
  }
};

namespace {

// netns::spawn() does it inside of a sandbox; this is the same for the host side.
netns::Process spawn_on_host(const netns::Command& command, const ProgramOptions& options) {
  auto report = must(netns::ExecReport::open());
  const std::vector<char*> arguments = pointers_to(command.argv);
  const std::vector<char*> environment = pointers_to(command.environment);
  const std::string doing = "executing " + command.argv.front();
  const pid_t parent = ::getpid();
  netns::Process child;
  int pidfd = -1;
  child.pid = netns::clone_process(0, &pidfd);
  if (child.pid == 0) {
    netns::reset_signals();
    const bool placed = ::dup2(command.stdin_fd, STDIN_FILENO) >= 0 &&
                        ::dup2(command.stdout_fd, STDOUT_FILENO) >= 0 &&
                        ::dup2(command.stderr_fd, STDERR_FILENO) >= 0;
    const bool moved =
        command.working_directory.empty() || ::chdir(command.working_directory.c_str()) == 0;
    const bool bound = ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && ::getppid() == parent;
    const bool allowed = !options.as_network_admin || netns::keep_capabilities_over_exec() == 0;
    const bool prepared = options.before_exec == nullptr || options.before_exec();
    if (placed && moved && bound && allowed && prepared) {
      ::execvpe(arguments.front(), arguments.data(), environment.data());
    }
    report.fail(doing.c_str(), errno);
  }
  must_call(child.pid, "clone");
  child.pidfd = Fd::adopt(pidfd);
  if (const auto executed = report.wait(); !executed) {
    (void)netns::wait_for_exit(child.pidfd);
    give_up(executed.error().message());
  }
  return child;
}

netns::Command command_of(const Program::Words& words, const ProgramOptions& options, int input,
                          int out, int err) {
  netns::Command command;
  command.argv = words;
  command.environment = environment_with(options.environment);
  command.stdin_fd = options.connection != nullptr ? options.connection->get() : input;
  command.stdout_fd = options.connection != nullptr ? options.connection->get() : out;
  command.stderr_fd = err;
  command.working_directory = options.working_directory;
  return command;
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const Finished& finished) {
  if (finished.status == Finished::kTookTooLong) {
    stream << "took too long";
  } else {
    stream << "exit status " << finished.status;
  }
  return stream << "\n--- stdout\n" << finished.out << "\n--- stderr\n" << finished.err << "\n---";
}

Program::Program(netns::Process process, Streams streams)
    : process_(std::move(process)),
      input_(std::move(streams.input_ours)),
      out_(std::move(streams.out)),
      err_(std::move(streams.err)) {}

Program::Program(Program&& other) noexcept = default;

Program Program::start(const Words& words, const ProgramOptions& options) {
  Streams streams(options);
  const auto command =
      command_of(words, options, streams.input_theirs.get(), streams.out.get(), streams.err.get());
  auto process = spawn_on_host(command, options);
  return {std::move(process), std::move(streams)};
}

Program Program::start_in(const netns::Sandbox& sandbox, const Words& words,
                          const ProgramOptions& options) {
  Streams streams(options);
  const auto command =
      command_of(words, options, streams.input_theirs.get(), streams.out.get(), streams.err.get());
  auto process = must(netns::spawn(sandbox, command));
  return {std::move(process), std::move(streams)};
}

Program::~Program() {
  if (process_.pidfd.is_open()) {
    netns::send_signal(process_.pidfd, SIGKILL);
    (void)netns::wait_for_exit(process_.pidfd);
  }
}

Finished Program::wait(base::Duration limit) {
  end_input();
  const bool in_time = netns::exits_within(process_.pidfd, limit);
  if (!in_time) {
    netns::send_signal(process_.pidfd, SIGKILL);
  }
  const int status = must(netns::wait_for_exit(process_.pidfd));
  process_.pidfd.reset();
  return {.status = in_time ? status : Finished::kTookTooLong, .out = out(), .err = err()};
}

bool Program::is_running() const {
  return process_.pidfd.is_open() && !netns::exits_within(process_.pidfd, 0ms);
}

void Program::signal(int number) const {
  netns::send_signal(process_.pidfd, number);
}

void Program::type(const std::string& text) {
  write_all(input_, text);
}

void Program::end_input() {
  input_.reset();
}

std::string Program::out() const {
  return contents_of(out_);
}

std::string Program::err() const {
  return contents_of(err_);
}

Finished run(const Program::Words& words, base::Duration limit, const ProgramOptions& options) {
  return Program::start(words, options).wait(limit);
}

}  // namespace integration
