// Any packets as a capture file: a reader of our own, which checks every length, reads back what
// was written; and a file with any bytes behind it does not make that reader leave its memory.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "gateway/capture/pcapng.h"
#include "tests/support/pcapng_reader.h"

namespace {

namespace pcapng = gateway::pcapng;

// One byte says how long what follows is.
std::string_view take(std::string_view& input) {
  if (input.empty()) {
    return {};
  }
  const auto length = static_cast<unsigned char>(input.front());
  const std::string_view taken = input.substr(1, length);
  input.remove_prefix(1 + taken.size());
  return taken;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string file;
  const std::string_view application = take(input);
  const std::string_view name = take(input);
  pcapng::append_section(file, application);
  pcapng::append_interface(file, {.name = name, .description = application});
  std::vector<std::pair<std::string_view, std::string_view>> packets;
  while (!input.empty()) {
    const std::string_view packet = take(input);
    const std::string_view comment = take(input);
    packets.emplace_back(packet, comment);
    pcapng::append_packet(file, {.time_ns = static_cast<std::int64_t>(packets.size()),
                                 .bytes = std::as_bytes(std::span(packet.data(), packet.size())),
                                 .original_bytes = static_cast<std::uint32_t>(packet.size()),
                                 .direction = static_cast<pcapng::Direction>(packet.size() % 3),
                                 .comment = comment});
  }
  pcapng::append_statistics(file, {.received = packets.size(), .delivered = packets.size()});

  const auto blocks = test_support::read_pcapng(file);
  CHECK(blocks && blocks->size() == packets.size() + 3);
  CHECK(blocks->at(0).option(4) == application && blocks->at(1).option(2) == name);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const auto& block = blocks->at(i + 2);
    CHECK(block.type == 6 && test_support::packet_in(block) == packets[i].first);
    CHECK(test_support::little_endian(block.fixed.substr(8, 4)) == i + 1);
    CHECK(block.option(1) == packets[i].second);
    CHECK(test_support::little_endian(block.option(2)) == packets[i].first.size() % 3);
  }
  (void)test_support::read_pcapng(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
