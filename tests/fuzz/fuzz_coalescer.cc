// Any batches of segments of a few flows: whatever is merged, cutting it again gives every flow its
// packets back, byte for byte and in order. Only the IPv4 id is not kept, which is documented.
//
// Input: two bytes a packet say how it differs from the next plain segment of its flow, some kinds
// take a few bytes more. What parse() refuses does not come into the batch.

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "flows/coalescer.h"
#include "flows/internet_checksum.h"
#include "flows/packet.h"
#include "flows/segmenter.h"
#include "tests/support/packet_builder.h"

namespace {

using flows::Coalescer;
using flows::TcpFlags;
using flows::VnetHeader;
using test_support::PacketBuilder;
using test_support::tcp;
using Bytes = test_support::Packet;

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> data) : data_(data) {}
  [[nodiscard]] bool is_empty() const { return data_.empty(); }
  unsigned take() {
    if (data_.empty()) {
      return 0;
    }
    const unsigned value = data_[0];
    data_ = data_.subspan(1);
    return value;
  }

 private:
  std::span<const std::uint8_t> data_;
};

bool is_v4(const Bytes& bytes) {
  return test_support::get8(bytes, 0) >> 4U == 4;
}

struct Added {
  Bytes bytes;
  VnetHeader vnet;
};

// ---- The stream ----

constexpr std::size_t kFlows = 4;
constexpr std::size_t kSegmentBytes = 60;

PacketBuilder begin(std::size_t flow) {
  switch (flow) {
    case 0:
      return tcp("10.0.0.1:40000", "192.0.2.1:443");
    case 1:
      return tcp("10.0.0.1:40001", "192.0.2.1:443");
    case 2:
      return tcp("[fd00::1]:40000", "[2001:db8::2]:443");
    default:
      return tcp("[fd00::1]:40000", "[2001:db8::3]:443");
  }
}

class Stream {
 public:
  Added next(Reader& reader) {
    const unsigned shape = reader.take();
    const std::size_t flow = shape % kFlows;
    std::uint32_t& sequence = sequences_[flow];
    const std::size_t payload = payload_bytes(shape / kFlows % 8, reader);
    PacketBuilder builder = begin(flow);
    builder.seq(sequence).ack(5).id(id_++).payload(payload);
    Added added = twisted(builder, reader);
    sequence += static_cast<std::uint32_t>(payload);
    return added;
  }

 private:
  static std::size_t payload_bytes(unsigned kind, Reader& reader) {
    switch (kind) {
      case 0:
        return 0;
      case 1:
        return reader.take();
      case 2:
        return reader.take() * 100;  // for the 64 KiB limit
      default:
        return kSegmentBytes;
    }
  }

  static Added twisted(PacketBuilder& builder, Reader& reader) {
    const unsigned kind = reader.take() % 16;
    switch (kind) {
      case 0:
        builder.flags(TcpFlags::kAck | TcpFlags::kPsh);
        break;
      case 1:
        builder.flags(reader.take());
        break;
      case 2:
        builder.ack(reader.take());
        break;
      case 3:
        builder.seq(reader.take());
        break;
      case 4:
        builder.tcp_options(Bytes(reader.take() % 40, static_cast<std::byte>(reader.take())));
        break;
      case 5:
        builder.fragment(reader.take() * 8, reader.take() % 2 == 0, 9);
        break;
      case 6:
        builder.partial_checksum();
        break;
      case 7:
        return with_a_byte_changed(builder, reader);
      default:
        break;
    }
    return {builder.build(), builder.vnet()};
  }

  // Of the headers; the checksums follow.
  static Added with_a_byte_changed(const PacketBuilder& builder, Reader& reader) {
    Bytes bytes = builder.build();
    const std::size_t transport = builder.transport_offset();
    bytes[reader.take() % (transport + 20)] ^= static_cast<std::byte>(reader.take());
    test_support::set16(bytes, transport + 16, 0);
    test_support::set16(
        bytes, transport + 16,
        test_support::naive_transport_checksum(bytes, transport, test_support::kTcp));
    if (test_support::get8(bytes, 0) == 0x45) {  // where the change has left it so
      test_support::fix_ip_checksum(bytes);
    }
    return {bytes, {}};
  }

