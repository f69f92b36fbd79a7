// IpfixMessage: records of flows as a collector reads them (RFC 7011), message by message. Pure.
//
// A message is a header, and sets: the templates, which say what a record has, when it is their
// turn; then records of IPv4 and of IPv6, each under its template. Both directions are in one
// record, as RFC 5103 has it. The elements are those of the IANA registry (RFC 5102, RFC 7012); the
// upstream of a redirected flow is there as RFC 8158 says where packets of a NAT went; flowId is
// the id that flowctl, the log and the audit log have.
// tests/gateway/telemetry/ipfix_message_test.cc reads it back by its templates.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "flows/flow.h"

namespace gateway {

/// A flow that has ended, and what must be known of it besides its last record.
struct IpfixRecord {
  flows::Flow flow;
  std::chrono::system_clock::time_point start;
  std::chrono::system_clock::time_point end;  // of its last packet
};

class IpfixMessage {
 public:
  /// Of IPFIX itself, with the templates and a record of each kind; no limit may be lower.
  static constexpr std::size_t kLeastBytes = 512;

  /// `most_bytes` is what a datagram may hold.
  IpfixMessage(std::uint32_t domain, std::size_t most_bytes);

  /// Nothing has been added since the last finish().
  [[nodiscard]] bool is_empty() const { return bytes_.size() == kHeaderBytes; }
  /// Only into an empty message.
  void add_templates();
  /// False: the message is full; finish it, and add the record to the next.
  [[nodiscard]] bool add(const IpfixRecord& record);

  /// The message, good until the next call of another function; the next one begins.
  std::span<const std::byte> finish(std::chrono::system_clock::time_point now);

 private:
  static constexpr std::size_t kHeaderBytes = 16;

  template <class T>
  void put(T value);
  void put_address(const base::IpAddress& address, bool v4);
  void begin_set(std::uint16_t id);
  void end_set();
  void put_template(std::uint16_t id, bool v4);
  void put_record(const IpfixRecord& record, bool v4);

  std::uint32_t domain_;
  std::size_t most_bytes_;
  std::uint32_t sequence_ = 0;  // of the first record in this message
  std::uint32_t records_ = 0;   // in this message
  std::vector<std::byte> bytes_;
  std::vector<std::byte> finished_;
  std::size_t set_at_ = 0;  // where the open set begins; 0: none is open
  std::uint16_t set_id_ = 0;
};

}  // namespace gateway
