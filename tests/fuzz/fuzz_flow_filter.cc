// Any text as a filter, against any bytes as a flow: a filter of several terms lets through exactly
// what each of its terms does, and one that is refused says why in one printable line.
//
// Input: as many bytes as a Flow has, then the text.

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/inspect/flow_filter.h"

namespace {

constexpr gateway::FlowNames kNames{.tenant = "acme", .tunnel = "laptop", .rule = "web"};

std::vector<std::string> terms_of(const std::string& text) {
  static constexpr std::string_view kSpaces = " \t\n";
  std::vector<std::string> terms(1);
  for (const char c : text) {
    if (kSpaces.find(c) == std::string_view::npos) {
      terms.back() += c;
    } else {
      terms.emplace_back();
    }
  }
  return terms;
}

// Whether each term, read by itself, lets the flow through; a term that is refused does not.
bool each_term_matches(const std::string& text, const flows::Flow& flow) {
  bool all = true;
  for (const std::string& term : terms_of(text)) {
    const auto filter = gateway::FlowFilter::parse(std::vector{term});
    CHECK(filter);  // the whole was accepted
    all = all && filter->matches(flow, kNames);
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flows::Flow flow;
  const std::size_t flow_bytes = size < sizeof(flow) ? size : sizeof(flow);
  if (flow_bytes > 0) {
    std::memcpy(static_cast<void*>(&flow), data, flow_bytes);
  }
  const std::string text(reinterpret_cast<const char*>(data + flow_bytes), size - flow_bytes);

  const auto filter = gateway::FlowFilter::parse(std::vector{text});
  if (!filter) {
    const std::string& why = filter.error();
    CHECK(why.starts_with("filter: ") && why.size() < 512 && base::is_printable(why));
    return 0;
  }
  CHECK(filter->matches(flow, kNames) == each_term_matches(text, flow));
  return 0;
}
