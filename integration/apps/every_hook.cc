// every_hook: an app that has every hook of the table, for tests of when and how they are called.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gateway/hooks/app.h"

namespace {

using namespace gateway::hooks;  // NOLINT(google-build-using-namespace): an app is written in it

struct Settings {
  std::string throws;                // the name of a hook
  std::string refuses;               // the name of a hook
  std::string holds;                 // the name of a hook
  std::string until;                 // a named pipe that somebody opens to write
  std::string pipeline;              // relay, watch or take
  std::string hide = "drop this";    // packets that carry it
  bool upper = false;                // payloads of UDP
  std::string name;                  // of the upstream, by egress_decide
  std::vector<std::string> resolve;  // to these addresses
  bool reverse = false;              // the candidates
  std::string datagrams;             // send_to or use
  base::Endpoint to;                 // where datagrams go then

  void describe(SettingVisitor& v) {
    v.value("throws", throws, "The hook that throws.");
    v.value("refuses", refuses, "The decision that says no.");
    v.value("holds", holds, "The hook that does not return,");
    v.value("until", until, "until somebody writes to this named pipe.");
    v.value("pipeline", pipeline, "relay, watch or take.");
    v.value("hide", hide, "Packets that carry this are dropped.");
    v.value("upper", upper, "Whether UDP arrives in capitals.");
    v.value("name", name, "What connections go to.");
    v.list("resolve", resolve, "What names mean.");
    v.value("reverse", reverse,
            "Whether the last candidate is dialled first, and then the others.");
    v.value("datagrams", datagrams, "send_to or use.");
    v.value("to", to, "Where datagrams go then.");
  }
  friend bool operator==(const Settings&, const Settings&) = default;
};

class Calls {
 public:
  explicit Calls(const Settings& settings) : settings_(settings) {}

 protected:
  // Whether the hook is to say no.
  bool called(const std::string& hook) const {
    if (settings_.holds == hook) {
      std::ifstream(settings_.until).get();
    }
    if (settings_.throws == hook) {
      throw std::runtime_error("as it was told");
    }
    return settings_.refuses == hook;
  }

