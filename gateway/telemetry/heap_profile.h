// HeapProfile: who holds how much of the gateway's memory, as jeprof and pprof read it.
//
// Theory of operation
//
// The profile is jemalloc's, where the gateway runs with it: preloaded, or linked by an app. We do
// not link it ourselves: a gateway that nobody profiles would pay for another allocator, and one
// that somebody does can be given it without being built anew. jemalloc writes a profile to a path
// only; the path is that of a memory file, /proc/self/fd/N, which a confined gateway may open like
// any of its own descriptors, so that it needs no directory to write to. While it is written,
// threads of the gateway that allocate may wait for it: some milliseconds.
#pragma once

#include <string>

#include "base/error.h"

namespace gateway {

/// Control thread. Fails with not_supported where there is no profile to be had; the cure says how
/// to get one.
base::SysResult<std::string> heap_profile();

}  // namespace gateway
