#include "gateway/telemetry/page.h"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "base/check.h"

namespace gateway {

extern const std::string_view kPageText;  // made of page.html when it is built

namespace {

// Marks the page's own style and script, so that nothing else that gets into it can run.
std::string fresh_nonce() {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::uint8_t, 16> bytes{};
  CHECK(::getrandom(bytes.data(), bytes.size(), 0) == std::ssize(bytes));
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::string with_nonce(const std::string& nonce) {
  static constexpr std::string_view kPlace = "{{nonce}}";
  std::string text;
  std::string_view rest = kPageText;
  for (std::size_t at = rest.find(kPlace); at != std::string_view::npos; at = rest.find(kPlace)) {
    text += std::string(rest.substr(0, at)) + nonce;
    rest.remove_prefix(at + kPlace.size());
  }
  return text += rest;
}

}  // namespace

HttpReply page_reply() {
  const std::string nonce = fresh_nonce();
  return {.status = "200 OK",
          .content_type = kHtml,
          .body = with_nonce(nonce),
          .content_policy = "default-src 'none'; script-src 'nonce-" + nonce +
                            "'; style-src 'nonce-" + nonce +
                            "'; connect-src 'self'; img-src data:; base-uri 'none'; "
                            "form-action 'none'; frame-ancestors 'none'"};
}

}  // namespace gateway
