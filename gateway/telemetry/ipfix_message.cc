#include "gateway/telemetry/ipfix_message.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/byte_order.h"
#include "base/check.h"

namespace gateway {
namespace {

// RFC 7011.
constexpr std::uint16_t kVersion = 10;
constexpr std::uint16_t kTemplateSet = 2;
constexpr std::size_t kSetHeaderBytes = 4;
constexpr std::uint16_t kEnterpriseBit = 0x8000;
constexpr std::uint32_t kReverse = 29305;  // RFC 5103: an element of the other direction
// Ours, from the range for data.
constexpr std::uint16_t kTemplateV4 = 256;
constexpr std::uint16_t kTemplateV6 = 257;

// IANA, "IPFIX Information Elements".
enum Element : std::uint16_t {
  kOctetDeltaCount = 1,
  kPacketDeltaCount = 2,
  kProtocolIdentifier = 4,
  kSourceTransportPort = 7,
  kSourceIpv4Address = 8,
  kIngressInterface = 10,
  kDestinationTransportPort = 11,
  kDestinationIpv4Address = 12,
  kEgressInterface = 14,
  kSourceIpv6Address = 27,
  kDestinationIpv6Address = 28,
  kIcmpTypeCodeIpv4 = 32,
  kForwardingStatus = 89,
  kFlowEndReason = 136,
  kIcmpTypeCodeIpv6 = 139,
  kFlowId = 148,
  kFlowStartMilliseconds = 152,
  kFlowEndMilliseconds = 153,
  kPostNatDestinationIpv4Address = 226,
  kPostNaptDestinationTransportPort = 228,
  kIngressVrfId = 234,
  kBiflowDirection = 239,
  kPostNatDestinationIpv6Address = 282,
};

struct Field {
  Element v4;
  Element v6;
  std::uint16_t v4_bytes;
  std::uint16_t v6_bytes;
  bool is_reverse = false;
};
constexpr Field same(Element element, std::uint16_t bytes, bool is_reverse = false) {
  return {element, element, bytes, bytes, is_reverse};
}

// What put_record() writes, in its order.
constexpr std::array kFields = {
    same(kOctetDeltaCount, 8),
    same(kPacketDeltaCount, 8),
    same(kOctetDeltaCount, 8, true),
    same(kPacketDeltaCount, 8, true),
    same(kFlowStartMilliseconds, 8),
    same(kFlowEndMilliseconds, 8),
    same(kFlowId, 8),
    Field{kSourceIpv4Address, kSourceIpv6Address, 4, 16},
    Field{kDestinationIpv4Address, kDestinationIpv6Address, 4, 16},
    Field{kPostNatDestinationIpv4Address, kPostNatDestinationIpv6Address, 4, 16},
    same(kSourceTransportPort, 2),
    same(kDestinationTransportPort, 2),
    same(kPostNaptDestinationTransportPort, 2),
    Field{kIcmpTypeCodeIpv4, kIcmpTypeCodeIpv6, 2, 2},
    same(kIngressInterface, 4),
    same(kEgressInterface, 4),
    same(kIngressVrfId, 4),
    same(kProtocolIdentifier, 1),
    same(kFlowEndReason, 1),
    same(kForwardingStatus, 1),
    same(kBiflowDirection, 1),
};

constexpr std::size_t record_bytes(bool v4) {
  std::size_t sum = 0;
  for (const Field& field : kFields) {
    sum += v4 ? field.v4_bytes : field.v6_bytes;
  }
  return sum;
}
constexpr std::size_t template_bytes() {
  std::size_t sum = 4;  // its id, and how many fields it has
  for (const Field& field : kFields) {
    sum += field.is_reverse ? 8 : 4;
  }
  return sum;
}
static_assert(16 + kSetHeaderBytes + 2 * template_bytes() + 2 * kSetHeaderBytes +
                  record_bytes(true) + record_bytes(false) <=
              IpfixMessage::kLeastBytes);

constexpr std::uint8_t kInitiator = 1;  // biflowDirection: the first record's source began

// flowEndReason: RFC 5102 5.11.3.
std::uint8_t end_reason(flows::EndReason reason) {
  using flows::EndReason;
  constexpr std::uint8_t kIdle = 1;
  constexpr std::uint8_t kEndDetected = 3;
  constexpr std::uint8_t kForced = 4;
  constexpr std::uint8_t kLackOfResources = 5;
  constexpr std::array kDetected = {EndReason::kNone,          EndReason::kClosed,
                                    EndReason::kResetByClient, EndReason::kResetByUpstream,
                                    EndReason::kRefused,       EndReason::kUnreachable};
  constexpr std::array kLacks = {EndReason::kNoDescriptor, EndReason::kNoUdpSocket,
                                 EndReason::kNoUpstreamPort, EndReason::kEvicted};
  if (reason == EndReason::kTimedOut) {
    return kIdle;
  }
  if (std::ranges::find(kDetected, reason) != kDetected.end()) {
    return kEndDetected;
  }
  return std::ranges::find(kLacks, reason) != kLacks.end() ? kLackOfResources : kForced;
}

// forwardingStatus: RFC 7270 4.12.
std::uint8_t forwarding_status(flows::Action action) {
  constexpr std::uint8_t kForwarded = 64;
  constexpr std::uint8_t kAclDeny = 129;
  constexpr std::uint8_t kAclDrop = 130;
  return action == flows::Action::kReject ? kAclDeny
         : action == flows::Action::kDrop ? kAclDrop
                                          : kForwarded;
}

// Of the packet that the flow began with; no code is kept, and an echo's is 0.
std::uint16_t icmp_type_code(const flows::FlowKey& key) {
  return static_cast<std::uint16_t>(key.icmp_type << 8U);
}

std::uint64_t milliseconds(std::chrono::system_clock::time_point time) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  return static_cast<std::uint64_t>(std::max<std::int64_t>(since.count(), 0));
}

std::uint32_t number_or_zero(std::uint32_t number) {
  return number == flows::kNone32 ? 0 : number;
}

}  // namespace

