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
  CHECK(link.previous == 0);
  link = {.next = list.first, .previous = kFirst};
  if (list.first != kNone32) {
    links_[list.first].previous = number(flow) + 1;
  }
  list.first = number(flow);
  ++list.size;
}

void FlowLists::remove(FlowList& list, FlowIndex flow) {
  Link& link = links_[number(flow)];
  CHECK(link.previous != 0);
  CHECK(link.previous != kFirst || list.first == number(flow));
  (link.previous == kFirst ? list.first : links_[link.previous - 1].next) = link.next;
  if (link.next != kNone32) {
    links_[link.next].previous = link.previous;
  }
  link.previous = 0;
  --list.size;
}

}  // namespace gateway
