#include "gateway/hooks/app_life.h"

#include <exception>
#include <string>

#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace gateway {
namespace {

constexpr std::size_t kMostWhyBytes = 256;  // chosen: a sentence

base::Error failed(const hooks::App& app, const std::string& why) {
  return base::failure(app.info().name + ": " + why);
}

std::string context_text(const hooks::TunnelClaim& claim) {
  nlohmann::json context = {{"tenant", claim.tenant},
                            {"mtu", claim.mtu_bytes},
                            {"offload", claim.offload},
                            {"reply", claim.reply},
                            {"labels", claim.labels}};
  if (!claim.name.empty()) {
    context["name"] = claim.name;
  }
  for (const base::IpPrefix& prefix : claim.addresses) {
    context["addresses"].push_back(prefix.to_string());
  }
  return context.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

AppLife::AppLife(std::unique_ptr<hooks::ProcessHooks> process) : process_(std::move(process)) {
  runner_.set_object(*process_);
}

base::SysResult<std::unique_ptr<AppLife>> AppLife::begin(hooks::App& app, const Settings& settings,
                                                         std::size_t shards) {
  try {
    std::unique_ptr<AppLife> life(new AppLife(app.make_process(settings.app)));
    for (std::size_t i = 0; i < shards; ++i) {
      life->shards_.push_back(
          app.make_shard(settings.app, {.index = i, .count = shards}, *life->process_));
    }
    const hooks::GatewayStart start{.settings = settings.app, .shards = shards};
    if (const auto refusal = life->runner_.ask<&hooks::Start::start>(0, {}, start)) {
      return base::Unexpected{failed(app, *refusal)};
    }
    if (life->runner_.failures(hooks::HookId::kStart) > 0) {
      return base::Unexpected{failed(app, "its hook start has failed")};
    }
    return life;
  } catch (const std::exception& why) {
    return base::Unexpected{failed(app, why.what())};
  } catch (...) {
    return base::Unexpected{failed(app, "something was thrown that is no std::exception")};
  }
}

AppLife::~AppLife() {
  shards_.clear();
  runner_.tell<&hooks::Stop::stop>(0);
}

hooks::Refusal AppLife::refuses(const hooks::AppSection& settings) {
  return runner_.ask<&hooks::Reload::reload>(0, {}, hooks::GatewayReload{.settings = settings});
}

base::Result<TunnelContext, ContextRefusal> AppLife::read_context(
    std::span<const std::byte> datagram, const UnixPeer& peer) {
  const hooks::ContextAnswer answer = runner_.ask<&hooks::TunnelContextRead::tunnel_context>(
      0, {}, hooks::ContextDatagram{.bytes = datagram, .uid = peer.uid, .pid = peer.pid});
  switch (answer.kind) {
    case hooks::ContextAnswer::Kind::kAsUsual:
      return parse_context(datagram);
    case hooks::ContextAnswer::Kind::kClaim: {
      const std::string context = context_text(answer.claim);  // so that the same checks hold
      return parse_context(std::as_bytes(std::span(context)));
    }
    case hooks::ContextAnswer::Kind::kRefuse:
      break;
  }
  return base::Unexpected{ContextRefusal{ContextError::kRefusedByHook,
                                         base::printable(answer.why, kMostWhyBytes), false}};
}

}  // namespace gateway
