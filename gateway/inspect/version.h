// The version of this build, the one in CMakeLists.txt.
#pragma once

#include <string_view>

namespace gateway {

std::string_view version();  // "0.1.0"

}  // namespace gateway
