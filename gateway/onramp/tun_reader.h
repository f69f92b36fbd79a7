// Reading a TUN: as many packets as one batch holds, each with its offload header.
#pragma once

#include <array>
#include <cstddef>

#include "base/fd.h"
#include "gateway/onramp/packet_arena.h"

namespace gateway {

struct TunBatch {
  std::array<RawPacket, PacketArena::kBatch> packets;
  std::size_t count = 0;
  bool more = false;    // the batch was full before the device was empty
  bool closed = false;  // the device is gone (its namespace ended)
};

/// Fills `batch` from the non-blocking device `tun`, into `arena`.
void read_tun(const base::Fd& tun, PacketArena& arena, TunBatch& batch);

}  // namespace gateway
