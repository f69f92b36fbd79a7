// Config loader: the YAML file as Settings, or everything that is wrong with it.
//
// All mistakes of a file are found in one run, each with its place. Nothing is guessed and nothing
// is ignored: a key that this version does not know, or does not have yet, is a problem.
// Any bytes are an answer: fuzzed by tests/fuzz/fuzz_config.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gateway/config/settings.h"

namespace gateway {

struct ConfigProblem {
  std::string file;
  int line = 0;  // from 1; 0: the file as a whole
  int column = 0;
  std::string key;  // "flows.timeouts.udp", "rules[2].action"; empty: the file as a whole
  std::string what;
  std::string cure{};  // a sentence; empty where `what` says it all

  /// "gw.yaml:12:5: flows.max: expected a whole number from 1 to 10, got \"many\""
  [[nodiscard]] std::string to_string() const;
};

using ConfigProblems = std::vector<ConfigProblem>;

/// `file_name` is only for the messages. The problems are in the order of the file, at least one.
/// `app`: the defaults of the app whose gateway it is; without, there is no section `app`.
base::Result<Settings, ConfigProblems> load_config(std::string_view text,
                                                   std::string_view file_name,
                                                   const hooks::AppSection& app = {});

/// The same for the file at `path`, which may be a pipe.
base::Result<Settings, ConfigProblems> load_config_file(const std::string& path,
                                                        const hooks::AppSection& app = {});

}  // namespace gateway
