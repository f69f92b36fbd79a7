#include "gateway/upgrade/sandbox_link.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "gateway/confine/confine.h"
#include "gateway/flow/sandbox_plan.h"
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/loop/tcp_socket.h"
#include "gateway/onramp/tun_reader.h"
#include "gateway/upgrade/congestion_control.h"

namespace gateway {

using base::Fd;
using base::SysResult;

namespace {

// Chosen: the largest that IPv4 allows. The MSS follows the client's, not this.
constexpr std::uint32_t kTunMtuBytes = 65535;

}  // namespace

SandboxLink::SandboxLink(EventLoop& loop, PacketArena& arena, bool coalescing, Owner& owner)
    : loop_(loop), arena_(arena), owner_(owner), coalescing_(coalescing), pool_(loop, owner) {
  tun_ready_.link = this;
  helper_died_.link = this;
}

SandboxLink::~SandboxLink() {
  uninstall();
}

SysResult<netns::Sandbox> SandboxLink::make(const IoSettings& io, Confine confine) {
  netns::SandboxConfig config;
  config.tun.offload = io.tun_offload;
  config.enforcement = enforcement_of(confine);
  config.tun.addresses = {{plan_v4(1), 15}, {plan_v6(1), 64}};
  config.tun.mtu_bytes = kTunMtuBytes;
  config.listeners = {{.endpoint = listener_endpoint(nat::Family::kV4)},
                      {.endpoint = listener_endpoint(nat::Family::kV6)}};
  // A SYN enters only when its upstream has answered, so there is no flood to defend against, and a
  // burst of upgrades must not fall back to cookies, which lose the SYN's options.
  config.sysctls = {{.name = "net/ipv4/tcp_max_syn_backlog", .value = "65535"},
                    {.name = "net/ipv4/tcp_syncookies", .value = "0", .optional = true}};
  CongestionControl::of_host(io.pace_nearby).add_to(config);
  return netns::Sandbox::start(config);
}

SysResult<void> SandboxLink::install(netns::Sandbox sandbox) {
  sandbox_.emplace(std::move(sandbox));
  for (const std::string& note : sandbox_->notes()) {
    log_warn("sandbox limited note={}", LogValue{note});
  }
  if (auto watched = loop_.watch(sandbox_->tun(), EPOLLIN, tun_ready_); !watched) {
    return watched;
  }
  for (std::size_t i = 0; i < listeners_ready_.size(); ++i) {
    listeners_ready_[i].link = this;
    listeners_ready_[i].listener = &sandbox_->listeners()[i];
    set_relay_options(sandbox_->listeners()[i]);
    if (auto watched = loop_.watch(sandbox_->listeners()[i], EPOLLIN, listeners_ready_[i]);
        !watched) {
      return watched;
    }
  }
  if (auto watched = loop_.watch(sandbox_->pidfd(), EPOLLIN, helper_died_); !watched) {
    return watched;
  }
  return pool_.install(*sandbox_);
}

void SandboxLink::uninstall() {
  if (!sandbox_) {
    return;
  }
  coalescer_.flush([](const auto&) {});
  loop_.unwatch(sandbox_->tun(), tun_ready_);
  for (std::size_t i = 0; i < listeners_ready_.size(); ++i) {
    loop_.unwatch(sandbox_->listeners()[i], listeners_ready_[i]);
  }
  loop_.unwatch(sandbox_->pidfd(), helper_died_);
  pool_.uninstall();
  sandbox_.reset();
}

void SandboxLink::write(const RawPacket& packet, const flows::Packet& parsed) {
  if (!is_up()) {
    owner_.sandbox_write_failed(1);
    return;
  }
  if (!coalescing_) {
    write_now(packet);
    return;
  }
  if (coalescer_.full()) {
    flush();
  }
  coalescer_.add(packet.bytes, parsed, packet.vnet);
}

void SandboxLink::flush() {
  if (!coalescer_.empty()) {
    coalescer_.flush([this](const auto& outgoing) { write_out(outgoing); });
  }
}

void SandboxLink::write_now(const RawPacket& packet) {
  const auto wire = packet.to_wire();
  if (!is_up() || ::write(sandbox_->tun().get(), wire.data(), wire.size()) != std::ssize(wire)) {
    owner_.sandbox_write_failed(1);
  }
}

void SandboxLink::write_out(const flows::Coalescer::Outgoing& outgoing) {
  const auto pieces = outgoing.pieces();
  if (::writev(sandbox_->tun().get(), pieces.data(), static_cast<int>(pieces.size())) >= 0) {
    return;
  }
  const bool refused_offload = errno == EINVAL || errno == EIO;
  if (outgoing.packets() == 1 || !refused_offload) {
    owner_.sandbox_write_failed(outgoing.packets());
    return;
  }
  log_warn("sandbox refused a coalesced packet, coalescing no more");
  coalescing_ = false;
  outgoing.each_packet([this](std::span<const std::byte> bytes) {
    flows::VnetHeader none;  // what was merged had complete checksums and no offload of its own
    const std::array<iovec, 2> pieces_of_one{
        iovec{&none, sizeof(none)}, iovec{const_cast<std::byte*>(bytes.data()), bytes.size()}};
    if (::writev(sandbox_->tun().get(), pieces_of_one.data(), pieces_of_one.size()) < 0) {
      owner_.sandbox_write_failed(1);
    }
  });
}

bool SandboxLink::read_batch() {
  TunBatch batch;
  read_tun(sandbox_->tun(), arena_, batch);
  if (batch.count > 0) {
    owner_.packets_from_sandbox(std::span(batch.packets).first(batch.count));
  }
  return batch.more;
}

void SandboxLink::read_turn() {
  for (int i = 0; i < kTunBatchesPerTurn && is_up() && read_batch(); ++i) {
  }
}

void SandboxLink::catch_up() {
  flush();
  for (std::size_t i = 0; is_up() && i < listeners_ready_.size(); ++i) {
    if (const Fd& listener = sandbox_->listeners()[i]; listener.is_open()) {
      accept_all(listener);
    }
  }
}

void SandboxLink::close_listeners() {
  for (std::size_t i = 0; is_up() && i < listeners_ready_.size(); ++i) {
    loop_.unwatch(sandbox_->listeners()[i], listeners_ready_[i]);
    sandbox_->listeners()[i].reset();
  }
}

void SandboxLink::drain() {
  while (is_up() && read_batch()) {
  }
}

void SandboxLink::accept_all(const Fd& listener) {
  while (auto arrival = acceptor_.next(listener)) {
    if (arrival->socket.is_open()) {
      owner_.accepted(std::move(arrival->socket), arrival->peer);
    } else {
      owner_.refused(arrival->peer);
    }
  }
}

}  // namespace gateway
