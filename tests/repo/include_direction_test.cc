// The arrows between the folders, kept true by a test: see "Layout" in README.md.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/repo/source_tree.h"

namespace {

// Each folder, and what its files may include from outside of it: prefixes of "folder/file.h".
const std::map<std::string, std::vector<std::string>> kMayInclude = {
    {"base", {}},
    {"flows", {"base/"}},
    {"nat", {"base/", "flows/"}},
    {"netns", {"base/"}},
    {"gateway/inspect", {"base/", "flows/"}},
    {"gateway/capture", {"base/", "flows/", "gateway/inspect/"}},
    {"gateway", {"base/", "flows/", "nat/", "netns/"}},
    {"tools/bench/micro",
     {"base/", "flows/", "nat/", "gateway/config/", "gateway/flow/", "gateway/hooks/",
      "gateway/policy/", "tests/support/"}},
    {"tools/bench", {"base/", "flows/", "netns/"}},
    {"tools", {"base/", "flows/", "gateway/capture/", "gateway/control/", "gateway/inspect/"}},
    {"integration", {"base/", "flows/", "nat/", "netns/", "tests/support/"}},
    {"integration/apps", {"gateway/hooks/"}},
};

// The row that holds for `file`: that of the longest folder.
std::string folder_of(const std::filesystem::path& file) {
  std::string longest;
  for (const auto& [folder, allowed] : kMayInclude) {
    if (file.string().starts_with(folder + "/") && folder.size() > longest.size()) {
      longest = folder;
    }
  }
  return longest;
}

class IncludeDirection : public testing::TestWithParam<std::string> {};

TEST_P(IncludeDirection, FolderIncludesOnlyWhatItMay) {
  const std::string& folder = GetParam();
  std::vector<std::string> allowed = kMayInclude.at(folder);
  allowed.push_back(folder + "/");
  for (const auto& file : repo::cpp_files(folder)) {
    if (folder_of(file) != folder) {
      continue;  // a folder in this one has a row of its own
    }
    for (const std::string& included : repo::includes_of(file, repo::kQuotedInclude)) {
      const bool may = std::ranges::any_of(
          allowed, [&](const std::string& prefix) { return included.starts_with(prefix); });
      EXPECT_TRUE(may) << file << " includes " << included;
    }
  }
}

std::string folder_name(const testing::TestParamInfo<std::string>& tested) {
  std::string name = tested.param;
  std::ranges::replace(name, '/', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Folders, IncludeDirection,
                         testing::Values("base", "flows", "nat", "netns", "gateway/inspect",
                                         "gateway/capture", "gateway", "tools/bench/micro",
                                         "tools/bench", "tools", "integration", "integration/apps"),
                         folder_name);

}  // namespace
