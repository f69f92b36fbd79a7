// Reply: what a gateway answered, taken apart. The one place of flowctl that refuses nonsense.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "tools/flowctl/failure.h"
#include "tools/flowctl/flow_listing.h"

namespace flowctl {

using Json = nlohmann::ordered_json;

/// The object of a reply that grants; a reply that refuses is a failure with its own message.
base::Result<Json, Failure> granted(const std::string& line);

/// The names in the reply to `flows`. Throws nlohmann::json::exception where it has none.
NameBook names_in(const Json& reply);

}  // namespace flowctl
