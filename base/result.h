// Result<T, E>: a value, or the reason there is none.
//
// The spelling is the part of std::expected that we use: g++ 12 has std::expected only under
// -std=c++23. When the language moves on, this file becomes an alias.
#pragma once

#include <utility>
#include <variant>

#include "base/check.h"

namespace base {

/// Marks a value as the failure side: `return Unexpected{Drop::kTruncated};`
template <class E>
struct Unexpected {
  E error;
};
template <class E>
Unexpected(E) -> Unexpected<E>;

/// Reading the side that is not there is a bug in the caller and aborts; it never throws.
template <class T, class E>
class [[nodiscard]] Result {
 public:
  // Implicit, so that a function body reads `return port;` and `return Unexpected{why};`.
  // NOLINTBEGIN(google-explicit-constructor)
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Unexpected<E> why) : state_(std::in_place_index<1>, std::move(why.error)) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  [[nodiscard]] T& value() & { return *checked<0>(state_); }
  [[nodiscard]] const T& value() const& { return *checked<0>(state_); }
  [[nodiscard]] T&& value() && { return std::move(*checked<0>(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const E& error() const { return *checked<1>(state_); }

 private:
  template <std::size_t kIndex, class Variant>
  static auto* checked(Variant& state) {
    auto* side = std::get_if<kIndex>(&state);
    CHECK(side != nullptr);
    return side;
  }

  std::variant<T, E> state_;
};

/// A Result that carries nothing on success: `return {};`
template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(Unexpected<E> why)  // NOLINT(google-explicit-constructor): as above
      : failed_(true), error_(std::move(why.error)) {}

  [[nodiscard]] bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const E& error() const {
    CHECK(failed_);
    return error_;
  }

 private:
  bool failed_ = false;
  E error_{};
};

}  // namespace base
