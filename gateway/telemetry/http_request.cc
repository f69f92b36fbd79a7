#include "gateway/telemetry/http_request.h"

#include <algorithm>

namespace gateway {

std::optional<HttpRequest> read_http_request(std::string_view head) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (line.size() == head.size() || first == std::string_view::npos || last == first) {
    return std::nullopt;
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const bool is_method = !method.empty() && std::ranges::all_of(method, [](char letter) {
    return letter >= 'A' && letter <= 'Z';
  });
  const bool is_target = target.starts_with('/') && std::ranges::all_of(target, [](char letter) {
                           return letter > ' ' && letter < '\x7f';
                         });
  if (!is_method || !is_target || (version != "HTTP/1.1" && version != "HTTP/1.0")) {
    return std::nullopt;
  }
  return HttpRequest{method, target.substr(0, target.find('?'))};
}

}  // namespace gateway
