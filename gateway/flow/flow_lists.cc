#include "gateway/flow/flow_lists.h"

#include "base/check.h"

namespace gateway {

using flows::FlowIndex;
using flows::kNone32;

// calloc, because the kernel's zeros cost nothing until they are touched.
FlowLists::FlowLists(std::uint32_t capacity)
    : links_(static_cast<Link*>(std::calloc(capacity, sizeof(Link)))) {
  CHECK(links_ != nullptr);
}

void FlowLists::add(FlowList& list, FlowIndex flow) {
  Link& link = links_[number(flow)];
  CHECK(link.older == 0);
  link = {.older = list.newest == kNone32 ? kOldest : list.newest + 1, .newer = kNone32};
  (list.newest == kNone32 ? list.oldest : links_[list.newest].newer) = number(flow);
  list.newest = number(flow);
  ++list.size;
}

void FlowLists::remove(FlowList& list, FlowIndex flow) {
  Link& link = links_[number(flow)];
  const bool is_oldest = link.older == kOldest;
  const bool is_newest = link.newer == kNone32;
  CHECK(link.older != 0);
  CHECK(!is_oldest || list.oldest == number(flow));
  CHECK(!is_newest || list.newest == number(flow));
  (is_oldest ? list.oldest : links_[link.older - 1].newer) = link.newer;
  if (is_newest) {
    list.newest = is_oldest ? kNone32 : link.older - 1;
  } else {
    links_[link.newer].older = link.older;
  }
  link.older = 0;
  --list.size;
}

}  // namespace gateway
