// HttpRequest: the head of an HTTP/1.x request, as far as a scraper's matters. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace gateway {

struct HttpRequest {
  std::string_view method;  // "GET"
  std::string_view path;    // "/metrics", without the query
};

/// Reads the request line of `head`, which ends with the empty line (RFC 9112 3). Nothing when it
/// is none. The views are into `head`.
std::optional<HttpRequest> read_http_request(std::string_view head);

}  // namespace gateway
