// SshFiles: what a real sshd and a real ssh need to meet: keys, and a configuration.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "integration/support/program.h"
#include "tests/support/temp_directory.h"

namespace integration {

class SshFiles {
 public:
  SshFiles() {
    for (const auto* key : {"host_key", "user_key"}) {
      const Finished made =
          run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory_.file(key)});
      if (made.status != 0) {
        throw std::runtime_error("ssh-keygen: " + made.err);
      }
    }
    std::filesystem::copy_file(directory_.file("user_key.pub"), directory_.file("authorized_keys"));
    std::ofstream(directory_.file("sshd_config"))
        << "HostKey " << directory_.file("host_key") << "\nAuthorizedKeysFile "
        << directory_.file("authorized_keys") << "\nStrictModes no\nUsePAM no\nPidFile none\n";
  }

  /// sshd for one connection, on its standard input and output.
  [[nodiscard]] Program::Words server() const {
    return {"/usr/sbin/sshd", "-i", "-e", "-f", directory_.file("sshd_config")};
  }
  /// ssh up to its destination, for a shell.
  [[nodiscard]] std::string client(std::uint16_t port) const {
    return "ssh -q -F none -i " + directory_.file("user_key") +
           " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p " +
           std::to_string(port);
  }

 private:
  test_support::TempDirectory directory_;
};

}  // namespace integration
