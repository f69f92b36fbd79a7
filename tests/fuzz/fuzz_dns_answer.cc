// Any bytes as a datagram of a name server: what is read of it is within its limits and is safe to
// show; and an answer stays the same whatever follows its last record. The same bytes as a TCP
// stream: every message lies in it, behind the one before.

#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "flows/dns_answer.h"
#include "flows/dns_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  std::span<const std::byte> stream = bytes;
  const std::byte* end = bytes.data();
  while (const auto message = flows::take_dns_message(stream)) {
    CHECK(message->data() == end + 2);
    end = message->data() + message->size();
    CHECK(stream.data() == end && end <= bytes.data() + bytes.size());
  }
  const auto answer = flows::read_dns_answer(bytes);
  if (!answer) {
    return 0;
  }
  const std::string_view name = answer->name.text();
  CHECK(!name.empty() && name.size() <= flows::HostName::kMaxBytes);
  CHECK(base::is_printable(name) && name.find(' ') == std::string_view::npos);
  CHECK(!name.starts_with('.') && !name.ends_with('.'));
  CHECK(!answer->addresses().empty());
  CHECK(answer->address_count <= flows::DnsAnswer::kMaxAddresses);

  std::vector<std::byte> longer(bytes.begin(), bytes.end());
  longer.resize(longer.size() + 16);
  const auto again = flows::read_dns_answer(longer);
  CHECK(again && again->name == answer->name && again->ttl_seconds == answer->ttl_seconds);
  CHECK(again->address_count == answer->address_count);
  return 0;
}
