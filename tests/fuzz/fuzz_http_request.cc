// Any bytes as the head of a request: what is read of it lies in it and is printable.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/telemetry/http_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(data), size);
  if (const auto request = gateway::read_http_request(head)) {
    CHECK(request->path.starts_with('/') && base::is_printable(request->path));
    CHECK(!request->method.empty() && base::is_printable(request->method));
    CHECK(head.starts_with(request->method));
    CHECK(request->path.find('?') == std::string_view::npos);
    CHECK(request->path.data() >= head.data() &&
          request->path.data() + request->path.size() <= head.data() + head.size());
  }
  return 0;
}
