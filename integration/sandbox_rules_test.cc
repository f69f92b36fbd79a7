// The first rules that somebody writes for a sandbox, as README.md has them: one domain and its
// names, no cloud metadata, nothing private, a bound on the bandwidth, the rest refused and said;
// with real clients, under `liftgate run`.
//
//     curl, git, apt, npm in `liftgate run` ==TUN==> gateway ==> dnsmasq          on 192.0.2.9:53
//                                                            ==> HTTP, git, ...   on 192.0.2.1
//                                                            ==> a tracker        on 192.0.2.2

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/support/gateway_process.h"
#include "integration/support/host_network.h"
#include "integration/support/program.h"
#include "integration/support/resolver.h"
#include "integration/support/servers.h"
#include "tests/support/temp_directory.h"

namespace integration {
namespace {

constexpr auto kRules = R"(rules:
  - {name: no-metadata, match: {destination: [169.254.0.0/16, "fe80::/10"]}, action: reject}
  - {name: no-private, match: {destination: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]},
     action: reject, log: true}
  - {name: dns, match: {protocol: [udp, tcp], destination_port: 53}, action: upgrade}
  - {name: example, match: {protocol: tcp, name: [example.test, "*.example.test"]}, action: upgrade,
     bandwidth: 20Mbit/s}
  - {name: rest, action: reject, log: true}
)";

// Reads a request, answers it, closes.
constexpr auto kHttp =
    "end=$(printf '\\r'); while read -r line && [ \"$line\" != \"$end\" ]; do :; done; "
    "printf 'HTTP/1.0 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nhello\\n'";

class SandboxRules : public testing::Test {
 protected:
  SandboxRules() {
    std::ofstream(file("rules.yaml")) << kRules;
    resolver_.emplace(start_resolver({"--address=/example.test/" + host::kServer4,
                                      "--address=/tracker.test/192.0.2.2",
                                      "--address=/rebound.example.test/10.1.2.3"}));
    make_repository();
  }

  void make_repository() const {
    const std::string repository = file("repositories/hello.git");
    const Finished made = run(
        {"sh", "-c",
         "git init -q -b main --bare " + repository + " && git init -q " + file("work") +
             " && cd " + file("work") +
             " && git -c user.name=t -c user.email=t@example.test commit -q --allow-empty -m one &&"
             " git push -q " +
             repository + " HEAD:refs/heads/main"},
        kPatience, {.environment = {"HOME=" + file(""), "GIT_CONFIG_NOSYSTEM=1"}});
    ASSERT_EQ(made.status, 0) << made;
  }

  std::string file(const std::string& name) const { return directory_.file(name); }

  // The command under the rules; it lives until end_input().
  Program start(const std::string& script) const {
    return Program::start(
        {liftgate_program(), "run", "--config", file("rules.yaml"), "--audit", file("audit.jsonl"),
         "--", "sh", "-c", script + "\necho done; read -r _"},
        {.keep_input_open = true,
         .environment = {"LIFTGATE_SOCKET=" + file("control.sock"), "HOME=" + file(""),
                         "GIT_CONFIG_NOSYSTEM=1"}});
  }
  // What flowctl says of a packet while the command lives.
  nlohmann::json explain(const std::string& packet) const {
    const Finished said =
        run({flowctl_program(), "--socket", file("control.sock"), "--json", "explain", packet});
    EXPECT_EQ(said.status, 0) << said;
    return nlohmann::json::parse(said.out, nullptr, false);
  }
  // The end of the flow to an address, in the audit log.
  nlohmann::json end_of_flow_to(const std::string& address) const {
    nlohmann::json found;
    EXPECT_TRUE(eventually([&] {
      std::ifstream lines(file("audit.jsonl"));
      for (std::string line; std::getline(lines, line);) {
        const auto event = nlohmann::json::parse(line, nullptr, false);
        if (!event.is_discarded() &&
            event.at("destination").get<std::string>().starts_with(address)) {
          found = event;
        }
      }
      return !found.is_null();
    })) << address;
    return found;
  }

  test_support::TempDirectory directory_;
  const host::ResolvConf resolv_conf_{"nameserver " + kResolver + "\n"};
  std::optional<Program> resolver_;
};

