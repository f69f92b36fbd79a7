// The project's files as the repository rules see them: what git would hold.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace repo {

namespace fs = std::filesystem;

inline const fs::path kRoot = LIFTGATE_SOURCE_ROOT;

/// As .gitignore says; git itself need not be here.
inline bool is_ignored(const fs::path& relative) {
  const std::string first = relative.begin()->string();
  return first == ".git" || first.starts_with("build") || first == ".cache" ||
         first == "compile_commands.json";
}

/// Paths relative to kRoot.
inline std::vector<fs::path> all_files() {
  std::vector<fs::path> files;
  for (auto entry = fs::recursive_directory_iterator(kRoot); entry != fs::end(entry); ++entry) {
    const fs::path relative = fs::relative(entry->path(), kRoot);
    if (is_ignored(relative)) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(relative);
    }
  }
  return files;
}

inline bool is_cpp(const fs::path& file) {
  return file.extension() == ".h" || file.extension() == ".cc";
}

/// The C++ files below `folder`.
inline std::vector<fs::path> cpp_files(const std::string& folder) {
  std::vector<fs::path> files = all_files();
  std::erase_if(files, [&](const fs::path& file) {
    return !is_cpp(file) || !file.string().starts_with(folder + "/");
  });
  return files;
}

inline std::vector<std::string> lines_of(const fs::path& relative) {
  std::vector<std::string> lines;
  std::ifstream file(kRoot / relative);
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

/// What each #include of the file names: the first group of `form`.
inline std::vector<std::string> includes_of(const fs::path& relative, const std::regex& form) {
  std::vector<std::string> included;
  std::smatch match;
  for (const std::string& line : lines_of(relative)) {
    if (line.find("include") != std::string::npos && std::regex_search(line, match, form)) {
      included.push_back(match[1]);
    }
  }
  return included;
}

inline const std::regex kQuotedInclude(R"re(^\s*#\s*include\s+"([^"]+)")re");
inline const std::regex kSystemInclude(R"re(^\s*#\s*include\s+<([^>]+)>)re");

/// Set where skipping is not allowed: a missing tool or kernel feature is a failure then.
inline bool nothing_may_be_skipped() {
  return std::getenv("LIFTGATE_REQUIRE_SANDBOX") != nullptr;
}

}  // namespace repo
