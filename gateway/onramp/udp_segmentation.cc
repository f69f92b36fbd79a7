#include "gateway/onramp/udp_segmentation.h"

#include <sys/utsname.h>

#include <array>
#include <charconv>

namespace gateway {

bool cuts_datagrams_right(std::string_view release) {
  std::array<unsigned, 3> version{};  // what is not there is 0
  for (unsigned& part : version) {
    const auto [end, error] =
        std::from_chars(release.data(), release.data() + release.size(), part);
    if (error != std::errc()) {
      break;
    }
    release.remove_prefix(static_cast<std::size_t>(end - release.data()));
    if (!release.starts_with('.')) {
      break;
    }
    release.remove_prefix(1);
  }
  return version < std::array{7U, 0U, 0U} || version > std::array{7U, 1U, 4U};
}

bool kernel_cuts_datagrams_right() {
  utsname machine{};
  return ::uname(&machine) != 0 || cuts_datagrams_right(machine.release);
}

}  // namespace gateway
