// Descriptors: how many the process may have, and those that connections must leave alone.
//
// The kernel hands out the lowest number that is free. So a new descriptor whose number is near the
// limit says that nearly all are in use: whoever serves clients gives it back then, as if there had
// been none (EMFILE), and the last few remain for the control socket: a gateway in need can still
// be looked into.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "base/fd.h"

namespace gateway {

/// As many descriptors as the hard limit allows, since each connection needs two. From then on the
/// last of them are reserved.
void raise_descriptor_limit();

/// Whether `fd`, just opened for a client, is one of those kept back: close it, and take it for
/// EMFILE. Any thread.
[[nodiscard]] bool is_reserved(const base::Fd& fd);

/// How many more there are for clients, to judge by `fd`, just opened. At most: of the numbers
/// below some may be free by now. Any thread.
[[nodiscard]] std::uint32_t descriptors_left(const base::Fd& fd);

/// Whether a tenant that has `own` descriptors must leave `fd`, just opened for it, to others: one
/// of several may have another while it has fewer than are left (Choudhury and Hahne, 1998), so
/// that who takes all that he can gets half. Take it for EMFILE. Any thread.
[[nodiscard]] inline bool is_for_others(const base::Fd& fd, std::size_t own) {
  return own >= descriptors_left(fd);
}

/// What to do where there is not enough memory to start with.
inline constexpr const char* kMemoryCure =
    "Raise the limit (`ulimit -v unlimited`, or that of the control group), or choose smaller "
    "tables: flows.max and nat.bindings in the configuration.";

/// `error`, with what to do about it where it is EMFILE or ENOMEM and nothing is said yet.
[[nodiscard]] base::Error with_cure_for_limits(base::Error error);

}  // namespace gateway
