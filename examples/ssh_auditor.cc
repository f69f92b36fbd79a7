// ssh_auditor: which programs and algorithms the SSH connections of tunnels use, one JSON object a
// line. What is for another tunnel is upgraded and downgraded again; both ends still see each
// other.
//
//     app: {path: ssh.jsonl}
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/hooks/app.h"

namespace {

using namespace gateway::hooks;  // NOLINT(google-build-using-namespace): an app is written in it

struct Settings {
  std::uint32_t port = 22;

  void describe(SettingVisitor& v) {
    v.value("port", port, "Of SSH servers.");
    v.rule_out(port == 0 || port > 65535, "port", "there is no such port");
  }
  friend bool operator==(const Settings&, const Settings&) = default;
};

// What one side says before anything is encrypted (RFC 4253, sections 4.2 and 7.1).
struct Hello {
  std::string seen;
  std::string banner;
  std::vector<std::string> lists;  // of algorithms: key exchange, host key, ciphers, ...

  // Whether that was all of it, or is no SSH.
  bool read(std::string_view bytes) {
    constexpr std::size_t kLists = 4 + 1 + 1 + 16;  // length, padding, message, cookie before them
    seen += bytes;
    const std::size_t line = seen.find('\n');
    if (line == std::string::npos) {
      return seen.size() > 255;
    }
    banner = seen.substr(0, seen.find_last_not_of("\r\n", line) + 1);
    const std::string_view packet = std::string_view(seen).substr(line + 1);
    const std::size_t length = number(packet, 0);
    if (packet.size() < 4 || (packet.size() < 4 + length && length < 65'536)) {
      return false;
    }
    const bool is_key_exchange = length > kLists && length < 65'536 && packet[5] == 20;
    for (std::size_t at = kLists; is_key_exchange && lists.size() < 8;
         at += 4 + lists.back().size()) {
      if (at + 4 + number(packet, at) > packet.size()) {
        return true;
      }
      lists.emplace_back(packet.substr(at + 4, number(packet, at)));
    }
    return true;
  }

  static std::size_t number(std::string_view bytes, std::size_t at) {
    std::size_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
      value = value << 8U | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0);
    }
    return value;
  }
};

struct Session {
  Hello client;
  Hello server;

  // The first of the client's that the server has.
  [[nodiscard]] std::string agreed(std::size_t list) const {
    if (client.lists.size() <= list || server.lists.size() <= list) {
      return "";
    }
    for (std::string_view rest = client.lists[list]; !rest.empty();) {
      const std::string name(rest.substr(0, rest.find(',')));
      if (("," + server.lists[list] + ",").find("," + name + ",") != std::string::npos) {
        return name;
      }
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    }
    return "";
  }
};

std::string field(std::string_view key, std::string_view text) {  // strangers wrote the text
  std::string out = " " + std::string(key) + "=\"";
  for (const char c : text) {
    out += c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c;
  }
  return out + "\"";
}

class Auditor final : public ShardHooks,
                      public FlowDecide,
                      public PipelineDecide,
                      public PipelineBytes,
                      public IngressClose {
 public:
  explicit Auditor(const Settings& settings) : port_(settings.port) {}

  FlowRuling flow_decide(const FlowStart& start) override {
    const auto ruled = start.ruled.kind;
    const bool is_denied = ruled == FlowRuling::Kind::kReject || ruled == FlowRuling::Kind::kDrop;
    if (is_denied || start.flow.protocol != flows::Protocol::kTcp ||
        number(start.flow.destination.port) != port_) {
      return FlowRuling::no_opinion();
    }
    start.flow.context.emplace<Session>();
    return start.to_tunnel ? FlowRuling::upgrade_then_downgrade() : FlowRuling::no_opinion();
  }

  PipelineRuling pipeline_decide(const PipelineStart& start) override {
    const bool is_ssh = start.flow.context.get<Session>() != nullptr;
    return is_ssh ? PipelineRuling::kWatch : PipelineRuling::kRelay;
  }

  Watching pipeline_bytes(const PipelinePassed& passed) override {
    auto& session = *passed.flow.context.get<Session>();
    Hello& hello = passed.sender == flows::Side::kInitiator ? session.client : session.server;
    const auto* text = reinterpret_cast<const char*>(passed.bytes.data());
    return hello.read({text, passed.bytes.size()}) ? Watching::kEnough : Watching::kMore;
  }

  void ingress_close(const IngressEnded& ended) override {
    if (const Session* session = ended.flow.context.get<Session>()) {
      log("ssh session over flow=" + std::to_string(ended.flow.id) +
          field("tenant", ended.flow.tenant) + field("client", session->client.banner) +
          field("server", session->server.banner) + field("key_exchange", session->agreed(0)) +
          field("host_key", session->agreed(1)) + field("cipher", session->agreed(2)) +
          " up_bytes=" + std::to_string(ended.up_bytes) +
          " down_bytes=" + std::to_string(ended.down_bytes));
    }
  }

 private:
  std::uint32_t port_;
};

}  // namespace

int main(int argc, char** argv) {
  return bootstrap<Settings, Auditor>({.name = "ssh_auditor", .version = "1"}, argc, argv);
}
