#include "gateway/capture/pcapng.h"

#include <algorithm>
#include <concepts>

namespace gateway::pcapng {
namespace {

// Block types and option codes of the draft's sections 4.1 to 4.6.
constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kSectionApplication = 4;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kInterfaceText = 3;
constexpr std::uint16_t kInterfaceResolution = 9;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kStatisticsStart = 2;
constexpr std::uint16_t kStatisticsEnd = 3;
constexpr std::uint16_t kStatisticsReceived = 4;
constexpr std::uint16_t kStatisticsDropped = 5;
constexpr std::uint16_t kStatisticsDelivered = 8;

constexpr std::size_t kMostOptionBytes = 65'535;

template <std::unsigned_integral Number>
void put(std::string& out, Number value) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xffU);
  }
}

// High word first, whatever the byte order (draft, section 4.3).
void put_time(std::string& out, std::int64_t time_ns) {
  const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(time_ns, 0));
  put(out, static_cast<std::uint32_t>(time >> 32U));
  put(out, static_cast<std::uint32_t>(time & 0xffffffffU));
}

// A block from its type to its second length, which are filled in as it goes out of scope.
class Block {
 public:
  Block(std::string& out, std::uint32_t type) : out_(out), start_(out.size()) {
    put(out_, type);
    put(out_, std::uint32_t{0});
  }
  ~Block() {
    if (has_options_) {
      put(out_, kEndOfOptions);
      put(out_, std::uint16_t{0});
    }
    const auto length = static_cast<std::uint32_t>(out_.size() - start_ + 4);
    put(out_, length);
    std::string bytes;
    put(bytes, length);
    out_.replace(start_ + 4, 4, bytes);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void pad() { out_.append((4 - (out_.size() - start_) % 4) % 4, '\0'); }

  void option(std::uint16_t code, std::string_view value) {
    has_options_ = true;
    value = value.substr(0, kMostOptionBytes);
    put(out_, code);
    put(out_, static_cast<std::uint16_t>(value.size()));
    out_ += value;
    pad();
  }
  void option(std::uint16_t code, std::uint64_t value) {
    std::string bytes;
    put(bytes, value);
    option(code, bytes);
  }
  void time_option(std::uint16_t code, std::int64_t time_ns) {
    std::string bytes;
    put_time(bytes, time_ns);
    option(code, bytes);
  }

 private:
  std::string& out_;
  std::size_t start_;
  bool has_options_ = false;
};

}  // namespace

void append_section(std::string& out, std::string_view application) {
  Block block(out, kSectionHeader);
  put(out, kByteOrderMagic);
  put(out, std::uint16_t{1});  // version 1.0
  put(out, std::uint16_t{0});
  put(out, ~std::uint64_t{0});  // as long as it will be
  block.option(kSectionApplication, application);
}

void append_interface(std::string& out, const Interface& interface) {
  Block block(out, kInterfaceDescription);
  put(out, interface.link_type);
  put(out, std::uint16_t{0});
  put(out, interface.snap_bytes);
  block.option(kInterfaceName, interface.name);
  block.option(kInterfaceText, interface.description);
  block.option(kInterfaceResolution, std::string_view("\x09", 1));  // 10^-9 s
}

void append_packet(std::string& out, const Packet& packet) {
  Block block(out, kEnhancedPacket);
  put(out, packet.interface);
  put_time(out, packet.time_ns);
  put(out, static_cast<std::uint32_t>(packet.bytes.size()));
  put(out, packet.original_bytes);
  out.append(reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size());
  block.pad();
  if (packet.direction != Direction::kUnknown) {
    std::string flags;
    put(flags, static_cast<std::uint32_t>(packet.direction));
    block.option(kPacketFlags, flags);
  }
  if (!packet.comment.empty()) {
    block.option(kComment, packet.comment);
  }
}

void append_statistics(std::string& out, const Statistics& statistics) {
  Block block(out, kInterfaceStatistics);
  put(out, statistics.interface);
  put_time(out, statistics.time_ns);
  block.time_option(kStatisticsStart, statistics.start_ns);
  block.time_option(kStatisticsEnd, statistics.end_ns);
  block.option(kStatisticsReceived, statistics.received);
  block.option(kStatisticsDropped, statistics.dropped);
  block.option(kStatisticsDelivered, statistics.delivered);
}

}  // namespace gateway::pcapng
