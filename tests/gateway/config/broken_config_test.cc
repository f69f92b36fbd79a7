// Over a hundred configuration files, each with one mistake as people make them: what is said about
// it names the file, the line, the key, and what to do.
//
// broken/expected has a row for each file.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"

namespace gateway {
namespace {

const std::filesystem::path kBroken =
    std::filesystem::path(LIFTGATE_SOURCE_ROOT) / "tests/gateway/config/broken";

struct Expected {
  std::string file;
  int line = 0;
  std::string key;  // empty: the file itself
  std::string cure;
};

std::vector<Expected> expected_rows() {
  std::vector<Expected> rows;
  std::ifstream table(kBroken / "expected");
  for (std::string row; std::getline(table, row);) {
    std::array<std::string, 4> cells;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::size_t bar = i + 1 < cells.size() ? row.find(" | ") : row.size();
      cells.at(i) = row.substr(0, bar);
      row.erase(0, std::min(bar + 3, row.size()));
    }
    if (!cells[0].starts_with('#')) {
      rows.push_back({cells[0], std::stoi(cells[1]), cells[2] == "-" ? "" : cells[2], cells[3]});
    }
  }
  return rows;
}

TEST(BrokenConfig, EveryMistakeIsSaidWithItsFileLineKeyAndCure) {
  const std::vector<Expected> rows = expected_rows();
  EXPECT_GE(rows.size(), 100U);
  for (const Expected& row : rows) {
    const std::string path = (kBroken / row.file).string();
    const auto loaded = load_config_file(path);
    if (loaded) {
      ADD_FAILURE() << row.file << " was taken";
      continue;
    }
    const ConfigProblems& problems = loaded.error();
    const auto problem = std::ranges::find_if(problems, [&](const ConfigProblem& said) {
      return said.line == row.line && said.key == row.key;
    });
    if (problem == problems.end()) {
      ADD_FAILURE() << "line " << row.line << ", " << row.key << ": "
                    << problems.front().to_string();
      continue;
    }
    const std::string text = problem->to_string();
    EXPECT_TRUE(text.starts_with(path + ":" + std::to_string(row.line) + ":")) << text;
    EXPECT_NE(text.find(row.key), std::string::npos) << text;
    EXPECT_NE(text.find(row.cure), std::string::npos) << text << "\nlacks: " << row.cure;
  }
}

TEST(BrokenConfig, EachFileHasItsRow) {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kBroken)) {
    if (entry.path().extension() == ".yaml") {
      files.insert(entry.path().filename().string());
    }
  }
  for (const Expected& row : expected_rows()) {
    EXPECT_EQ(files.erase(row.file), 1U) << row.file;
  }
  EXPECT_TRUE(files.empty()) << *files.begin();
}

}  // namespace
}  // namespace gateway
