// AppSettings: what an app can be told, in the `app` section of the gateway's own file.
//
//     struct Settings {
//       std::chrono::nanoseconds pause = std::chrono::seconds(10);
//
//       void describe(gateway::hooks::SettingVisitor& v) {
//         v.value("pause", pause, "Between two lines to who is held.");
//       }
//       friend bool operator==(const Settings&, const Settings&) = default;
//     };
//
// One line a setting: it is read, checked, has its default (the initialiser), and stands in `config
// default` with its comment, as the gateway's own settings do.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.h"
#include "base/ip_prefix.h"

namespace gateway::hooks {

/// Is told of each setting of a section. Names and comments live as long as the program; a comment
/// may have several lines.
class SettingVisitor {
 public:
  virtual void value(std::string_view name, bool& field, std::string_view comment) = 0;
  virtual void value(std::string_view name, std::uint32_t& field, std::string_view comment) = 0;
  /// Written with a unit: "10s", "250ms".
  virtual void value(std::string_view name, std::chrono::nanoseconds& field,
                     std::string_view comment) = 0;
  virtual void value(std::string_view name, std::string& field, std::string_view comment) = 0;
  virtual void value(std::string_view name, base::Endpoint& field, std::string_view comment) = 0;
  virtual void list(std::string_view name, std::vector<std::string>& field,
                    std::string_view comment) = 0;
  virtual void list(std::string_view name, std::vector<base::IpPrefix>& field,
                    std::string_view comment) = 0;
  /// After the fields: `wrong` is a mistake in the file, at the setting `name`, and `why` says it.
  virtual void rule_out(bool wrong, std::string_view name, std::string_view why) = 0;

 protected:
  ~SettingVisitor() = default;
};

template <class T>
concept DescribedSettings =
    std::default_initializable<T> && std::copyable<T> && std::equality_comparable<T> &&
    requires(T settings, SettingVisitor& visitor) { settings.describe(visitor); };

/// The app's settings as a value that the gateway can keep without knowing their type.
class AppSection {
 public:
  AppSection() = default;  // of a program that is no app
  template <DescribedSettings T>
  static AppSection of(T settings) {
    AppSection section;
    section.held_ = std::make_unique<HeldAs<T>>(std::move(settings));
    return section;
  }
  AppSection(const AppSection& other) : held_(other.held_ ? other.held_->clone() : nullptr) {}
  AppSection& operator=(const AppSection& other) {
    held_ = other.held_ ? other.held_->clone() : nullptr;
    return *this;
  }
  AppSection(AppSection&&) noexcept = default;
  AppSection& operator=(AppSection&&) noexcept = default;
  ~AppSection() = default;

  [[nodiscard]] bool is_there() const { return held_ != nullptr; }
  void describe(SettingVisitor& visitor) { held_->describe(visitor); }

  /// The settings; null where they are of another type.
  template <class T>
  [[nodiscard]] const T* as() const {
    const auto* held = dynamic_cast<const HeldAs<T>*>(held_.get());
    return held == nullptr ? nullptr : &held->settings;
  }

  friend bool operator==(const AppSection& one, const AppSection& other) {
    return one.held_ && other.held_ ? one.held_->equals(*other.held_)
                                    : one.held_ == nullptr && other.held_ == nullptr;
  }

 private:
  struct Held {
    virtual ~Held() = default;
    [[nodiscard]] virtual std::unique_ptr<Held> clone() const = 0;
    [[nodiscard]] virtual bool equals(const Held& other) const = 0;
    virtual void describe(SettingVisitor& visitor) = 0;
  };
  template <class T>
  struct HeldAs final : Held {
    explicit HeldAs(T of) : settings(std::move(of)) {}
    [[nodiscard]] std::unique_ptr<Held> clone() const override {
      return std::make_unique<HeldAs>(settings);
    }
    [[nodiscard]] bool equals(const Held& other) const override {
      const auto* same = dynamic_cast<const HeldAs*>(&other);
      return same != nullptr && settings == same->settings;
    }
    void describe(SettingVisitor& visitor) override { settings.describe(visitor); }

    T settings;
  };

  std::unique_ptr<Held> held_;
};

}  // namespace gateway::hooks
