#include "gateway/config/secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/utf8.h"
#include "gateway/inspect/spelling.h"

namespace gateway {
namespace {

using base::Unexpected;
using Text = base::Result<std::string, std::string>;

constexpr std::size_t kMostBytes = 1024;  // chosen: a token, a key, a password
constexpr std::string_view kEnvironment = "env:";
constexpr std::string_view kFile = "file:";

Text from_environment(const std::string& name) {
  if (name.empty()) {
    return Unexpected{std::string("names no environment variable; write env:NAME")};
  }
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) {
    return Unexpected{"the environment has no variable " + in_quotes(name) +
                      "; set it, or write file:PATH"};
  }
  return std::string(value);
}

Text from_file(const std::string& path) {
  // Not blocking: the path could be a pipe's.
  const base::Fd file =
      base::Fd::adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) {
    return Unexpected{base::last_error("cannot read " + in_quotes(path)).message() +
                      "; it must be a file that the gateway's user may read"};
  }
  if (!S_ISREG(status.st_mode)) {
    return Unexpected{in_quotes(path) + " is not a regular file; name one that holds the secret"};
  }
  std::array<char, kMostBytes + 2> room{};  // with a line end, and with one byte too many
  const ssize_t bytes = ::read(file.get(), room.data(), room.size());
  if (bytes < 0) {
    return Unexpected{base::last_error("cannot read " + in_quotes(path)).message()};
  }
  std::string text(room.data(), static_cast<std::size_t>(bytes));
  if (text.ends_with('\n')) {
    text.pop_back();
  }
  return text;
}

}  // namespace

base::Result<Secret, std::string> read_secret(std::string_view text) {
  if (text.empty()) {
    return Secret{};
  }
  const bool in_environment = text.starts_with(kEnvironment);
  const bool in_file = text.starts_with(kFile);
  const Text found = in_environment
                         ? from_environment(std::string(text.substr(kEnvironment.size())))
                     : in_file ? from_file(std::string(text.substr(kFile.size())))
                               : Text(std::string(text));
  if (!found) {
    return Unexpected{found.error()};
  }
  if (found->empty() || found->size() > kMostBytes || !base::is_printable(*found)) {
    return Unexpected{
        fmt::format("a secret has 1 to {} printable characters in one line, and "
                    "this has not; write another",
                    kMostBytes)};
  }
  return Secret{.value = *found,
                .source = in_environment || in_file ? std::string(text) : std::string()};
}

}  // namespace gateway
