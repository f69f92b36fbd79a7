// Secrets in settings: where they are, instead of what they are.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/config/settings.h"

namespace gateway {

/// Of "env:NAME", "file:PATH" or the secret itself; "" is none. The file must be a regular one, and
/// what it holds is read without its last line end. Fails with what to do; never shows a secret.
base::Result<Secret, std::string> read_secret(std::string_view text);

}  // namespace gateway
