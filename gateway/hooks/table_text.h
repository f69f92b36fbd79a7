// The table of hooks for people and programs.
#pragma once

#include <string>

#include "gateway/hooks/app.h"

namespace gateway::hooks {

/// `app`: which of them it has is said, too; null: plain liftgate, which has none.
std::string table_text(const App* app);
std::string table_json(const App* app);
/// For examples/README.md.
std::string table_markdown();

}  // namespace gateway::hooks