  Settings settings_;
};

class Process final : public ProcessHooks,
                      private Calls,
                      public Start,
                      public Reload,
                      public TunnelContextRead,
                      public Stop {
 public:
  explicit Process(const Settings& settings) : Calls(settings) {}

  Refusal start(const GatewayStart& /*start*/) override {
    log("every_hook start");
    return called("start") ? Refusal("told to refuse") : std::nullopt;
  }
  Refusal reload(const GatewayReload& reload) override {
    const bool refuses = reload.settings.as<Settings>()->refuses == "reload";
    return refuses ? Refusal("told to refuse") : std::nullopt;
  }
  // "acme/laptop 100.64.0.2/32"; anything else is JSON.
  ContextAnswer tunnel_context(const ContextDatagram& datagram) override {
    if (called("tunnel_context")) {
      return ContextAnswer::refuse("told to refuse");
    }
    const std::string text(reinterpret_cast<const char*>(datagram.bytes.data()),
                           datagram.bytes.size());
    const std::size_t slash = text.find('/');
    const std::size_t space = text.find(' ');
    const auto prefix =
        space == std::string::npos ? std::nullopt : base::IpPrefix::parse(text.substr(space + 1));
    if (!prefix || slash > space) {
      return ContextAnswer::as_usual();
    }
    return ContextAnswer::of({.tenant = text.substr(0, slash),
                              .name = text.substr(slash + 1, space - slash - 1),
                              .addresses = {*prefix},
                              .labels = {{"uid", std::to_string(datagram.uid)}}});
  }
  void stop() override { log("every_hook stop"); }
};

struct Seen {
  std::string from_client;
};

// Both directions, until both have ended; for the little that a test sends.
void relay(TakenConnection connection) {
  std::array<const base::Fd*, 2> ends{&connection.client(), &connection.upstream()};
  std::array<bool, 2> open{true, true};
  while (open[0] || open[1]) {
    std::array<pollfd, 2> ready{};
    for (std::size_t i = 0; i < 2; ++i) {
      ready.at(i) = {.fd = open.at(i) ? ends.at(i)->get() : -1, .events = POLLIN, .revents = 0};
    }
    if (::poll(ready.data(), ready.size(), -1) < 0) {
      return;
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (ready.at(i).revents == 0) {
        continue;
      }
      std::array<char, 4096> bytes{};
      const ssize_t got = ::recv(ends.at(i)->get(), bytes.data(), bytes.size(), 0);
      if (got < 0) {
        return;  // reset
      }
      if (got == 0) {
        open.at(i) = false;
        ::shutdown(ends.at(1 - i)->get(), SHUT_WR);
        continue;
      }
      std::ranges::transform(bytes, bytes.begin(), [](char c) {
        return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      });
      ::send(ends.at(1 - i)->get(), bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
      connection.count(i == 0 ? static_cast<std::uint64_t>(got) : 0,
                       i == 1 ? static_cast<std::uint64_t>(got) : 0);
    }
  }
  connection.finish();
}

class Shard final : public ShardHooks,
                    private Calls,
                    public ShardReload,
                    public FlowDecide,
                    public PacketLook,
                    public EgressDecide,
                    public EgressResolve,
                    public EgressChoose,
                    public EgressDatagrams,
                    public EgressEstablished,
                    public IngressDecide,
                    public PipelineDecide,
                    public PipelineBytes,
                    public PipelineTake,
                    public IngressClose,
                    public FlowEnd {
 public:
  explicit Shard(const Settings& settings) : Calls(settings) {}

  void shard_reload(const GatewayReload& reload) override {
    settings_ = *reload.settings.as<Settings>();
  }
  FlowRuling flow_decide(const FlowStart& start) override {
    start.flow.context.emplace<Seen>();
    log("every_hook flow_decide hypothetical=" + std::to_string(int{start.hypothetical}) +
        " tunnel=" + std::string(start.flow.tunnel.name) + " rule=" + std::string(start.rule));
    return called("flow_decide") ? FlowRuling::reject() : FlowRuling::no_opinion();
  }
  PacketRuling packet(const PassingPacket& packet) override {
    called("packet");
    const auto payload = packet.payload();
    const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
    if (!settings_.hide.empty() && text.find(settings_.hide) != std::string_view::npos) {
      return PacketRuling::kDrop;
    }
    if (settings_.upper && packet.flow().protocol == flows::Protocol::kUdp) {
      for (std::byte& byte : packet.payload_to_change()) {
        byte = static_cast<std::byte>(std::toupper(std::to_integer<int>(byte)));
      }
    }
    return PacketRuling::kPass;
  }
  EgressRuling egress_decide(const EgressStart& start) override {
    if (called("egress_decide")) {
      return EgressRuling::refuse();
    }
    return settings_.name.empty()
               ? EgressRuling::connect()
               : EgressRuling::connect_to(settings_.name, start.flow.destination.port);
  }
  Resolution egress_resolve(const NameLookup& lookup) override {
    log("every_hook egress_resolve name=" + std::string(lookup.name) +
        " known=" + std::to_string(lookup.known.size()));
    if (called("egress_resolve")) {
      return Resolution::none();
    }
    std::vector<base::IpAddress> addresses;
    for (const std::string& address : settings_.resolve) {
      addresses.push_back(*base::IpAddress::parse(address));
    }
    return addresses.empty() ? Resolution::as_known() : Resolution::of(addresses);
  }
  AddressOrder egress_choose(const Candidates& candidates) override {
    const auto& all = candidates.addresses;
    if (called("egress_choose")) {
      return {};
    }
    return settings_.reverse ? AddressOrder(all.rbegin(), all.rend())
                             : AddressOrder(all.begin(), all.begin() + candidates.usual);
  }
  DatagramRuling egress_datagrams(const DatagramStart& /*start*/) override {
    if (called("egress_datagrams")) {
      return DatagramRuling::refuse();
    }
    if (settings_.datagrams == "use") {
      const base::SocketAddress to(settings_.to);
      base::Fd socket = base::Fd::adopt(::socket(to.family(), SOCK_DGRAM, 0));
      ::connect(socket.get(), to.data(), to.size());
      return DatagramRuling::use(std::move(socket));
    }
    return settings_.datagrams == "send_to" ? DatagramRuling::send_to(settings_.to)
                                            : DatagramRuling::send();
  }
  void egress_established(const EgressUp& /*up*/) override { called("egress_established"); }
  IngressRuling ingress_decide(const IngressStart& /*start*/) override {
    return called("ingress_decide") ? IngressRuling::kBlock : IngressRuling::kAllow;
  }
  PipelineRuling pipeline_decide(const PipelineStart& /*start*/) override {
    called("pipeline_decide");
    if (settings_.pipeline == "take") {
      return PipelineRuling::kTake;
    }
    return settings_.pipeline == "watch" ? PipelineRuling::kWatch : PipelineRuling::kRelay;
  }
  Watching pipeline_bytes(const PipelinePassed& passed) override {
    called("pipeline_bytes");
    const auto* text = reinterpret_cast<const char*>(passed.bytes.data());
    passed.flow.context.get<Seen>()->from_client.append(text, passed.bytes.size());
    return Watching::kEnough;
  }
  void pipeline_take(PipelineTaken& taken) override {
    called("pipeline_take");
    std::thread(relay, std::move(taken.connection)).detach();
  }
  void ingress_close(const IngressEnded& ended) override {
    called("ingress_close");
    log("every_hook ingress_close up_bytes=" + std::to_string(ended.up_bytes) +
        " down_bytes=" + std::to_string(ended.down_bytes) +
        " client_received=" + std::to_string(ended.client ? ended.client->received_bytes : 0) +
        " seen=" + ended.flow.context.get<Seen>()->from_client);
  }
  void flow_end(const FlowEnded& ended) override {
    called("flow_end");
    log("every_hook flow_end protocol=" + std::to_string(static_cast<int>(ended.flow.protocol)) +
        " reason=" + std::string(name(ended.reason)));
  }
};

}  // namespace

int main(int argc, char** argv) {
  return bootstrap<Settings, Shard, Process>({.name = "every_hook"}, argc, argv);
}
