// What the tree may hold: nothing of the machine that it was written on, no folder that the layout
// does not name, no fuzz target without seeds.

#include <algorithm>
#include <regex>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/repo/source_tree.h"

namespace {

using repo::fs::path;

TEST(Tree, HasOnlyTheTopLevelEntriesOfTheLayout) {
  const std::set<std::string> layout = {
      "CMakeLists.txt", "README.md",   "SECURITY.md", "base",  "cmake", "examples", "flows",
      "gateway",        "integration", "nat",         "netns", "tests", "tools"};
  for (const auto& entry : repo::fs::directory_iterator(repo::kRoot)) {
    const path name = entry.path().filename();
    const bool is_hidden = name.string().starts_with(".");
    EXPECT_TRUE(is_hidden || repo::is_ignored(name) || layout.contains(name)) << name;
  }
}

TEST(Tree, NamesNoPathOfTheMachineItWasWrittenOn) {
  const std::regex private_path(R"((^|[\s"'=:(])/(home|root|work|Users)/[A-Za-z0-9._-])");
  for (const path& file : repo::all_files()) {
    if (file.string().starts_with("tests/fuzz/corpus/")) {
      continue;  // bytes, not text
    }
    for (const std::string& line : repo::lines_of(file)) {
      // The slash first: a regex for each line of the project would take seconds.
      EXPECT_FALSE(line.find('/') != std::string::npos && std::regex_search(line, private_path))
          << file << ": " << line;
    }
  }
}

TEST(Tree, HasNoTabsAndNoSpacesAtTheEndOfALine) {
  for (const path& file : repo::all_files()) {
    if (!file.string().starts_with("tests/fuzz/corpus/")) {
      for (const std::string& line : repo::lines_of(file)) {
        EXPECT_EQ(line.find('\t'), std::string::npos) << file << ": " << line;
        EXPECT_FALSE(line.ends_with(' ') || line.ends_with('\r')) << file << ": " << line;
      }
    }
  }
}

TEST(Tree, EveryHeaderIsIncludedOnceOnly) {
  for (const path& file : repo::all_files()) {
    if (file.extension() == ".h") {
      const auto lines = repo::lines_of(file);
      EXPECT_NE(std::ranges::find(lines, "#pragma once"), lines.end()) << file;
    }
  }
}

TEST(Tree, EveryFuzzTargetHasSeeds) {
  std::size_t targets = 0;
  for (const path& file : repo::all_files()) {
    const std::string name = file.stem().string();
    if (file.parent_path() == "tests/fuzz" && name.starts_with("fuzz_")) {
      const path corpus = repo::kRoot / "tests/fuzz/corpus" / name.substr(5);
      EXPECT_TRUE(repo::fs::is_directory(corpus) && !repo::fs::is_empty(corpus)) << corpus;
      ++targets;
    }
  }
  EXPECT_GT(targets, 0U);
}

TEST(Tree, EveryCorpusHasItsFuzzTarget) {
  for (const auto& corpus : repo::fs::directory_iterator(repo::kRoot / "tests/fuzz/corpus")) {
    const std::string target = "fuzz_" + corpus.path().filename().string() + ".cc";
    EXPECT_TRUE(repo::fs::exists(repo::kRoot / "tests/fuzz" / target)) << corpus.path();
  }
}

}  // namespace
