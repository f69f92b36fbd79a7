// HttpRequest: the head of an HTTP/1.x request, as far as a telemetry server's matters. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gateway {

/// What it says is as it was sent: not decoded, not checked further than read_http_request() says.
struct HttpRequest {
  std::string_view method;         // "GET"
  std::string_view path;           // "/metrics", without the query
  std::string_view query;          // "by=rate&limit=50"; empty: there is none
  std::string_view host;           // of the header of that name; empty: there is none
  std::string_view authorization;  // the same
  std::string_view accept;         // the first of them; empty: there is none, or none that we read
};

/// Reads the request line of `head`, which ends with the empty line (RFC 9112 3), and the headers
/// that we know. Nothing when it is none, or when one of those headers is there twice or has
/// control characters in it (RFC 9110 5.5). The views are into `head`.
std::optional<HttpRequest> read_http_request(std::string_view head);

/// The value of `key` in the query; nothing when it is not there. Not decoded.
std::optional<std::string_view> query_value(std::string_view query, std::string_view key);

/// How much an Accept header (RFC 9110 12.5.1) wants the type, from 0, not at all, to 1000. `type`
/// is "text/plain", "text/*" or "*/*", and found only where it is named like that. One that says
/// another version than `version` does not mean it.
unsigned wanted_thousandths(std::string_view accept, std::string_view type,
                            std::string_view version = {});

/// Whether a Host header names an address or localhost, each with or without a port. Where another
/// name leads here, a page of somebody else may have sent the browser (DNS rebinding).
bool is_host_an_address(std::string_view host);

}  // namespace gateway
