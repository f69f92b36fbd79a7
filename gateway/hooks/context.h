// ContextSlot: what an app remembers of one flow, in a type of its own.
//
// A hook puts it there when the flow begins, and every later hook of the same flow finds it, on the
// same thread, until flow_end has been told. The gateway keeps it without knowing what it is; a
// flow that nobody has put anything into costs nothing.
#pragma once

#include <memory>
#include <utility>

namespace gateway::hooks {

class ContextSlot {
 public:
  /// In place of what was there.
  template <class T, class... Args>
  T& emplace(Args&&... args) {
    auto held = std::make_unique<HeldAs<T>>(std::forward<Args>(args)...);
    T& value = held->value;
    held_ = std::move(held);
    return value;
  }

  /// Null where there is nothing, or something of another type.
  template <class T>
  [[nodiscard]] T* get() const {
    auto* held = dynamic_cast<HeldAs<T>*>(held_.get());
    return held == nullptr ? nullptr : &held->value;
  }

  [[nodiscard]] bool is_empty() const { return held_ == nullptr; }

 private:
  struct Held {
    virtual ~Held() = default;
  };
  template <class T>
  struct HeldAs final : Held {
    template <class... Args>
    explicit HeldAs(Args&&... args) : value{std::forward<Args>(args)...} {}

    T value;
  };

  std::unique_ptr<Held> held_;
};

}  // namespace gateway::hooks
