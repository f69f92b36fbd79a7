// HttpReply: what the telemetry server answers, with the headers that keep a browser from doing
// more with it than showing it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace gateway {

inline constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
inline constexpr std::string_view kJsonText = "application/json";
inline constexpr std::string_view kBinary = "application/octet-stream";
inline constexpr std::string_view kYaml = "application/yaml";  // RFC 9512
inline constexpr std::string_view kHtml = "text/html; charset=utf-8";
/// For what is no page: a browser that shows it as one runs and loads nothing.
inline constexpr std::string_view kShowsNothing = "default-src 'none'; frame-ancestors 'none'";

struct HttpReply {
  std::string_view status;
  std::string_view content_type;
  std::string body;
  std::string content_policy{kShowsNothing};
  std::string more_headers{};  // whole lines
};

/// The reply as it is sent; without its body it is the answer to HEAD.
std::string http_text(const HttpReply& reply, bool with_body);

}  // namespace gateway
