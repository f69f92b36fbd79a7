#include "gateway/onramp/gue_steering.h"

#include <algorithm>
#include <utility>

#include "base/byte_order.h"

namespace gateway {
namespace {

using Program = std::vector<sock_filter>;

constexpr std::uint32_t kNowhere = 0xffffffff;      // no socket has that number: the kernel hashes
constexpr std::uint32_t kPrivateData = 0x4c470100;  // flows/gue.h

std::uint32_t net_offset(std::uint32_t offset) {
  return static_cast<std::uint32_t>(SKF_NET_OFF) + offset;
}

sock_filter load_byte(std::uint32_t at) {
  return BPF_STMT(BPF_LD | BPF_B | BPF_ABS, at);
}
sock_filter load_word(std::uint32_t at) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at);
}
sock_filter mask(std::uint32_t bits) {
  return BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits);
}
// To the next instruction where it holds, else past `skipped` more.
sock_filter if_equal(std::uint32_t value, std::size_t skipped) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<std::uint8_t>(skipped));
}
sock_filter answer(std::uint32_t socket) {
  return BPF_STMT(BPF_RET | BPF_K, socket);
}
sock_filter answer(std::size_t socket) {
  return answer(static_cast<std::uint32_t>(socket));
}

Program by_tenant(const std::vector<GueTenantHome>& tenants, std::size_t most) {
  Program program{load_word(8)};
  for (const GueTenantHome& tenant : tenants) {
    if (program.size() + 3 > most) {
      break;
    }
    program.push_back(if_equal(tenant.tenant, 1));
    program.push_back(answer(tenant.shard));
  }
  program.push_back(answer(kNowhere));
  return program;
}

Program one_prefix(const GuePrefixHome& home) {
  const auto address = home.prefix.address().wire_bytes();
  std::size_t bits = home.prefix.bits();
  Program program{answer(home.shard)};
  // From the last word to the first: each skips all that is behind it.
  for (std::size_t word = (bits + 31) / 32; word-- > 0;) {
    const std::size_t inside = std::min<std::size_t>(bits - word * 32, 32);
    const auto wanted = base::load_be<std::uint32_t>(address, word * 4);
    Program with{load_word(
        net_offset((home.prefix.is_v4() ? 12 : 8) + static_cast<std::uint32_t>(word) * 4))};
    if (inside < 32) {
      with.push_back(mask(~(kNowhere >> inside)));
    }
    with.push_back(if_equal(wanted, program.size()));
    program.insert(program.begin(), with.begin(), with.end());
    bits = word * 32;
  }
  return program;
}

Program by_prefix(bool is_v4, std::vector<GuePrefixHome> prefixes, std::size_t most) {
  std::erase_if(prefixes, [&](const GuePrefixHome& home) { return home.prefix.is_v4() != is_v4; });
  std::ranges::stable_sort(prefixes, std::ranges::greater(),
                           [](const GuePrefixHome& home) { return home.prefix.bits(); });
  Program program;
  for (const GuePrefixHome& home : prefixes) {
    const Program one = one_prefix(home);
    if (program.size() + one.size() + 1 > most) {
      break;
    }
    program.insert(program.end(), one.begin(), one.end());
  }
  program.push_back(answer(kNowhere));
  return program;
}

}  // namespace

std::vector<sock_filter> gue_steering(bool is_v4, const std::vector<GueTenantHome>& tenants,
                                      std::vector<GuePrefixHome> prefixes) {
  const Program named = by_tenant(tenants, kMostInstructions / 2);
  const Program unnamed = by_prefix(is_v4, std::move(prefixes), kMostInstructions / 2 - 16);
  Program program{
      load_byte(0),                                  // variant 0?
      mask(0xc0),                                    //
      if_equal(0, 5),                                //
      load_byte(0),                                  // with room for private data?
      mask(0x1f),                                    //
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 2, 0, 2),  //
      load_word(4),                                  // and of ours?
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kPrivateData, 1, 0),
      BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(named.size())),
  };
  program.insert(program.end(), named.begin(), named.end());
  program.insert(program.end(), unnamed.begin(), unnamed.end());
  return program;
}

}  // namespace gateway
