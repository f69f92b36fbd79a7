// What a batch of packets costs on a SEQPACKET socket: recvmmsg and sendmmsg, as the on-ramp has
// them, beside io_uring (a multishot receive into provided buffers, a send for each packet, the
// file registered). One thread is both ends, so that no wake-up and no scheduler is in the figures.

#include <benchmark/benchmark.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include <liburing.h>

#include "base/check.h"
#include "base/fd.h"

namespace bench {
namespace {

using base::Fd;

constexpr std::size_t kBatch = 64;
// A multishot receive ends when it looks for the next buffer and finds none, data or not.
constexpr std::size_t kSlots = 2 * kBatch;
constexpr std::size_t kSlotBytes = 2048;

class Batch {
 public:
  explicit Batch(std::size_t bytes) : memory_(kSlots * kSlotBytes) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      pieces_[i] = {slot(i), bytes};
      messages_[i].msg_hdr.msg_iov = &pieces_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  [[nodiscard]] std::byte* slot(std::size_t i) { return memory_.data() + i * kSlotBytes; }
  void send(const Fd& socket) {
    CHECK(::sendmmsg(socket.get(), messages_.data(), kBatch, MSG_DONTWAIT) == kBatch);
  }
  void receive(const Fd& socket) {
    CHECK(::recvmmsg(socket.get(), messages_.data(), kBatch, MSG_DONTWAIT, nullptr) == kBatch);
  }

 private:
  std::vector<std::byte> memory_;
  std::array<iovec, kBatch> pieces_{};
  std::array<mmsghdr, kBatch> messages_{};
};

struct Ends {
  Ends() {
    std::array<int, 2> fds{};
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds.data()) == 0);
    peer = Fd::adopt(fds[0]);
    own = Fd::adopt(fds[1]);
    const int bytes = 4 << 20;
    ::setsockopt(peer.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    ::setsockopt(own.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
  }

  Fd peer;
  Fd own;
};

class Ring {
 public:
  explicit Ring(const Fd& socket) {
    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    CHECK(::io_uring_queue_init_params(kBatch, &ring_, &parameters) == 0);
    const int fd = socket.get();
    CHECK(::io_uring_register_files(&ring_, &fd, 1) == 0);
  }
  ~Ring() { ::io_uring_queue_exit(&ring_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  void provide(Batch& batch) {
    constexpr unsigned kBytes = kSlots * sizeof(io_uring_buf);
    buffers_.reset(static_cast<io_uring_buf_ring*>(std::aligned_alloc(4096, 4096)));
    static_assert(kBytes <= 4096);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffers_.get());
    registration.ring_entries = kSlots;
    CHECK(::io_uring_register_buf_ring(&ring_, &registration, 0) == 0);
    ::io_uring_buf_ring_init(buffers_.get());
    for (std::size_t i = 0; i < kSlots; ++i) {
      give(batch, i, static_cast<int>(i));
    }
    ::io_uring_buf_ring_advance(buffers_.get(), kSlots);
    arm();
  }

  void receive(Batch& batch) {
    CHECK(::io_uring_submit_and_wait(&ring_, kBatch) >= 0);
    bool ended = false;
    reap([&](const io_uring_cqe& done, int index) {
      CHECK(done.res > 0);
      give(batch, done.flags >> IORING_CQE_BUFFER_SHIFT, index);
      ended = ended || (done.flags & IORING_CQE_F_MORE) == 0;
    });
    ::io_uring_buf_ring_advance(buffers_.get(), kBatch);
    if (ended) {
      arm();
    }
  }

  void send(Batch& batch, std::size_t bytes) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
      ::io_uring_prep_send(entry, 0, batch.slot(i), bytes, MSG_DONTWAIT);
      entry->flags |= IOSQE_FIXED_FILE;
    }
    CHECK(::io_uring_submit_and_wait(&ring_, kBatch) >= 0);
    reap([&](const io_uring_cqe& done, int) { CHECK(done.res == static_cast<int>(bytes)); });
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  void arm() {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_recv_multishot(entry, 0, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
    entry->buf_group = 0;
  }
  void give(Batch& batch, std::size_t slot, int index) {
    ::io_uring_buf_ring_add(buffers_.get(), batch.slot(slot), kSlotBytes,
                            static_cast<unsigned short>(slot), io_uring_buf_ring_mask(kSlots),
                            index);
  }
  template <class Take>
  void reap(Take take) {
    unsigned head = 0;
    int count = 0;
    io_uring_cqe* done = nullptr;
    io_uring_for_each_cqe(&ring_, head, done) {
      take(*done, count++);
    }
    CHECK(count == static_cast<int>(kBatch));
    ::io_uring_cq_advance(&ring_, kBatch);
  }

  io_uring ring_{};
  std::unique_ptr<io_uring_buf_ring, Free> buffers_;
};

std::size_t bytes_of(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0));
}

void say_packets(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}

void receive_mmsg(benchmark::State& state) {
  const Ends ends;
  Batch sent(bytes_of(state));
  Batch received(kSlotBytes);
  for (auto _ : state) {
    state.PauseTiming();
    sent.send(ends.peer);
    state.ResumeTiming();
    received.receive(ends.own);
  }
  say_packets(state);
}

void receive_uring(benchmark::State& state) {
  const Ends ends;
  Batch sent(bytes_of(state));
  Batch received(kSlotBytes);
  Ring ring(ends.own);
  ring.provide(received);
  for (auto _ : state) {
    state.PauseTiming();
    sent.send(ends.peer);
    state.ResumeTiming();
    ring.receive(received);
  }
  say_packets(state);
}

void send_mmsg(benchmark::State& state) {
  const Ends ends;
  Batch sent(bytes_of(state));
  Batch received(kSlotBytes);
  for (auto _ : state) {
    sent.send(ends.own);
    state.PauseTiming();
    received.receive(ends.peer);
    state.ResumeTiming();
  }
  say_packets(state);
}

void send_uring(benchmark::State& state) {
  const Ends ends;
  Batch sent(bytes_of(state));
  Batch received(kSlotBytes);
  Ring ring(ends.own);
  for (auto _ : state) {
    ring.send(sent, bytes_of(state));
    state.PauseTiming();
    received.receive(ends.peer);
    state.ResumeTiming();
  }
  say_packets(state);
}

BENCHMARK(receive_mmsg)->Arg(64)->Arg(1400);
BENCHMARK(receive_uring)->Arg(64)->Arg(1400);
BENCHMARK(send_mmsg)->Arg(64)->Arg(1400);
BENCHMARK(send_uring)->Arg(64)->Arg(1400);

}  // namespace
}  // namespace bench
