#include "gateway/onramp/gue_exchange.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"

namespace gateway {
namespace {

// Chosen: a burst of 64 KiB super-datagrams fits, and many shards do not take the address space.
constexpr std::size_t kMostCapacity = 2 << 20;
constexpr std::size_t kAllRings = 64 << 20;

}  // namespace

base::SysResult<std::shared_ptr<GueExchange>> GueExchange::create(std::size_t shards, Homes homes) {
  std::vector<base::Fd> bells;
  for (std::size_t shard = 0; shard < shards; ++shard) {
    bells.push_back(base::Fd::adopt(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
    if (!bells.back().is_open()) {
      return base::Unexpected{base::last_error("eventfd for the gue on-ramp")};
    }
  }
  return std::shared_ptr<GueExchange>(new GueExchange(std::move(bells), std::move(homes)));
}

GueExchange::GueExchange(std::vector<base::Fd> bells, Homes homes)
    : bells_(std::move(bells)), homes_(std::move(homes)) {
  const std::size_t shards = bells_.size();
  CHECK(shards > 1);
  const std::size_t capacity = std::clamp(std::bit_floor(kAllRings / (shards * (shards - 1))),
                                          DatagramRing::kLeastCapacity, kMostCapacity);
  rings_.resize(shards * shards);
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    if (i / shards != i % shards) {
      rings_[i] = std::make_unique<DatagramRing>(capacity);
    }
  }
}

std::size_t GueExchange::home_of(std::uint32_t tenant) const {
  const auto found = homes_.find(tenant);
  CHECK(found != homes_.end());
  return found->second;
}

bool GueExchange::is_home(std::size_t shard, std::uint32_t tenant) const {
  const auto found = homes_.find(tenant);
  return found != homes_.end() && found->second == shard;
}

bool GueExchange::hand_over(std::size_t from, std::size_t to,
                            const DatagramRing::Datagram& datagram) {
  return ring(from, to).push(datagram);
}

void GueExchange::wake(std::size_t to) const {
  const std::uint64_t one = 1;
  // It fails only when the counter is as high as it goes: the bell rings already.
  [[maybe_unused]] const auto written = ::write(bells_[to].get(), &one, sizeof(one));
}

void GueExchange::silence(std::size_t shard) const {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto read = ::read(bells_[shard].get(), &count, sizeof(count));
}

}  // namespace gateway
