// UdpSegmentation: whether the kernel may cut our datagrams (UDP_SEGMENT).
//
// Linux 7.0 to 7.1.4 spoiled headers and checksums of datagrams that it had cut, where they were
// all equally long and the device did the rest; nothing at run time tells, because what leaves is
// not seen again (tailscale/tailscale#19777 and pull request #19918). So those releases are told by
// their number. A kernel that took the fault over into another release is not known from outside.
#pragma once

#include <string_view>

namespace gateway {

/// `release` is that of uname(2): "6.18.5-amd64". One that cannot be read is trusted.
[[nodiscard]] bool cuts_datagrams_right(std::string_view release);

/// Of the kernel that runs.
[[nodiscard]] bool kernel_cuts_datagrams_right();

}  // namespace gateway