  std::array<std::uint32_t, kFlows> sequences_ = {0, 0xffffff00, 1000, 2000};
  std::uint32_t id_ = 0;
};

// ---- The property ----

using Flows = std::map<std::string, std::vector<Bytes>>;

std::string flow_of(const Bytes& bytes, const flows::Packet& packet) {
  return packet.source.to_string() + " " + packet.destination.to_string() + " " +
         std::to_string(static_cast<unsigned>(packet.protocol)) +
         (packet.is_fragment ? " fragment" : "") + (is_v4(bytes) ? " v4" : " v6");
}

// Without what cutting may change: the IPv4 id and the header checksum that covers it, of which
// parse() has said that it is right.
Bytes without_id(Bytes bytes) {
  if (is_v4(bytes)) {
    test_support::set16(bytes, 4, 0);
    test_support::set16(bytes, 10, 0);
  }
  return bytes;
}

void put(Flows& into, Bytes bytes, const VnetHeader& vnet) {
  const auto packet = flows::parse(bytes, vnet);
  CHECK(packet.has_value());
  into[flow_of(bytes, *packet)].push_back(without_id(std::move(bytes)));
}

Bytes gather(std::span<const iovec> pieces) {
  Bytes bytes;
  for (const iovec& piece : pieces) {
    test_support::put(bytes, {static_cast<const std::byte*>(piece.iov_base), piece.iov_len});
  }
  return bytes;
}

// As the kernel or a device below completes it.
void check_partial_checksum(Bytes bytes, const VnetHeader& vnet) {
  const auto covered = std::span<const std::byte>(bytes).subspan(vnet.checksum_start);
  test_support::set16(bytes, vnet.checksum_start + std::size_t{vnet.checksum_offset},
                      flows::checksum_of(flows::sum_of(covered)));
  CHECK(flows::parse(bytes, {}).has_value());
}

void put_cut(Flows& into, const Bytes& bytes, const VnetHeader& vnet) {
  CHECK(vnet.is_gso() && vnet.gso_bytes > 0 && bytes.size() <= 65535);
  check_partial_checksum(bytes, vnet);
  const auto packet = flows::parse(bytes, vnet);
  CHECK(packet.has_value() && packet->payload_offset == vnet.header_bytes);
  flows::Segmenter segmenter(bytes, *packet, vnet);
  Bytes out(flows::longest_segment_bytes(*packet, vnet));
  while (const auto size = segmenter.next(out)) {
    put(into, Bytes(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size)), {});
  }
}

// The batch as it went in, by flow, and as it comes out.
void check_batch(Coalescer& coalescer, const std::vector<Added>& batch) {
  Flows before;
  for (const auto& [bytes, vnet] : batch) {
    coalescer.add(bytes, flows::parse(bytes, vnet).value(), vnet);
    put(before, bytes, vnet);
  }
  Flows after;
  std::size_t packets = 0;
  coalescer.flush([&](const Coalescer::Outgoing& out) {
    const Bytes bytes = gather(out.pieces().subspan(1));
    packets += out.packets();
    if (out.packets() > 1) {
      put_cut(after, bytes, out.vnet());
    } else {
      put(after, bytes, out.vnet());
    }
  });
  CHECK(packets == batch.size());
  CHECK(before == after);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader reader({data, size});
  Stream stream;
  Coalescer coalescer;
  while (!reader.is_empty()) {
    const std::size_t limit = 1 + reader.take() % Coalescer::kMaxPackets;
    std::vector<Added> batch;
    while (batch.size() < limit && !reader.is_empty()) {
      Added added = stream.next(reader);
      if (flows::parse(added.bytes, added.vnet)) {
        batch.push_back(std::move(added));
      }
    }
    check_batch(coalescer, batch);
  }
  return 0;
}