TEST_F(SandboxRules, LetTheDomainThroughAndExplainEveryRefusal) {
  const TcpServer http = TcpServer::program({"sh", "-c", kHttp});
  const TcpServer tracker = TcpServer::program({"sh", "-c", kHttp}, host::kOtherServer4);
  const Program git_daemon = Program::start(
      {"sh", "-c", "exec \"$(git --exec-path)/git-daemon\" \"$@\"", "sh", "--export-all",
       "--reuseaddr", "--listen=192.0.2.1", "--port=9418", "--base-path=" + file("repositories")},
      {.environment = {"HOME=" + file("")}});
  const std::string port = std::to_string(http.port());
  const std::string curl = "curl -sS --max-time 10 ";

  Program command =
      start("until " + curl + "http://www.example.test:" + port + "/; do sleep 0.1; done\n" +
            "until git clone -q git://git.example.test/hello.git " + file("clone") +
            "; do sleep 0.1; rm -rf " + file("clone") + "; done\n" + curl +
            "http://tracker.test:" + std::to_string(tracker.port()) + "/ || echo tracker $?\n" +
            curl + "http://rebound.example.test/ || echo rebound $?\n" + curl +
            "http://169.254.169.254/latest/meta-data/ || echo metadata $?\n" + curl + "http://" +
            host::kOtherServer4 + ":" + std::to_string(tracker.port()) + "/ || echo address $?");
  ASSERT_TRUE(eventually([&] { return command.out().find("done") != std::string::npos; }, 60s))
      << command.out() << command.err();

  // curl's 7: the connection was refused.
  EXPECT_EQ(command.out().substr(0, 6), "hello\n");
  for (const char* refused : {"tracker 7", "rebound 7", "metadata 7", "address 7"}) {
    EXPECT_NE(command.out().find(refused), std::string::npos) << command.out() << command.err();
  }
  EXPECT_EQ(run({"git", "-C", file("clone"), "log", "-1", "--format=%s"}).out, "one\n");

  const auto why = [&](const std::string& destination, const std::string& rule) {
    const auto said = explain("tcp 198.18.255.2:50000 > " + destination);
    EXPECT_EQ(said.at("rule"), rule) << said;
    EXPECT_EQ(said.at("action"), "reject") << said;
    EXPECT_EQ(end_of_flow_to(destination).at("rule"), rule);
  };
  why("192.0.2.2:" + std::to_string(tracker.port()), "rest");
  why("10.1.2.3:80", "no-private");
  why("169.254.169.254:80", "no-metadata");
  EXPECT_EQ(end_of_flow_to("192.0.2.2:").at("name"), "tracker.test");
  EXPECT_NE(command.err().find("flow decided rule=no-private action=reject"), std::string::npos)
      << command.err();
  EXPECT_EQ(command.err().find("rule=no-metadata"), std::string::npos) << "it has no `log`";

  command.end_input();
  EXPECT_EQ(command.wait().status, 1) << "read's, at the end of its input";
}

// What `directory` holds, over HTTP.
TcpServer file_server(const std::string& directory, Listening where = host::kServer4) {
  return TcpServer(
      [directory](TcpConnection& connection, Served&) {
        std::string head;
        while (head.find("\r\n\r\n") == std::string::npos) {
          const std::string more = connection.receive(1);
          if (more.empty()) {
            return;
          }
          head += more;
        }
        const std::string path = head.substr(4, head.find(' ', 4) - 4);
        std::ifstream file(directory + path, std::ios::binary);
        const std::string body{std::istreambuf_iterator<char>(file), {}};
        const bool found = file.is_open() && path.find("..") == std::string::npos;
        connection.send((found ? "HTTP/1.1 200 OK" : "HTTP/1.1 404 Not Found") +
                        std::string("\r\nConnection: close\r\nContent-Length: ") +
                        std::to_string(found ? body.size() : 0) + "\r\n\r\n" + (found ? body : ""));
        connection.close();
      },
      std::move(where));
}

// As a client does whose answer was too long for a datagram, or who always asks over TCP.
TEST_F(SandboxRules, NamesAreLearnedFromAnswersOverTcp) {
  const TcpServer http = TcpServer::program({"sh", "-c", kHttp});
  Program command = start(
      "until address=$(dig +tcp +short +tries=1 www.example.test) && test \"$address\"; do "
      "sleep 0.1; done; curl -sS --max-time 10 http://$address:" +
      std::to_string(http.port()) + "/");
  ASSERT_TRUE(eventually([&] { return command.out().find("done") != std::string::npos; }, 60s))
      << command.out() << command.err();
  EXPECT_EQ(command.out(), "hello\ndone\n") << command.err();
  command.end_input();
  command.wait();
}

