#include "gateway/telemetry/http_reply.h"

namespace gateway {

std::string http_text(const HttpReply& reply, bool with_body) {
  std::string text = "HTTP/1.1 " + std::string(reply.status);
  text += "\r\nContent-Type: " + std::string(reply.content_type);
  text += "\r\nContent-Length: " + std::to_string(reply.body.size());
  text += "\r\nContent-Security-Policy: " + reply.content_policy;
  text +=
      "\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY"
      "\r\nCross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer"
      "\r\nCache-Control: no-store\r\nConnection: close\r\n";
  text += reply.more_headers + "\r\n";
  return with_body ? text + reply.body : text;
}

}  // namespace gateway
