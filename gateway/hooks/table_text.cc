#include "gateway/hooks/table_text.h"

#include <fmt/format.h>

#include "gateway/inspect/json_writer.h"

namespace gateway::hooks {

std::string table_text(const App* app) {
  std::string out = fmt::format("{:<20}{:<10}{:<12}{:<9}{:<9}{:<5}\n", "HOOK", "KIND", "PHASE",
                                "LAYER", "THREAD", app == nullptr ? "" : "HAS");
  for (const HookInfo& hook : kHooks) {
    std::string row = fmt::format("{:<20}{:<10}{:<12}{:<9}{:<9}", hook.name, name(hook.kind),
                                  name(hook.phase), name(hook.layer), name(hook.thread));
    row += app == nullptr ? "" : (app->has(hook.id) ? "yes" : "no");
    row.erase(row.find_last_not_of(' ') + 1);
    out += fmt::format("{}\n    {}{}\n    without: {}\n", row, hook.when,
                       hook.may_block ? "; may block" : "", hook.absent);
  }
  return out;
}

std::string table_json(const App* app) {
  std::string out;
  JsonWriter json(out);
  json.open_object().open_array("hooks");
  for (const HookInfo& hook : kHooks) {
    json.open_object()
        .text("name", hook.name)
        .text("kind", name(hook.kind))
        .text("phase", name(hook.phase))
        .text("layer", name(hook.layer))
        .text("thread", name(hook.thread))
        .text("when", hook.when)
        .text("without", hook.absent)
        .flag("may_block", hook.may_block);
    if (app != nullptr) {
      json.flag("present", app->has(hook.id));
    }
    json.close_object();
  }
  json.close_array().close_object();
  return out + "\n";
}

std::string table_markdown() {
  std::string out =
      "| hook | kind | phase | layer | thread | when | without it |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const HookInfo& hook : kHooks) {
    out += fmt::format("| `{}` | {} | {} | {} | {}{} | {} | {} |\n", hook.name, name(hook.kind),
                       name(hook.phase), name(hook.layer), name(hook.thread),
                       hook.may_block ? ", may block" : "", hook.when, hook.absent);
  }
  return out;
}

}  // namespace gateway::hooks
