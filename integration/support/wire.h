// Wire: a cable between the host network and another machine, and somebody who listens to it.
//
//     host network, gateway                               another machine (a sandbox)
//     wire0 10.66.0.1  fd66::1 ------- the cable -------- 10.66.0.2  fd66::2
//          \__ Capture: dumpcap
//
// wire0 is a TUN device without offload: what passes is as it would be on a cable, datagram by
// datagram and with every checksum made, which on the loopback device it never is.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "integration/support/client_network.h"
#include "integration/support/program.h"
#include "tests/support/temp_directory.h"

namespace integration {

class Wire {
 public:
  static inline const std::string kName = "wire0";
  static inline const std::string kHost4 = "10.66.0.1";
  static inline const std::string kHost6 = "fd66::1";
  static inline const std::string kMachine4 = "10.66.0.2";
  static inline const std::string kMachine6 = "fd66::2";

  /// One at a time.
  Wire();
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  [[nodiscard]] const ClientNetwork& machine() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What passes wire0 from the constructor's return on.
class Capture {
 public:
  /// `filter` is libpcap's: "udp port 6080".
  explicit Capture(const std::string& filter);

  /// Ends the capture once a packet with these bytes in it has been captured.
  void stop_after(const std::string& text);

  /// What tshark reads in the packets: for each the values of `fields`, which may be several of one
  /// name, outermost first. Every checksum is looked at, and GUE is taken apart.
  using Row = std::map<std::string, std::vector<std::string>>;
  [[nodiscard]] std::vector<Row> read(const std::vector<std::string>& fields) const;

 private:
  test_support::TempDirectory directory_;
  Program dumpcap_;
};

/// The same for a file that is there already.
std::vector<Capture::Row> read_capture(const std::string& file,
                                       const std::vector<std::string>& fields);

}  // namespace integration
