// What `cmake --install` gives to authors of apps is whole, and asks for nothing else of ours.

#include <algorithm>
#include <regex>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/repo/source_tree.h"

namespace {

// The words of `set(headers ...)` in cmake/package.cmake.
std::set<std::string> installed_hook_headers() {
  std::string text;
  for (const std::string& line : repo::lines_of("cmake/package.cmake")) {
    text += line + " ";
  }
  std::smatch list;
  std::set<std::string> headers;
  if (std::regex_search(text, list, std::regex(R"(set\(headers ([^)]*)\))"))) {
    const std::string words = list[1];
    const std::regex word(R"(\w+)");
    for (auto at = std::sregex_iterator(words.begin(), words.end(), word);
         at != std::sregex_iterator(); ++at) {
      headers.insert("gateway/hooks/" + at->str() + ".h");
    }
  }
  return headers;
}

TEST(Package, InstalledHeadersIncludeOnlyInstalledOnes) {
  const auto installed = installed_hook_headers();
  ASSERT_TRUE(installed.contains("gateway/hooks/app.h"));
  for (const std::string& header : installed) {
    for (const std::string& included : repo::includes_of(header, repo::kQuotedInclude)) {
      EXPECT_TRUE(included.starts_with("base/") || included.starts_with("flows/") ||
                  installed.contains(included))
          << header << " includes " << included;
    }
  }
}

TEST(Package, ExamplesIncludeOnlyInstalledHeadersAndAreShort) {
  constexpr std::size_t kMostLines = 150;
  const auto installed = installed_hook_headers();
  const auto examples = repo::cpp_files("examples");
  ASSERT_GE(examples.size(), 4U);
  for (const auto& example : examples) {
    EXPECT_LT(repo::lines_of(example).size(), kMostLines) << example;
    for (const std::string& included : repo::includes_of(example, repo::kQuotedInclude)) {
      EXPECT_TRUE(installed.contains(included)) << example << " includes " << included;
    }
  }
}

}  // namespace
