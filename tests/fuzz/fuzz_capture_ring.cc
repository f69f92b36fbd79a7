// A capture ring between two who do not trust each other. First any order of writing and reading,
// held against a queue; then a reader over any memory, and a writer whose reader says anything:
// neither leaves its memory.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <vector>

#include "base/check.h"
#include "gateway/capture/capture_ring.h"

namespace {

using gateway::CaptureRingReader;
using gateway::CaptureRingWriter;

constexpr std::size_t kRingBytes = 512;

struct Memory {
  alignas(64) std::byte bytes[sizeof(gateway::CaptureRingHeader) + kRingBytes]{};
};

void behaves_as_a_queue(std::span<const std::byte> steps) {
  Memory memory;
  CaptureRingWriter writer(memory.bytes);
  CaptureRingReader reader(memory.bytes);
  std::deque<std::vector<std::byte>> queue;
  CaptureRingReader::Captured captured;
  for (const std::byte step : steps) {
    const auto number = std::to_integer<std::size_t>(step);
    if (number < 160) {
      const std::vector<std::byte> packet(number, step);
      if (writer.hold({.flow = number}, packet) && number % 4 != 3) {  // some are not sent
        writer.commit(1);
        queue.push_back(packet);
      }
    } else if (queue.empty()) {
      CHECK(reader.next(captured) == CaptureRingReader::Read::kNothing);
    } else {
      CHECK(reader.next(captured) == CaptureRingReader::Read::kPacket);
      CHECK(captured.packet == queue.front() && captured.record.flow == queue.front().size());
      queue.pop_front();
    }
  }
}

void stays_in_its_memory(std::span<const std::byte> bytes) {
  Memory memory;
  std::ranges::copy(bytes.first(std::min(bytes.size(), sizeof(memory.bytes))), memory.bytes);
  CaptureRingReader reader(memory.bytes);
  CaptureRingReader::Captured captured;
  for (int i = 0; i < 100 && reader.next(captured) == CaptureRingReader::Read::kPacket; ++i) {
    CHECK(captured.packet.size() <= kRingBytes);
  }
  CaptureRingWriter writer(memory.bytes);
  for (int i = 0; i < 100; ++i) {
    if (writer.hold({}, bytes.first(std::min<std::size_t>(bytes.size(), 100)))) {
      writer.commit(1);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  behaves_as_a_queue(bytes);
  stays_in_its_memory(bytes);
  return 0;
}
