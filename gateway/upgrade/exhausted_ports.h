// ExhaustedPorts: upstreams that no port of ours is left to connect to.
//
// Every look for a port where there is none costs time (source_ports.h). So who has been told that
// there is none is told so again for a moment, without another look.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/endpoint.h"
#include "base/time.h"

namespace gateway {

class ExhaustedPorts {
 public:
  // Chosen: bounds the looking to a thousandth of the time for each upstream, or to a few
  // hundredths where the kernel looks at every port; one that is given back is of use soon.
  static constexpr base::Duration kMoment = std::chrono::milliseconds(100);
  // Chosen: that many upstreams at once; the one told of first is forgotten for another.
  static constexpr std::size_t kMost = 8;

  /// connect(2) to `upstream` has failed with EADDRNOTAVAIL.
  void add(const base::Endpoint& upstream, base::Instant now) {
    entries_[next_] = {upstream, now + kMoment};
    next_ = (next_ + 1) % kMost;
  }

  /// Whether it has, a moment ago.
  [[nodiscard]] bool holds(const base::Endpoint& upstream, base::Instant now) const {
    return std::ranges::any_of(entries_, [&](const Entry& entry) {
      return now < entry.until && entry.upstream == upstream;
    });
  }

 private:
  struct Entry {
    base::Endpoint upstream;
    base::Instant until{};
  };
  std::array<Entry, kMost> entries_{};
  std::size_t next_ = 0;
};

}  // namespace gateway
