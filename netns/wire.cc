#include "netns/wire.h"

#include <algorithm>
#include <iterator>

#include "base/byte_order.h"

namespace netns {

template <class T>
void WireWriter::integer(T value) {
  bytes_.resize(bytes_.size() + sizeof(T));
  base::store_be(std::span(bytes_).last(sizeof(T)), 0, value);
}

void WireWriter::string(std::string_view text) {
  u32(static_cast<std::uint32_t>(text.size()));
  std::ranges::copy(std::as_bytes(std::span(text)), std::back_inserter(bytes_));
}

void WireWriter::address(const base::IpAddress& address) {
  std::ranges::copy(address.bytes(), std::back_inserter(bytes_));
}

std::span<const std::byte> WireReader::take(std::size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    return {};
  }
  const auto taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

template <class T>
T WireReader::integer() {
  const auto bytes = take(sizeof(T));
  return ok_ ? base::load_be<T>(bytes, 0) : T{};
}

bool WireReader::boolean() {
  const std::uint8_t value = u8();
  ok_ = ok_ && value <= 1;
  return value == 1;
}

std::string WireReader::string() {
  const auto bytes = take(u32());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

base::IpAddress WireReader::address() {
  const auto bytes = take(16);
  return ok_ ? base::IpAddress::from_v6_bytes(bytes.first<16>()) : base::IpAddress();
}

std::uint32_t WireReader::count(std::size_t entry_bytes) {
  const std::uint32_t entries = u32();
  if (entries > rest_.size() / entry_bytes) {
    ok_ = false;
    return 0;
  }
  return entries;
}

template std::uint8_t WireReader::integer<std::uint8_t>();
template std::uint32_t WireReader::integer<std::uint32_t>();
template void WireWriter::integer<std::uint8_t>(std::uint8_t);
template void WireWriter::integer<std::uint32_t>(std::uint32_t);

}  // namespace netns
