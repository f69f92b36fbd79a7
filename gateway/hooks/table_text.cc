#include "gateway/hooks/table_text.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gateway/hooks/rules_app.h"
#include "gateway/inspect/json_writer.h"

namespace gateway::hooks {
namespace {

// Whose hooks of this kind are asked and told, in that order.
std::vector<std::string> apps_with(HookId id, const App* app) {
  std::vector<std::string> names;
  if (detail::has_hook<RulesApp>(id, AllHooks{})) {
    names.emplace_back(RulesApp::kName);
  }
  if (app != nullptr && app->has(id)) {
    names.push_back(app->info().name);
  }
  return names;
}

}  // namespace

std::string table_text(const App* app) {
  std::string out = fmt::format("{:<20}{:<10}{:<12}{:<9}{:<9}{}\n", "HOOK", "KIND", "PHASE",
                                "LAYER", "THREAD", "APPS");
  for (const HookInfo& hook : kHooks) {
    std::string row = fmt::format("{:<20}{:<10}{:<12}{:<9}{:<9}", hook.name, name(hook.kind),
                                  name(hook.phase), name(hook.layer), name(hook.thread));
    row += fmt::format("{}", fmt::join(apps_with(hook.id, app), ", "));
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
        .flag("may_block", hook.may_block)
        .open_array("apps");
    for (const std::string& name : apps_with(hook.id, app)) {
      json.element(name);
    }
    json.close_array();
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