IpfixMessage::IpfixMessage(std::uint32_t domain, std::size_t most_bytes)
    : domain_(domain), most_bytes_(most_bytes) {
  CHECK(most_bytes >= kLeastBytes && most_bytes <= 0xffff);
  bytes_.reserve(most_bytes);
  bytes_.resize(kHeaderBytes);
}

template <class T>
void IpfixMessage::put(T value) {
  bytes_.resize(bytes_.size() + sizeof(T));
  base::store_be<T>(bytes_, bytes_.size() - sizeof(T), value);
}

// One of the other family has no place here.
void IpfixMessage::put_address(const base::IpAddress& address, bool v4) {
  if (address.is_v4() != v4) {
    bytes_.resize(bytes_.size() + (v4 ? 4 : 16));
    return;
  }
  const auto wire = address.wire_bytes();
  bytes_.insert(bytes_.end(), wire.begin(), wire.end());
}

void IpfixMessage::begin_set(std::uint16_t id) {
  set_at_ = bytes_.size();
  set_id_ = id;
  put<std::uint16_t>(id);
  put<std::uint16_t>(0);  // its length, when it is known
}

void IpfixMessage::end_set() {
  if (set_at_ != 0) {
    base::store_be(std::span(bytes_), set_at_ + 2,
                   static_cast<std::uint16_t>(bytes_.size() - set_at_));
  }
  set_at_ = 0;
}

void IpfixMessage::add_templates() {
  CHECK(is_empty());
  begin_set(kTemplateSet);
  put_template(kTemplateV4, true);
  put_template(kTemplateV6, false);
  end_set();
}

void IpfixMessage::put_template(std::uint16_t id, bool v4) {
  put<std::uint16_t>(id);
  put<std::uint16_t>(static_cast<std::uint16_t>(kFields.size()));
  for (const Field& field : kFields) {
    const std::uint16_t element = v4 ? field.v4 : field.v6;
    put<std::uint16_t>(field.is_reverse ? static_cast<std::uint16_t>(element | kEnterpriseBit)
                                        : element);
    put<std::uint16_t>(v4 ? field.v4_bytes : field.v6_bytes);
    if (field.is_reverse) {
      put<std::uint32_t>(kReverse);
    }
  }
}

bool IpfixMessage::add(const IpfixRecord& record) {
  const bool v4 = record.flow.key.source.address.is_v4();
  const std::uint16_t id = v4 ? kTemplateV4 : kTemplateV6;
  const bool continues = set_at_ != 0 && set_id_ == id;
  if (bytes_.size() + (continues ? 0 : kSetHeaderBytes) + record_bytes(v4) > most_bytes_) {
    return false;
  }
  if (!continues) {
    end_set();
    begin_set(id);
  }
  put_record(record, v4);
  ++records_;
  return true;
}

void IpfixMessage::put_record(const IpfixRecord& record, bool v4) {
  const flows::Flow& flow = record.flow;
  const std::size_t begin = bytes_.size();
  for (const flows::WireCount& count : {flow.up, flow.down}) {
    put<std::uint64_t>(count.bytes);
    put<std::uint64_t>(count.packets);
  }
  put<std::uint64_t>(milliseconds(record.start));
  put<std::uint64_t>(milliseconds(record.end));
  put<std::uint64_t>(flow.id);
  for (const base::IpAddress& address :
       {flow.key.source.address, flow.key.destination.address, flow.upstream.address}) {
    put_address(address, v4);
  }
  const std::uint16_t type_code = icmp_type_code(flow.key);
  const bool has_ports = !flows::is_icmp(flow.key.protocol);  // of an echo they are its identifier
  const bool same_family = flow.upstream.address.is_v4() == v4;
  put<std::uint16_t>(has_ports ? base::number(flow.key.source.port) : 0);
  put<std::uint16_t>(has_ports ? base::number(flow.key.destination.port) : 0);
  put<std::uint16_t>(has_ports && same_family ? base::number(flow.upstream.port) : 0);
  put<std::uint16_t>(type_code);
  put<std::uint32_t>(number_or_zero(flow.tunnel));
  put<std::uint32_t>(number_or_zero(flow.peer_tunnel));
  put<std::uint32_t>(flow.key.tenant);
  put<std::uint8_t>(static_cast<std::uint8_t>(flow.key.protocol));
  put<std::uint8_t>(end_reason(flow.end_reason));
  put<std::uint8_t>(forwarding_status(flow.action));
  put<std::uint8_t>(kInitiator);
  CHECK(bytes_.size() - begin == record_bytes(v4));
}

std::span<const std::byte> IpfixMessage::finish(std::chrono::system_clock::time_point now) {
  end_set();
  const std::span<std::byte> header(bytes_);
  base::store_be(header, 0, kVersion);
  base::store_be(header, 2, static_cast<std::uint16_t>(bytes_.size()));
  base::store_be(header, 4, static_cast<std::uint32_t>(milliseconds(now) / 1000));
  base::store_be(header, 8, sequence_);
  base::store_be(header, 12, domain_);
  sequence_ += records_;
  records_ = 0;
  std::swap(bytes_, finished_);
  bytes_.assign(kHeaderBytes, std::byte{0});
  return finished_;
}

}  // namespace gateway
