#include "gateway/config/config_writer.h"

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gateway/config/setting_list.h"

namespace gateway {
namespace {

constexpr std::size_t kIndent = 2;

// The visitor of setting_list.h that prints.
class Writer {
 public:
  enum class Style : std::uint8_t {
    kExplained,  // with comments and samples
    kBare,       // only what is set
  };
  explicit Writer(Style style) : is_bare_(style == Style::kBare) {}

  [[nodiscard]] std::string take() { return std::move(out_); }

  void comment(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      line("# " + std::string(text.substr(0, end)), false);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  template <class Field, class SettingKind>
  void value(std::string_view name, const Field& field, const SettingKind& kind,
             std::string_view text) {
    if constexpr (std::is_same_v<Field, std::optional<typename SettingKind::Value>>) {
      if (field) {
        key(name, " " + kind.print(*field), text);
      }
    } else if (!(brief_ && field == Field{})) {
      key(name, " " + kind.print(field), text);
    }
  }

  template <class Field, class SettingKind>
  void required(std::string_view name, const Field& field, const SettingKind& kind,
                std::string_view text) {
    key(name, " " + kind.print(field), text);
  }

  template <class Field, class SettingKind>
  void required_unless(std::string_view name, std::string_view /*other*/, const Field& field,
                       const SettingKind& kind, std::string_view text) {
    required(name, field, kind, text);
  }

  void labels(std::string_view name, const std::vector<LabelMatch>& field, std::string_view text) {
    if (!field.empty()) {
      key(name, " " + print_labels(field), text);
    }
  }

  template <class Value, class SettingKind>
  void list(std::string_view name, const std::vector<Value>& field, const SettingKind& kind,
            std::string_view text) {
    if (brief_ && field.empty()) {
      return;
    }
    std::string words;
    for (const Value& item : field) {
      words += (words.empty() ? "" : ", ") + kind.print(item);
    }
    key(name, " [" + words + "]", text);
  }

  template <class Value, class SettingKind>
  void any_of(std::string_view name, const std::vector<Value>& field, const SettingKind& kind,
              std::string_view text) {
    if (!field.empty()) {  // empty, it would be a mistake
      list(name, field, kind, text);
    }
  }

  template <class Part>
  void section(std::string_view name, Part& part, std::string_view text) {
    if (brief_ && is_empty(part)) {
      return;
    }
    key(name, "", text);
    indent_ += kIndent;
    describe(*this, part);
    indent_ -= kIndent;
  }

  template <class Part>
  void optional_section(std::string_view name, std::optional<Part>& part, std::string_view text) {
    if (part) {
      section(name, *part, text);
    }
  }

  template <class Part>
  void sections(std::string_view name, std::vector<Part>& parts, std::string_view text,
                const std::vector<Part>& samples) {
    if (brief_ && parts.empty()) {
      return;
    }
    const bool is_nothing = is_bare_ && parts.empty();
    key(name, is_nothing ? " []" : "", text);
    indent_ += kIndent;
    const bool was_brief = brief_;
    brief_ = brief_ || (is_bare_ && std::is_same_v<Part, Rule>);  // what it asks for, and no more
    for (Part& part : parts) {
      item(part);
    }
    brief_ = was_brief;
    if (!sample_from_ && !is_bare_) {  // a sample has no samples of its own
      sample_from_ = indent_;
      explained_.clear();
      for (Part part : samples) {
        item(part);
        brief_ = true;  // the first sample explains every key that it has, the others the rest
      }
      brief_ = false;
      sample_from_.reset();
    }
    indent_ -= kIndent;
  }

  void later(std::string_view /*name*/) {}
  void one_of(std::initializer_list<std::string_view> /*names*/) {}
  void rule_out(bool /*wrong*/, std::string_view /*name*/, std::string_view /*why*/) {}

 private:
  template <class Part>
  static bool is_empty(const Part& part) {
    if constexpr (std::equality_comparable<Part> && std::is_default_constructible_v<Part>) {
      return part == Part{};
    } else {
      return false;
    }
  }

  template <class Part>
  void item(Part& part) {
    dash_ = true;
    indent_ += kIndent;
    describe(*this, part);
    indent_ -= kIndent;
  }

  void key(std::string_view name, const std::string& rest, std::string_view text) {
    if (!is_bare_ && (explained_.insert(std::string(name)).second || !brief_)) {
      if (indent_ == 0) {
        out_ += '\n';
      }
      // The # of a sample stands where the dash does; in a list inside the sample it does not.
      const bool beside_dash = dash_ && (!sample_from_ || indent_ - kIndent > *sample_from_);
      indent_ -= beside_dash ? kIndent : 0;
      comment(text);
      indent_ += beside_dash ? kIndent : 0;
    }
    line(std::string(name) + ":" + rest, dash_);
    dash_ = false;
  }

  // One line at the present depth; with a dash where an item of a list begins.
  void line(const std::string& text, bool dash) {
    std::string full(indent_, ' ');
    if (dash) {
      full[indent_ - kIndent] = '-';
    }
    if (sample_from_) {
      full.insert(*sample_from_, "#");
    }
    out_ += full + text + "\n";
  }

  std::string out_;
  bool is_bare_;
  std::size_t indent_ = 0;
  bool dash_ = false;                       // the next key begins an item
  bool brief_ = false;                      // only what differs from the default
  std::set<std::string> explained_;         // keys, in these samples
  std::optional<std::size_t> sample_from_;  // commented out, from this column on
};

}  // namespace

std::string default_config(const hooks::AppSection& app) {
  Settings settings = default_settings();
  settings.app = app;
  Writer writer(Writer::Style::kExplained);
  writer.comment(
      "Liftgate: every setting, with its default for this user and machine.\n"
      "A line that begins with # and no space is a sample: take the # away to use it.\n"
      "Times have a unit: ms, s, m, h or d. Check a file with: liftgate config check FILE");
  describe(writer, settings);
  return writer.take();
}

std::string config_text(const Settings& settings) {
  Writer writer(Writer::Style::kBare);
  writer.comment("The settings in force. `liftgate config check` takes them.");
  const Secret& token = settings.telemetry.token;
  if (!token.value.empty() && token.source.empty()) {
    writer.comment("telemetry.token is in the file itself, and is not shown.");
  }
  Settings copy = settings;
  describe(writer, copy);
  return writer.take();
}

}  // namespace gateway
