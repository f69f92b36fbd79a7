// App: a gateway that an author has extended with hooks; and bootstrap(), which is its main.
//
//     class Guard final : public gateway::hooks::ShardHooks, public gateway::hooks::FlowDecide {
//      public:
//       explicit Guard(const Settings& settings) : settings_(settings) {}
//       FlowRuling flow_decide(const FlowStart& start) override;
//       ...
//     };
//
//     int main(int argc, char** argv) {
//       return gateway::hooks::bootstrap<Settings, Guard>({.name = "guard"}, argc, argv);
//     }
//
// The program has every command that liftgate has, the app's settings in the section `app` of its
// file, and is an ordinary gateway but for the hooks that are overridden. hook_table.h lists them.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "gateway/hooks/app_settings.h"
#include "gateway/hooks/hook_table.h"

namespace gateway::hooks {

struct AppInfo {
  std::string name;  // of the program
  std::string version = "0";
  std::string description{};  // one line
  /// Whether its hooks can do with the files and system calls of the gateway itself, so that the
  /// gateway may give up the rest (`confine` in its file).
  bool may_be_confined = false;
};

/// The base of a class of hooks that belong to a shard. One object is made for each, and used on
/// that shard's thread only; it is destroyed when the shard's flows have ended.
class ShardHooks {
 public:
  ShardHooks() = default;
  virtual ~ShardHooks() = default;
  ShardHooks(const ShardHooks&) = delete;
  ShardHooks& operator=(const ShardHooks&) = delete;
};

/// The base of a class of hooks that belong to the process: one object, on the control thread. It
/// outlives the shards' objects, which may share it: what they do with it must be thread-safe.
class ProcessHooks {
 public:
  ProcessHooks() = default;
  virtual ~ProcessHooks() = default;
  ProcessHooks(const ProcessHooks&) = delete;
  ProcessHooks& operator=(const ProcessHooks&) = delete;
};

/// Which of the shards an object is for.
struct ShardPlace {
  std::size_t index = 0;
  std::size_t count = 1;
};

/// What the gateway knows of an app.
class App {
 public:
  virtual ~App() = default;
  [[nodiscard]] virtual const AppInfo& info() const = 0;
  [[nodiscard]] virtual AppSection default_settings() const = 0;
  /// Both may throw what the app's constructors throw.
  [[nodiscard]] virtual std::unique_ptr<ProcessHooks> make_process(const AppSection& settings) = 0;
  [[nodiscard]] virtual std::unique_ptr<ShardHooks> make_shard(const AppSection& settings,
                                                               const ShardPlace& place,
                                                               ProcessHooks& process) = 0;
  /// Which hooks of the table it has.
  [[nodiscard]] virtual bool has(HookId id) const = 0;
};

namespace detail {

// Calls the first of the constructors (settings, place, process), (settings, process), (settings,
// place), (settings), () that there is.
template <class Hooks, class Settings, class Process>
std::unique_ptr<Hooks> make(const Settings& settings, const ShardPlace& place, Process& process) {
  if constexpr (std::constructible_from<Hooks, const Settings&, const ShardPlace&, Process&>) {
    return std::make_unique<Hooks>(settings, place, process);
  } else if constexpr (std::constructible_from<Hooks, const Settings&, Process&>) {
    return std::make_unique<Hooks>(settings, process);
  } else if constexpr (std::constructible_from<Hooks, const Settings&, const ShardPlace&>) {
    return std::make_unique<Hooks>(settings, place);
  } else if constexpr (std::constructible_from<Hooks, const Settings&>) {
    return std::make_unique<Hooks>(settings);
  } else {
    return std::make_unique<Hooks>();
  }
}

template <HookThread kThread, class Object, class... Hooks>
constexpr bool only_of(HookList<Hooks...> /*all*/) {
  return ((info(Hooks::kId).thread == kThread || !std::is_base_of_v<Hooks, Object>) && ...);
}
template <class Object, class... Hooks>
bool has_hook(HookId id, HookList<Hooks...> /*all*/) {
  return ((Hooks::kId == id && std::is_base_of_v<Hooks, Object>) || ...);
}

}  // namespace detail

template <DescribedSettings Settings, class Shard, class Process>
class AppOf final : public App {
  static_assert(std::derived_from<Shard, ShardHooks> && std::derived_from<Process, ProcessHooks>);
  static_assert(detail::only_of<HookThread::kShard, Shard>(AllHooks{}),
                "a hook of the process is overridden in the class of a shard's hooks");
  static_assert(detail::only_of<HookThread::kControl, Process>(AllHooks{}),
                "a hook of a shard is overridden in the class of the process's hooks");

 public:
  explicit AppOf(AppInfo info) : info_(std::move(info)) {}

  [[nodiscard]] const AppInfo& info() const override { return info_; }
  [[nodiscard]] AppSection default_settings() const override { return AppSection::of(Settings{}); }
  [[nodiscard]] std::unique_ptr<ProcessHooks> make_process(const AppSection& settings) override {
    ProcessHooks none;
    return detail::make<Process>(*settings.as<Settings>(), ShardPlace{}, none);
  }
  [[nodiscard]] std::unique_ptr<ShardHooks> make_shard(const AppSection& settings,
                                                       const ShardPlace& place,
                                                       ProcessHooks& process) override {
    return detail::make<Shard>(*settings.as<Settings>(), place, static_cast<Process&>(process));
  }
  [[nodiscard]] bool has(HookId id) const override {
    return detail::has_hook<Shard>(id, AllHooks{}) || detail::has_hook<Process>(id, AllHooks{});
  }

 private:
  AppInfo info_;
};

/// Whether the gateway may be: nobody knows what an app still needs but its author.
inline bool may_be_confined(const App* app) {
  return app == nullptr || app->info().may_be_confined;
}

/// Of `app`, or empty where it is null.
inline AppSection default_settings(const App* app) {
  return app == nullptr ? AppSection() : app->default_settings();
}

/// The program: parses the command line and does as it says. `app` null: plain liftgate.
int run_program(App* app, int argc, char** argv);

/// What an app's main returns.
template <DescribedSettings Settings, class Shard, class Process = ProcessHooks>
int bootstrap(AppInfo info, int argc, char** argv) {
  AppOf<Settings, Shard, Process> app(std::move(info));
  return run_program(&app, argc, argv);
}

/// A line in the gateway's log, of level info. Any thread. Not for what a peer can cause at line
/// rate.
void log(std::string_view message);

}  // namespace gateway::hooks
