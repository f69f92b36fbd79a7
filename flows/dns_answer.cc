#include "flows/dns_answer.h"

#include <algorithm>
#include <limits>

#include "base/byte_order.h"

namespace flows {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::uint16_t kResponse = 0x8000, kOpcodeMask = 0x7800, kTruncated = 0x0200,
                        kRcodeMask = 0x000f;
constexpr std::uint16_t kTypeA = 1, kTypeCname = 5, kTypeAaaa = 28, kClassIn = 1;
constexpr unsigned kPointer = 0xc0;       // the two bits of a compressed name (4.1.4)
constexpr std::size_t kMaxLabel = 63;     // 2.3.4
constexpr int kMaxPointers = 127;         // as many labels as a name can have
constexpr std::size_t kMaxRecords = 128;  // chosen: of one answer

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// What has been read so far ends at `at`. A read that fails leaves nothing to read: were it to stay
// where it is, a shorter one behind it could still succeed.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> message) : message_(message) {}

  std::optional<std::uint16_t> u16() {
    const auto bytes = take(2);
    return bytes ? std::optional(base::load_be<std::uint16_t>(*bytes, 0)) : std::nullopt;
  }
  std::optional<std::uint32_t> u32() {
    const auto bytes = take(4);
    return bytes ? std::optional(base::load_be<std::uint32_t>(*bytes, 0)) : std::nullopt;
  }
  std::optional<std::span<const std::byte>> take(std::size_t count) {
    if (message_.size() - at_ < count) {
      at_ = message_.size();
      return std::nullopt;
    }
    const auto bytes = message_.subspan(at_, count);
    at_ += count;
    return bytes;
  }

  std::optional<HostName> name() {
    const auto read = name_at(at_);
    at_ = read ? read->end : message_.size();
    return read ? std::optional(read->name) : std::nullopt;
  }
  // A name in the data of a record, which was taken before.
  [[nodiscard]] std::optional<HostName> name_before(std::size_t data_bytes) const {
    const auto read = name_at(at_ - data_bytes);
    return read && read->end <= at_ ? std::optional(read->name) : std::nullopt;
  }

 private:
  struct NameRead {
    HostName name;
    std::size_t end;
  };

  [[nodiscard]] std::optional<NameRead> name_at(std::size_t at) const {
    HostName name;
    std::optional<std::size_t> end;  // behind the first pointer, once there was one
    for (int pointers = 0; at < message_.size();) {
      const auto length = std::to_integer<unsigned>(message_[at]);
      if (length == 0) {
        return NameRead{name, end.value_or(at + 1)};
      }
      if ((length & kPointer) == kPointer) {
        if (message_.size() - at < 2 || ++pointers > kMaxPointers) {
          return std::nullopt;
        }
        end = end.value_or(at + 2);
        at = base::load_be<std::uint16_t>(message_, at) & 0x3fffU;
        continue;
      }
      if (length > kMaxLabel || message_.size() - at - 1 < length) {
        return std::nullopt;
      }
      const std::string_view label(reinterpret_cast<const char*>(&message_[at + 1]), length);
      if (!std::ranges::all_of(label, is_letter) || !name.append_label(label)) {
        return std::nullopt;
      }
      at += 1 + length;
    }
    return std::nullopt;
  }

  std::span<const std::byte> message_;
  std::size_t at_ = 0;
};

std::optional<base::IpAddress> address_of(std::uint16_t type, std::span<const std::byte> data) {
  if (type == kTypeA && data.size() == 4) {
    return base::IpAddress::from_v4_bytes(data.first<4>());
  }
  if (type == kTypeAaaa && data.size() == 16) {
    const auto address = base::IpAddress::from_v6_bytes(data.first<16>());
    return address.is_v6() ? std::optional(address) : std::nullopt;  // an IPv4 one inside is none
  }
  return std::nullopt;
}

}  // namespace

std::optional<DnsAnswer> read_dns_answer(std::span<const std::byte> message) {
  if (message.size() < kHeaderBytes) {
    return std::nullopt;
  }
  const auto flags = base::load_be<std::uint16_t>(message, 2);
  const auto questions = base::load_be<std::uint16_t>(message, 4);
  const std::size_t records = base::load_be<std::uint16_t>(message, 6);
  if ((flags & kResponse) == 0 || (flags & (kOpcodeMask | kTruncated | kRcodeMask)) != 0 ||
      questions != 1 || records == 0 || records > kMaxRecords) {
    return std::nullopt;
  }
  Reader reader(message);
  reader.take(kHeaderBytes);
  const auto asked = reader.name();
  const auto asked_type = reader.u16();
  const auto asked_class = reader.u16();
  if (!asked || asked->is_empty() || (asked_type != kTypeA && asked_type != kTypeAaaa) ||
      asked_class != kClassIn) {
    return std::nullopt;
  }

  DnsAnswer answer{.name = *asked, .ttl_seconds = std::numeric_limits<std::uint32_t>::max()};
  HostName wanted = *asked;
  for (std::size_t i = 0; i < records; ++i) {
    const auto owner = reader.name();
    const auto type = reader.u16();
    const auto record_class = reader.u16();
    const auto ttl = reader.u32();
    const auto length = reader.u16();
    const auto data = length ? reader.take(*length) : std::nullopt;
    if (!owner || !data) {
      return std::nullopt;
    }
    if (record_class != kClassIn || *owner != wanted) {
      continue;
    }
    if (type == kTypeCname) {
      const auto target = reader.name_before(data->size());
      if (!target) {
        return std::nullopt;
      }
      wanted = *target;
      answer.ttl_seconds = std::min(answer.ttl_seconds, *ttl);
    } else if (const auto address = address_of(*type, *data);
               address && answer.address_count < DnsAnswer::kMaxAddresses) {
      answer.address_list[answer.address_count++] = *address;
      answer.ttl_seconds = std::min(answer.ttl_seconds, *ttl);
    }
  }
  return answer.address_count > 0 ? std::optional(answer) : std::nullopt;
}

}  // namespace flows
