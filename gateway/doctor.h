// Doctor: what this machine allows, in plain words, with the cure for each lack.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace gateway {

struct Finding {
  /// kWarn: liftgate works, but not all of it or not as well. kFail: it cannot work.
  enum class Mark : std::uint8_t { kOk, kWarn, kFail };
  Mark mark{};
  std::string check;  // "user-namespaces"
  std::string what;   // what was found, one line
  std::string cure;   // for kWarn and kFail; may have several lines
};

/// Looks at everything by trying it.
std::vector<Finding> examine_machine();

enum class DoctorFormat : std::uint8_t { kText, kJson };

std::string print_findings(const std::vector<Finding>& findings, DoctorFormat format);

/// Examines and prints. 0 when everything that is required works, else 1.
int doctor(std::ostream& out, DoctorFormat format = DoctorFormat::kText);

}  // namespace gateway
