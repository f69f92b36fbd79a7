// Completion: what bash, zsh and fish need to complete flowctl's words, made of the command table.
#pragma once

#include <string>
#include <string_view>

namespace flowctl {

/// `shell` is "bash", "zsh" or "fish". Flow ids are those of the gateway that answers.
std::string completion(std::string_view shell);

}  // namespace flowctl
