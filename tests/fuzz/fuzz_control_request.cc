// Any bytes as a control request: what is accepted is written and read back as the same request,
// and what is refused says why in one printable line.

#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/control/control_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto request = gateway::parse_request(std::as_bytes(std::span(data, size)));
  if (!request) {
    const std::string& why = request.error();
    CHECK(why.starts_with("request: ") && why.size() < 512 && base::is_printable(why));
    return 0;
  }
  CHECK(size <= gateway::kMaxRequestBytes);
  std::string line = gateway::request_line(*request);
  CHECK(line.find('\n') == line.size() - 1);
  line.pop_back();
  const auto again = gateway::parse_request(std::as_bytes(std::span(line)));
  CHECK(again && *again == *request);
  return 0;
}
