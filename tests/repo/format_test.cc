// Every C++ file is as clang-format 19 would write it.

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "tests/repo/source_tree.h"

namespace {

struct Finished {
  int status;  // as from wait(2)
  std::string output;
};

Finished run_shell(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  if (pipe == nullptr) {
    return {.status = -1, .output = "popen failed"};
  }
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    output.push_back(static_cast<char>(c));
  }
  return {.status = ::pclose(pipe), .output = output};
}

TEST(Format, EveryCppFileIsAsClangFormatWritesIt) {
  if (run_shell("command -v clang-format-19").status != 0) {
    ASSERT_FALSE(repo::nothing_may_be_skipped()) << "clang-format-19 is not installed";
    GTEST_SKIP() << "clang-format-19 is not installed";
  }
  // One process for all of them would take a minute.
  std::string command = "cd '" + repo::kRoot.string() + "' && printf '%s\\0'";
  std::size_t files = 0;
  for (const auto& file : repo::all_files()) {
    if (repo::is_cpp(file)) {
      command += " " + file.string();
      ++files;
    }
  }
  ASSERT_GT(files, 20U);
  command += " | xargs -0 -P \"$(nproc)\" -n 50 clang-format-19 --dry-run -Werror";

  const Finished format = run_shell(command);

  EXPECT_EQ(format.status, 0) << format.output << "Cure: clang-format-19 -i <file>";
}

}  // namespace
