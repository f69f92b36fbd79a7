#include "gateway/relay/tcp_relay.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "gateway/loop/tcp_socket.h"

namespace gateway {

using base::Fd;

namespace {

constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

// Whether bytes wait in the socket that were never sent yet.
bool has_unsent(const Fd& fd) {
  int bytes = 0;
  return ::ioctl(fd.get(), SIOCOUTQNSD, &bytes) == 0 && bytes > 0;
}

int pending_error(const Fd& fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace

TcpRelay::TcpRelay(EventLoop& loop, PipePool& pipes, Fd client, Fd upstream, Owner& owner)
    : loop_(loop), pipes_(pipes), owner_(owner) {
  ends_[kClient].fd = std::move(client);
  ends_[kUpstream].fd = std::move(upstream);
  for (End& end : ends_) {
    end.relay = this;
  }
}

TcpRelay::~TcpRelay() {
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    loop_.unwatch(ends_[i].fd, ends_[i]);
    pumps_[i].release(pipes_);
    const bool reads_on = i == kUpstream && lets_upstream_read_on_ && is_client_done();
    if (abort_ && !reads_on) {
      reset_on_close(ends_[i].fd);
    }
  }
}

void TcpRelay::watch(Watcher& watcher) {
  watch_.relay = this;
  watch_.watcher = &watcher;
  for (Pump& pump : pumps_) {
    pump.watch(watch_);
  }
}

bool TcpRelay::Watch::passes(const Pump& pump, std::span<const std::byte> bytes) {
  const bool is_clients = &pump == &relay->pumps_[kClient];
  return watcher->passes(is_clients ? flows::Side::kInitiator : flows::Side::kResponder,
                         pump.moved_bytes(), bytes);
}

void TcpRelay::set_bounds(const Bounds& bounds, Pacer& pacer) {
  if (bounds == (pace_ == nullptr ? Bounds{} : pace_->bounds)) {
    return;
  }
  const bool waited = pace_ != nullptr;
  pace_.reset();
  if (bounds.any()) {
    pace_.reset(new Pace{.bounds = bounds, .pacer = pacer});
    for (const std::size_t end : {kClient, kUpstream}) {
      pace_->directions[end].relay = this;
      pace_->directions[end].end = end;
    }
  }
  for (End& end : ends_) {
    if (waited) {
      loop_.again(end);  // its turn would not come any more
    }
  }
}

base::SysResult<void> TcpRelay::start() {
  for (End& end : ends_) {
    if (auto watched = loop_.watch(end.fd, kEvents, end); !watched) {
      return watched;
    }
  }
  return {};
}

void TcpRelay::on_end_ready(End& end, std::uint32_t events) {
  const std::size_t index = &end == &ends_[kClient] ? kClient : kUpstream;
  if ((events & EPOLLPRI) != 0) {
    pumps_[index].expect_urgent_data();
  }
  end.hung_up = end.hung_up || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (resetting_) {
    settle(loop_.now());
    return;
  }
  const bool takes_again = (events & EPOLLOUT) != 0 && pumps_[other(index)].is_blocked();
  if (takes_again && !pump_from(other(index))) {
    return;
  }
  // events == 0 is the turn that this end asked for when it had more than its share to read.
  const bool readable = events == 0 || (events & ~std::uint32_t{EPOLLOUT}) != 0;
  if (readable && !pumps_[index].is_blocked() && !pump_from(index)) {
    return;
  }
  // Dead, and yet not read to its end, because the other side takes no more for now.
  if ((events & EPOLLERR) != 0) {
    if (const int error = pending_error(end.fd); error != 0) {
      begin_reset(index, error);
    }
  }
}

bool TcpRelay::pump_from(std::size_t end) {
  return may_pump_from(end) ? judge(end, run_pump(end, ends_[end].hung_up)) : true;
}

bool TcpRelay::may_pump_from(std::size_t end) {
  return pace_ == nullptr ||
         pace_->pacer.may_go(pace_->directions[end], pace_->bounds, loop_.now());
}

Pump::Step TcpRelay::run_pump(std::size_t end, bool hung_up) {
  const Fd& from = ends_[end].fd;
  const Fd& to = ends_[other(end)].fd;
  if (pace_ == nullptr) {
    return pumps_[end].run(from, to, pipes_, hung_up);
  }
  const std::uint64_t before = pumps_[end].moved_bytes();
  const Pump::Step step = pumps_[end].run(from, to, pipes_, hung_up, pace_->bounds.share_bytes());
  pace_->bounds.take(pumps_[end].moved_bytes() - before, loop_.now());
  return step;
}

void TcpRelay::go_on(std::size_t end) {
  if (may_pump_from(end)) {
    loop_.again(ends_[end]);
  }
}

void TcpRelay::take_turn(std::size_t end) {
  if (resetting_) {
    settle(loop_.now());
  } else {
    pump_from(end);
  }
}

bool TcpRelay::judge(std::size_t from, Pump::Step step) {
  switch (step) {
    case Pump::Step::kIdle:
    case Pump::Step::kBlocked:
      return true;
    case Pump::Step::kBudget:
      go_on(from);
      return true;
    case Pump::Step::kDone:
      return pumps_[other(from)].is_done() ? end_with(Outcome::kClosed) : true;
    case Pump::Step::kReadFailed:
      begin_reset(from, pumps_[from].error());
      return false;
    case Pump::Step::kWriteFailed:
      begin_reset(other(from), pumps_[from].error());
      return false;
  }
  return true;
}

// `by` is dead. What it sent before it died still goes out; nothing goes to it any more.
void TcpRelay::begin_reset(std::size_t by, int error) {
  resetting_ = true;
  reset_by_ = static_cast<std::uint8_t>(by);
  timed_out_ = error == ETIMEDOUT;
  reset_deadline_ = loop_.now() + kResetPatience;
  pumps_[other(by)].release(pipes_);
  pumps_[by].withhold_fin();
  if (!settle(loop_.now())) {
    owner_.relay_lingers(*this);
  }
}

bool TcpRelay::settle(base::Instant now) {
  const std::size_t by = reset_by_;
  const Fd& receiver = ends_[other(by)].fd;
  const Pump::Step step = may_pump_from(by) ? run_pump(by, true) : Pump::Step::kBudget;
  if (step == Pump::Step::kBudget && pace_ != nullptr) {
    go_on(by);  // by its share, which a tick would be too slow for
  }
  const bool undelivered =
      step == Pump::Step::kBlocked || step == Pump::Step::kBudget || has_unsent(receiver);
  if (undelivered && step != Pump::Step::kWriteFailed && now < reset_deadline_) {
    return false;
  }
  if (timed_out_) {
    end_with(Outcome::kTimedOut);
  } else {
    end_with(by == kClient ? Outcome::kResetByClient : Outcome::kResetByUpstream);
  }
  return true;
}

bool TcpRelay::end_with(Outcome outcome) {
  abort_ = outcome != Outcome::kClosed;
  owner_.relay_ended(*this, outcome);
  return false;
}

}  // namespace gateway
