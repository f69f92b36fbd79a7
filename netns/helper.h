// What start() and the helper, which is the same program started again, have agreed on.
#pragma once

namespace netns {

inline constexpr char kHelperName[] = "liftgate-sandbox";  // its argv[0]
inline constexpr int kHelperControlFd = 3;

}  // namespace netns