// The domain may have 20 Mbit/s: 5 MB take 2 s, of which 0.1 s is saved up.
TEST_F(SandboxRules, DomainHasNoMoreThanItsBandwidth) {
  std::filesystem::create_directory(file("files"));
  const Finished made = run({"sh", "-c", "yes 'of a bounded domain' | head -c 5000000 > big"},
                            kPatience, {.working_directory = file("files")});
  ASSERT_EQ(made.status, 0) << made;
  const TcpServer server = file_server(file("files"));
  const std::string url = "http://files.example.test:" + std::to_string(server.port()) + "/big";
  Program command = start("until curl -sS --max-time 60 -o " + file("got") +
                          " -w 'took %{time_total}\\n' " + url + "; do sleep 0.1; done");
  ASSERT_TRUE(eventually([&] { return command.out().find("done") != std::string::npos; }, 60s))
      << command.out() << command.err();
  EXPECT_EQ(run({"cmp", file("got"), file("files/big")}).status, 0);
  EXPECT_GE(std::stod(command.out().substr(command.out().find("took ") + 5)), 1.5) << command.out();

  const std::string destination = std::string(host::kServer4) + ":" + std::to_string(server.port());
  const auto said = explain("tcp 198.18.255.2:50000 > " + destination);
  EXPECT_EQ(said.at("rule"), "example") << said;
  EXPECT_EQ(said.at("bandwidths").at(0).at("bound"), "20Mbit/s") << said;
  EXPECT_EQ(end_of_flow_to(destination).at("rule"), "example");
  command.end_input();
  command.wait();
}

// npm is whichever the machine has: with Debian's come 360 other packages.
class SandboxNpm : public SandboxRules {
 protected:
  void SetUp() override {
    if (run({"sh", "-c", "command -v npm && command -v node"}).status != 0) {
      GTEST_SKIP() << "npm is not installed";
    }
  }
  // A registry of one package, as npm asks for it, in `registry`. `url` is where it is served.
  void make_registry(const std::string& registry, const std::string& url) const {
    const Finished made = run({"sh", "-ec", R"sh(
mkdir -p "$1" package
echo '{"name":"liftgate-hello","version":"1.0.0","main":"index.js"}' > package/package.json
echo 'module.exports = "from the registry";' > package/index.js
tar -czf "$1/liftgate-hello-1.0.0.tgz" package
cat > "$1/liftgate-hello" <<EOF
{"name":"liftgate-hello","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{
  "name":"liftgate-hello","version":"1.0.0","main":"index.js",
  "dist":{"tarball":"$2/liftgate-hello-1.0.0.tgz",
          "shasum":"$(sha1sum "$1/liftgate-hello-1.0.0.tgz" | cut -d ' ' -f 1)"}}}}
EOF
)sh",
                               "sh", registry, url},
                              kPatience, {.working_directory = file("")});
    ASSERT_EQ(made.status, 0) << made;
  }
  // As a user's npm, in a project of its own.
  static std::string install(const std::string& project, const std::string& url) {
    return "(mkdir -p " + project + " && cd " + project + " && npm install --registry " + url +
           "/ --cache ./cache --no-audit --no-fund --no-update-notifier --fetch-retries=0 "
           "--loglevel=error liftgate-hello)";
  }
};

TEST_F(SandboxNpm, PackagesComeFromTheDomainAndFromNowhereElse) {
  const TcpServer registry = file_server(file("registry"));
  const TcpServer other = file_server(file("other"), host::kOtherServer4);
  const auto url = [](const std::string& name, const TcpServer& server) {
    return "http://" + name + ":" + std::to_string(server.port());
  };
  make_registry("registry", url("npm.example.test", registry));
  make_registry("other", url("tracker.test", other));

  Program command = start(
      "cd " + file("") + "\nuntil " + install("project", url("npm.example.test", registry)) +
      "; do sleep 0.1; done\n" + "cd project && node -p 'require(\"liftgate-hello\")'; cd ..\n" +
      install("refused", url("tracker.test", other)) + " 2>&1 | sed 's/^/other: /'");
  ASSERT_TRUE(eventually([&] { return command.out().find("\ndone") != std::string::npos; }, 100s))
      << command.out() << command.err();
  EXPECT_NE(command.out().find("\nfrom the registry\n"), std::string::npos)
      << command.out() << command.err();
  EXPECT_NE(command.out().find("ECONNREFUSED"), std::string::npos) << command.out();
  EXPECT_TRUE(other.connections().empty());

  const std::string destination = "192.0.2.2:" + std::to_string(other.port());
  const auto said = explain("tcp 198.18.255.2:50000 > " + destination);
  EXPECT_EQ(said.at("rule"), "rest") << said;
  EXPECT_EQ(said.at("action"), "reject") << said;
  EXPECT_EQ(end_of_flow_to(destination).at("name"), "tracker.test");
  command.end_input();
  command.wait();
}

