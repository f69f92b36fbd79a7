// Page: what people see of the gateway in a browser. It is page.html, compiled into the program; it
// holds nothing of a gateway until its script has asked /api/.
#pragma once

#include "gateway/telemetry/http_reply.h"

namespace gateway {

/// With a content policy under which nothing runs but the page's own script, and nothing is asked
/// but this server.
HttpReply page_reply();

}  // namespace gateway
