// What `liftgate run --publish` takes, as text.
#pragma once

#include <optional>
#include <string_view>

#include "gateway/run/publish.h"

namespace gateway {

inline constexpr std::string_view kPublishUsage = "[ADDR:]HOSTPORT:PORT[/tcp|/udp]";

/// "8080:80", "127.0.0.1:8080:80", "[::1]:0:53/udp", "8000-8009:9000-9009". Nothing where it is
/// written in another way, or where the two ranges are not equally long.
std::optional<PublishedPorts> parse_published(std::string_view text);

/// Whether a socket of the one would be in the way of one of the other.
bool collide(const PublishedPorts& one, const PublishedPorts& other);

}  // namespace gateway
