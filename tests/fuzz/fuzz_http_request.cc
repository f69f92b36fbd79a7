// Any bytes as the head of a request: what is read of it lies in it, and what was asked for is
// printable.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/telemetry/http_request.h"

namespace {

void check_lies_in(std::string_view head, std::string_view part) {
  CHECK(part.empty() ||
        (part.data() >= head.data() && part.data() + part.size() <= head.data() + head.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(data), size);
  if (const auto request = gateway::read_http_request(head)) {
    CHECK(request->path.starts_with('/') && base::is_printable(request->path));
    CHECK(!request->method.empty() && base::is_printable(request->method));
    CHECK(head.starts_with(request->method));
    CHECK(request->path.find('?') == std::string_view::npos);
    for (const std::string_view part :
         {request->path, request->query, request->host, request->authorization, request->accept}) {
      check_lies_in(head, part);
    }
    CHECK(base::is_printable(request->query));
    CHECK(request->host.find('\n') == std::string_view::npos);
    if (const auto value = gateway::query_value(request->query, "by")) {
      check_lies_in(request->query, *value);
      CHECK(value->find('&') == std::string_view::npos);
    }
    const bool is_named = request->accept.find("text") != std::string_view::npos ||
                          request->accept.find_first_of("TEX") != std::string_view::npos;
    const unsigned wanted = gateway::wanted_thousandths(request->accept, "text/plain", "0.0.4");
    CHECK(wanted <= 1000 && (wanted == 0 || is_named));
    // What passes for an address begins as one does, or is localhost.
    CHECK(!gateway::is_host_an_address(request->host) ||
          std::string_view("0123456789[lL").find(request->host.front()) != std::string_view::npos);
  }
  return 0;
}
