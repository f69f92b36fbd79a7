// Any bytes as a GUE datagram: what is taken has its packet inside the datagram, of the version
// that was said, and comes out the same when it is written in the form that was read; what is
// refused depends on the header alone.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "flows/gue.h"

namespace {

using Bytes = std::vector<std::byte>;

unsigned version_of(std::span<const std::byte> packet) {
  return std::to_integer<unsigned>(packet[0]) >> 4U;
}

void check_taken(std::span<const std::byte> datagram, const flows::GueMessage& message) {
  CHECK(message.header_bytes < datagram.size() && message.header_bytes % 4 == 0);
  CHECK(message.header_bytes <= 128);
  CHECK(!message.form.bare || (message.header_bytes == 0 && !message.form.tenant));
  const auto packet = datagram.subspan(message.header_bytes);
  CHECK(version_of(packet) == 4 || version_of(packet) == 6);

  Bytes again(flows::gue_header_bytes(message.form));
  CHECK(again.size() <= message.header_bytes && again.size() <= flows::kMaxGueHeaderBytes);
  flows::encode_gue(message.form, version_of(packet) == 4, again);
  const std::size_t header_bytes = again.size();
  again.insert(again.end(), packet.begin(), packet.end());
  const auto decoded = flows::decode_gue(again);
  CHECK(decoded.has_value());
  CHECK(decoded->form == message.form && decoded->header_bytes == header_bytes);
  // Without surplus space the bytes are the same: there is one way to say it.
  CHECK(header_bytes != message.header_bytes || std::ranges::equal(again, datagram));
}

// Each refusal is what the bytes say, read in the other direction.
void check_refused(std::span<const std::byte> datagram, flows::Drop reason) {
  const auto byte = [&](std::size_t at) { return std::to_integer<unsigned>(datagram[at]); };
  const std::size_t header_bytes = datagram.empty() ? 0 : 4 + 4 * std::size_t{byte(0) & 0x1fU};
  using flows::Drop;
  if (reason == Drop::kGueTruncated) {
    CHECK(datagram.size() < 4 || datagram.size() == header_bytes);
    return;
  }
  CHECK(datagram.size() >= 4);
  const bool has_header = byte(0) < 0x40;
  CHECK(has_header || reason == Drop::kGueReservedVariant || reason == Drop::kGueBadInnerVersion);
  CHECK(reason != Drop::kGueReservedVariant || byte(0) >= 0x80);
  CHECK(reason != Drop::kGueHeaderPastEnd || header_bytes > datagram.size());
  CHECK(reason != Drop::kGueUnknownFlags || (byte(2) | byte(3)) != 0);
  CHECK(reason != Drop::kGueControlMessage || (byte(0) & 0x20U) != 0);
  CHECK(reason != Drop::kGueNoNextHeader || byte(1) == 59);
  CHECK(reason != Drop::kGueOtherProtocol || (byte(1) != 4 && byte(1) != 41 && byte(1) != 59));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto datagram = std::as_bytes(std::span(data, size));
  const auto message = flows::decode_gue(datagram);
  if (message) {
    check_taken(datagram, *message);
  } else {
    check_refused(datagram, message.error());
  }
  return 0;
}
