// HookSet: which hooks an app's objects have. One that they have not is a null pointer.
#pragma once

#include <tuple>

#include "gateway/hooks/hook_table.h"

namespace gateway::hooks {

class HookSet {
 public:
  /// Finds out, for the hooks of the thread that `object` is used on. It outlives the set.
  template <class Object>
  void find_in(Object& object) {
    std::apply([&](auto&... hook) { (find(object, hook), ...); }, hooks_);
  }

  template <class Hook>
  [[nodiscard]] Hook* get() const {
    return std::get<Hook*>(hooks_);
  }

 private:
  template <class Object, class Hook>
  static void find(Object& object, Hook*& hook) {
    hook = dynamic_cast<Hook*>(&object);
  }

  template <class List>
  struct Pointers;
  template <class... Hooks>
  struct Pointers<HookList<Hooks...>> {
    using Tuple = std::tuple<Hooks*...>;
  };

  Pointers<AllHooks>::Tuple hooks_{};
};

}  // namespace gateway::hooks
