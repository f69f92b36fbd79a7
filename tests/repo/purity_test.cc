// flows/ and nat/ are functions of their arguments: no syscalls, no clock, no log, no threads.
// What cannot be included cannot be called.

#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "tests/repo/source_tree.h"

namespace {

// Headers of the operating system (those end in .h or lie below sys/, linux/ and the like), of
// threads, and of files. <chrono> is there for durations; the clocks in it are looked for below.
const std::regex kImpure(
    R"re(\.h$|/|^(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier)re"
    R"re(|stop_token|fstream|iostream|filesystem|random|ctime|csignal)$)re");

// For `struct iovec`, the form in which a coalesced packet's pieces go to the kernel.
const std::string kIoVectors = "sys/uio.h";

class Purity : public testing::TestWithParam<std::string> {};

TEST_P(Purity, FolderIncludesNothingThatActs) {
  for (const auto& file : repo::cpp_files(GetParam())) {
    for (const std::string& included : repo::includes_of(file, repo::kSystemInclude)) {
      EXPECT_TRUE(included == kIoVectors || !std::regex_search(included, kImpure))
          << file << " includes <" << included << ">";
    }
  }
}

TEST_P(Purity, FolderReadsNoClock) {
  for (const auto& file : repo::cpp_files(GetParam())) {
    for (const std::string& line : repo::lines_of(file)) {
      EXPECT_EQ(line.find("::now()"), std::string::npos) << file << ": " << line;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, Purity, testing::Values("flows", "nat"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