class SandboxApt : public SandboxRules {
 protected:
  // A repository of one package, as apt wants it, below `repository`; and apt's own directories.
  void make_packages() const {
    const Finished made = run({"sh", "-ec", R"sh(
umask 022; mkdir -p package/DEBIAN package/usr/share/liftgate repository apt/lists/partial apt/archives/partial apt/parts
echo 'from the mirror' > package/usr/share/liftgate/hello
printf 'Package: liftgate-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: t <t@example.test>\nDescription: of a test\n' > package/DEBIAN/control
dpkg-deb --root-owner-group -b package repository/liftgate-hello_1.0_all.deb
( cat package/DEBIAN/control
  echo 'Filename: ./liftgate-hello_1.0_all.deb'
  echo "Size: $(stat -c %s repository/*.deb)"
  echo "SHA256: $(sha256sum repository/*.deb | cut -d ' ' -f 1)" ) > repository/Packages
: > apt/status
)sh"},
                              kPatience, {.working_directory = file("")});
    ASSERT_EQ(made.status, 0) << made;
  }
  // As a user's apt, with nothing of the machine's.
  [[nodiscard]] std::string apt(const std::string& source) const {
    std::ofstream(file(source + ".conf"))
        << "Dir::Etc::sourcelist \"" << file(source + ".list") << "\";\n"
        << "Dir::Etc::sourceparts \"" << file("apt/parts") << "\";\n"
        << "Dir::State::lists \"" << file("apt/lists") << "\";\n"
        << "Dir::State::status \"" << file("apt/status") << "\";\n"
        << "Dir::Cache \"" << file("apt") << "\";\nAcquire::Languages \"none\";\n"
        << "APT::Sandbox::User \"\";\nDebug::NoLocking \"true\";\n";
    return "env APT_CONFIG=" + file(source + ".conf") + " apt-get ";
  }
  void add_source(const std::string& source, const std::string& url) const {
    std::ofstream(file(source + ".list")) << "deb [trusted=yes] " << url << " ./\n";
  }
};

TEST_F(SandboxApt, PackagesComeFromTheDomainAndFromNowhereElse) {
  make_packages();
  const TcpServer mirror = file_server(file("repository"));
  const TcpServer other = file_server(file("repository"), host::kOtherServer4);
  add_source("mirror", "http://deb.example.test:" + std::to_string(mirror.port()) + "/");
  add_source("other", "http://tracker.test:" + std::to_string(other.port()) + "/");

  Program command = start(
      "cd " + file("") + "\nuntil " + apt("mirror") + "update && " + apt("mirror") +
      "download liftgate-hello; do sleep 0.1; done\n" +
      "dpkg-deb --fsys-tarfile liftgate-hello_1.0_all.deb | tar -xO ./usr/share/liftgate/hello"
      "\nrm -rf apt/lists/*\n" +
      apt("other") + "update -o Acquire::Retries=0 2>&1 | sed 's/^/other: /'");
  ASSERT_TRUE(eventually([&] { return command.out().find("done") != std::string::npos; }, 60s))
      << command.out() << command.err();
  EXPECT_NE(command.out().find("\nfrom the mirror\n"), std::string::npos)
      << command.out() << command.err();
  EXPECT_NE(command.out().find("other: "), std::string::npos) << command.out();
  EXPECT_NE(command.out().find("Connection refused"), std::string::npos) << command.out();
  EXPECT_TRUE(other.connections().empty());

  const std::string destination = "192.0.2.2:" + std::to_string(other.port());
  const auto said = explain("tcp 198.18.255.2:50000 > " + destination);
  EXPECT_EQ(said.at("rule"), "rest") << said;
  EXPECT_EQ(said.at("action"), "reject") << said;
  EXPECT_EQ(end_of_flow_to(destination).at("name"), "tracker.test");
  command.end_input();
  command.wait();
}

}  // namespace
}  // namespace integration
