#include "gateway/onramp/seqpacket_door.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>

#include "gateway/descriptors.h"
#include "gateway/log.h"
#include "gateway/log_value.h"
#include "gateway/onramp/admission.h"

namespace gateway {

using base::SysResult;
using base::Unexpected;

namespace {

// Best effort: a peer that does not take its answer is none.
std::string text_of(const nlohmann::json& message) {
  return message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void send_json(const base::Fd& socket, const nlohmann::json& message) {
  const std::string text = text_of(message);
  (void)::send(socket.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

SysResult<std::unique_ptr<SeqpacketDoor>> SeqpacketDoor::open(
    asio::io_context& context, const SeqpacketOnramp& settings,
    const std::vector<TenantSettings>& tenants, Owner& owner) {
  auto listener = UnixListener::create({.path = settings.path,
                                        .type = SOCK_SEQPACKET,
                                        .mode = settings.mode,
                                        .chosen_by = "onramps.seqpacket.path"});
  if (!listener) {
    return Unexpected{listener.error()};
  }
  std::unique_ptr<SeqpacketDoor> door(
      new SeqpacketDoor(context, std::move(listener).value(), settings, tenants, owner));
  door->wait_for_clients();
  return door;
}

SeqpacketDoor::SeqpacketDoor(asio::io_context& context, UnixListener listener,
                             const SeqpacketOnramp& settings,
                             const std::vector<TenantSettings>& tenants, Owner& owner)
    : context_(context),
      listener_(std::move(listener)),
      settings_(settings),
      tenants_(tenants),
      owner_(owner),
      listening_(context, listener_.fd().get()),
      backoff_(context) {}

SeqpacketDoor::~SeqpacketDoor() {
  (void)listening_.release();
}  // the listener closes it

void SeqpacketDoor::wait_for_clients() {
  listening_.async_wait(asio::posix::stream_descriptor::wait_read, [this](std::error_code error) {
    if (!error) {
      accept_clients();
    }
  });
}

void SeqpacketDoor::accept_clients() {
  for (;;) {
    auto peer = listener_.accept();
    if (!peer) {
      // Out of descriptors or memory: the client waits in the queue, and so do we.
      log_warn("tunnel not accepted error={}", LogValue{peer.error().message()});
      backoff_.expires_after(std::chrono::milliseconds(100));
      backoff_.async_wait([this](std::error_code error) {
        if (!error) {
          wait_for_clients();
        }
      });
      return;
    }
    if (!*peer) {
      wait_for_clients();
      return;
    }
    greet(std::move(**peer));
  }
}

void SeqpacketDoor::greet(UnixPeer peer) {
  if (is_reserved(peer.socket)) {
    owner_.tunnel_refused(ContextError::kTooManyTunnels);
    return;
  }
  if (waiting_.size() >= kMaxWaiting) {
    hurry(ClientPtr(waiting_.front()));
  }
  const auto client = std::make_shared<Client>(context_, std::move(peer));
  client->place = waiting_.insert(waiting_.end(), client);
  client->timer.expires_after(
      std::chrono::duration_cast<asio::steady_timer::duration>(settings_.context_timeout));
  client->timer.async_wait([this, client](std::error_code error) {
    if (!error && client->is_waiting) {
      refuse(client, {ContextError::kTimeout, std::string(explain(ContextError::kTimeout)), false});
    }
  });
  client->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                [this, client](std::error_code error) {
                                  if (!error && client->is_waiting) {
                                    read_context(client);
                                  }
                                });
}

void SeqpacketDoor::hurry(const ClientPtr& client) {
  char first{};
  if (::recv(client->peer.socket.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
    read_context(client);
  } else {
    refuse(client, {ContextError::kTimeout, std::string(explain(ContextError::kTimeout)), false});
  }
}

void SeqpacketDoor::read_context(const ClientPtr& client) {
  std::array<std::byte, kMaxContextBytes + 1> buffer;
  const ssize_t got = ::recv(client->peer.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got <= 0) {
    refuse(client, {ContextError::kClosed, std::string(explain(ContextError::kClosed)), false});
  } else {
    // One byte more than allowed shows that it was too long: parse_context() says so.
    admit_or_refuse(client, std::span(buffer).first(static_cast<std::size_t>(got)));
  }
}

void SeqpacketDoor::admit_or_refuse(const ClientPtr& client, std::span<const std::byte> datagram) {
  const auto context = owner_.read_context(datagram, client->peer);
  if (!context) {
    refuse(client, context.error());
    return;
  }
  const auto admitted = admit(*context, client->peer.uid, ::geteuid(), settings_, tenants_);
  if (!admitted) {
    refuse(client, admitted.error());
    return;
  }
  const auto id = owner_.next_tunnel_id(context->tenant, descriptors_left(client->peer.socket));
  if (!id) {
    refuse(client, {id.error().error, id.error().message, context->reply});
    return;
  }
  const std::string reply = context->reply ? text_of({{"ok", true},
                                                      {"tunnel", *id},
                                                      {"mtu", context->mtu_bytes},
                                                      {"offload", context->offload}})
                                           : "";
  client->stop();
  base::Fd socket = std::move(client->peer.socket);
  waiting_.erase(client->place);
  owner_.tunnel_admitted(std::move(socket), *id, *context, reply);
}

void SeqpacketDoor::refuse(const ClientPtr& client, const ContextRefusal& refusal) {
  log_info("tunnel refused reason={} uid={} pid={} message={}", name(refusal.error),
           client->peer.uid, client->peer.pid, LogValue{refusal.message});
  if (refusal.reply) {
    send_json(client->peer.socket, {{"ok", false}, {"error", refusal.message}});
  }
  owner_.tunnel_refused(refusal.error);
  client->stop();
  waiting_.erase(client->place);
}

}  // namespace gateway
