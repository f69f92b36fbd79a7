#include "integration/support/wire.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>

#include "integration/support/must.h"
#include "netns/tun_device.h"

namespace integration {

using base::Fd;

namespace {

constexpr char kBetweenFields = '|';
constexpr char kBetweenValues = ' ';  // no value that is asked for has one

netns::TunDevice make_wire() {
  netns::TunConfig config;
  config.name = Wire::kName;
  config.addresses = {{address(Wire::kHost4), 24}, {address(Wire::kHost6), 64}};
  config.vnet_header = false;
  config.offload = false;
  config.default_routes = false;
  return must(netns::make_tun(config));
}

std::array<Fd, 2> socket_pair() {
  std::array<int, 2> pair{};
  must_call(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), "socketpair");
  return {Fd::adopt(pair[0]), Fd::adopt(pair[1])};
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    parts.push_back(part);
  }
  return parts;
}

std::string contents_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

Program start_dumpcap(const std::string& file, const std::string& filter) {
  Program dumpcap = Program::start({"dumpcap", "-q", "-i", Wire::kName, "-f", filter, "-w", file},
                                   {.as_network_admin = true});
  // It says where it writes to when it has begun to listen.
  if (!eventually([&] {
        return dumpcap.err().find("File: ") != std::string::npos || !dumpcap.is_running();
      }) ||
      !dumpcap.is_running()) {
    give_up("dumpcap does not capture: " + dumpcap.err());
  }
  return dumpcap;
}

}  // namespace

struct Wire::State {
  State()
      : stopping(Fd::adopt(must_call(::eventfd(0, EFD_CLOEXEC), "eventfd"))),
        ends(socket_pair()),
        machine(TunnelConnection(std::move(ends[1])),
                {.addresses = {kMachine4 + "/24", kMachine6 + "/64"}, .mtu = 1500}),
        there([this] { carry(host.fd, ends[0]); }),
        back([this] { carry(ends[0], host.fd); }) {}
  ~State() {
    const std::uint64_t one = 1;
    (void)!::write(stopping.get(), &one, sizeof(one));
    ::shutdown(ends[0].get(), SHUT_RDWR);
    there.join();
    back.join();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void carry(const Fd& from, const Fd& to) const {
    std::vector<std::byte> packet(65'536);
    for (;;) {
      std::array<pollfd, 2> wait{pollfd{.fd = from.get(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = stopping.get(), .events = POLLIN, .revents = 0}};
      while (::poll(wait.data(), wait.size(), -1) < 0) {
      }
      if (wait[1].revents != 0) {
        return;
      }
      const auto size = ::read(from.get(), packet.data(), packet.size());
      if (size == 0) {
        return;
      }
      if (size > 0) {
        (void)!::write(to.get(), packet.data(), static_cast<std::size_t>(size));
      }
    }
  }

  netns::TunDevice host = make_wire();
  Fd stopping;
  std::array<Fd, 2> ends;  // ours, and the machine's
  ClientNetwork machine;
  std::thread there;
  std::thread back;
};

Wire::Wire() : state_(std::make_unique<State>()) {}
Wire::~Wire() = default;

const ClientNetwork& Wire::machine() const {
  return state_->machine;
}

Capture::Capture(const std::string& filter)
    : dumpcap_(start_dumpcap(directory_.file("wire.pcapng"), filter)) {}

void Capture::stop_after(const std::string& text) {
  const std::string file = directory_.file("wire.pcapng");
  if (!eventually([&] { return contents_of(file).find(text) != std::string::npos; })) {
    give_up("not captured: " + text);
  }
  dumpcap_.signal(SIGINT);
  if (const Finished finished = dumpcap_.wait(); finished.status != 0) {
    give_up("dumpcap: " + finished.err);
  }
}

std::vector<Capture::Row> Capture::read(const std::vector<std::string>& fields) const {
  return read_capture(directory_.file("wire.pcapng"), fields);
}

std::vector<Capture::Row> read_capture(const std::string& file,
                                       const std::vector<std::string>& fields) {
  Program::Words words = {"tshark", "-n", "-r", file, "-T", "fields"};
  const std::string dissector = LIFTGATE_SOURCE_ROOT "/integration/support/gue.lua";
  for (const std::string& word :
       {std::string("-X"), "lua_script:" + dissector, std::string("-o"),
        std::string("ip.check_checksum:TRUE"), std::string("-o"),
        std::string("udp.check_checksum:TRUE"), std::string("-o"),
        std::string("tcp.check_checksum:TRUE"), std::string("-E"),
        std::string("separator=") + kBetweenFields, std::string("-E"), std::string("occurrence=a"),
        std::string("-E"), std::string("aggregator=/s")}) {
    words.push_back(word);
  }
  for (const std::string& field : fields) {
    words.insert(words.end(), {"-e", field});
  }
  const Finished finished = run(words, 60s, {.environment = {"HOME=/tmp"}});
  if (finished.status != 0) {
    give_up("tshark: " + finished.err);
  }
  std::vector<Capture::Row> rows;
  for (const std::string& line : split(finished.out, '\n')) {
    const auto values = split(line, kBetweenFields);
    Capture::Row& row = rows.emplace_back();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      row[fields[i]] =
          i < values.size() ? split(values[i], kBetweenValues) : std::vector<std::string>{};
    }
  }
  return rows;
}

}  // namespace integration
