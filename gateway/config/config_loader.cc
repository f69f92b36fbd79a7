#include "gateway/config/config_loader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/utf8.h"
#include "gateway/config/setting_list.h"
#include "gateway/config/yaml_tree.h"
#include "gateway/control/socket_path.h"
#include "gateway/inspect/spelling.h"
#include "gateway/onramp/gue_peers.h"
#include "gateway/onramp/tunnel_context.h"

namespace gateway {
namespace {

using Kind = YamlNode::Kind;

constexpr std::size_t kMostProblems = 1000;              // chosen: more than anybody reads
constexpr std::size_t kMostFileBytes = (1U << 20U) + 1;  // enough for parse_yaml() to refuse it

std::string kind_name(const YamlNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return in_quotes(node.text);
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map of keys";
  }
  base::check_failed("kind is a Kind", __FILE__, __LINE__);
}

// The words of a key path that a file may have made up are shown as in_quotes() would.
std::string shown_key(const YamlNode& key) {
  const std::string text = in_quotes(key.is(Kind::kScalar) ? key.text : kind_name(key));
  return text.substr(1, text.size() - 2);
}

// The visitor of setting_list.h that reads.
class Loader {
 public:
  explicit Loader(std::string_view file) : file_(file) {}

  template <class Part>
  void load(const YamlNode& map, Part& part) {
    read_map(map, "", [&] { describe(*this, part); });
  }

  void report(const YamlPlace& place, std::string key, std::string what) {
    if (problems_.size() < kMostProblems) {
      problems_.push_back(
          {std::string(file_), place.line, place.column, std::move(key), std::move(what)});
    }
  }

  struct Mention {
    YamlPlace place;
    std::string key;
    std::string tenant;
  };
  [[nodiscard]] const std::vector<Mention>& tenant_mentions() const { return mentions_; }

  ConfigProblems take_problems() {
    std::ranges::sort(problems_, {}, [](const ConfigProblem& problem) {
      return std::tie(problem.line, problem.column, problem.key, problem.what);
    });
    if (problems_.size() >= kMostProblems) {
      const ConfigProblem last = problems_.back();
      problems_.push_back(
          {last.file, last.line, last.column, {}, "too many problems; what follows is not shown"});
    }
    return std::move(problems_);
  }

  // What setting_list.h calls.

  template <class Field, class SettingKind>
  void value(std::string_view name, Field& field, const SettingKind& kind, std::string_view) {
    if (const YamlEntry* entry = take(name)) {
      if (auto word = read_word(entry->value, entry->key.place, path_of(name), kind)) {
        // NOLINTNEXTLINE(bugprone-optional-value-conversion): `field` may be an optional, or not
        field = std::move(*word);
      }
    }
  }

  template <class Field, class SettingKind>
  void required(std::string_view name, Field& field, const SettingKind& kind,
                std::string_view comment) {
    need(name);
    value(name, field, kind, comment);
  }

  template <class Field, class SettingKind>
  void required_unless(std::string_view name, std::string_view other, Field& field,
                       const SettingKind& kind, std::string_view comment) {
    if (scope().map->find(other) == nullptr) {
      need(name);
    }
    value(name, field, kind, comment);
  }

  template <class Value, class SettingKind>
  void list(std::string_view name, std::vector<Value>& field, const SettingKind& kind,
            std::string_view) {
    const YamlEntry* entry = take(name);
    if (entry == nullptr || entry->value.is(Kind::kNull)) {
      return;
    }
    const YamlNode& node = entry->value;
    field.clear();
    if (node.is(Kind::kScalar)) {  // one word is a list of one
      read_item(node, path_of(name), field, kind);
    } else if (node.is(Kind::kList)) {
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        read_item(node.items[i], item_path(name, i), field, kind);
      }
    } else {
      report(node.place, path_of(name), "expected a list such as [a, b], got " + kind_name(node));
    }
  }

  template <class Value, class SettingKind>
  void any_of(std::string_view name, std::vector<Value>& field, const SettingKind& kind,
              std::string_view comment) {
    list(name, field, kind, comment);
    const YamlEntry* entry = scope().map->find(name);
    const bool nothing =
        entry != nullptr && (entry->value.is(Kind::kNull) ||
                             (entry->value.is(Kind::kList) && entry->value.items.empty()));
    rule_out(nothing, name,
             "names nothing, so it could match nothing; leave the key out to match "
             "everything");
  }

  void labels(std::string_view name, std::vector<LabelMatch>& field, std::string_view) {
    const YamlEntry* entry = take(name);
    if (entry == nullptr) {
      return;
    }
    const YamlNode& node = entry->value;
    if (!node.is(Kind::kMap) || node.entries.empty()) {
      report(node.is(Kind::kNull) ? entry->key.place : node.place, path_of(name),
             "expected labels and their values such as {user: alice}, got " +
                 (node.is(Kind::kMap) ? "none" : kind_name(node)));
      return;
    }
    read_map(node, path_of(name), [&] {
      for (const YamlEntry& label : node.entries) {
        const std::string& key = label.key.text;
        if (key.empty() || key.size() > kMaxLabelKeyBytes || !base::is_printable(key)) {
          report(label.key.place, path_of(shown_key(label.key)),
                 fmt::format("a label's name has 1 to {} printable characters", kMaxLabelKeyBytes));
          scope().known.push_back(key);
          continue;
        }
        field.push_back({key, {}});
        any_of(key, field.back().values,
               PatternKind{.of = "a label's value", .most_bytes = kMostPatternBytes}, {});
      }
    });
  }

  template <class Part>
  void section(std::string_view name, Part& part, std::string_view) {
    if (const YamlEntry* entry = take(name)) {
      read_map(entry->value, path_of(name), [&] { describe(*this, part); });
    }
  }

  template <class Part>
  void optional_section(std::string_view name, std::optional<Part>& part, std::string_view) {
    if (const YamlEntry* entry = take(name)) {
      part.emplace();
      read_map(entry->value, path_of(name), [&] { describe(*this, *part); });
    }
  }

  template <class Part>
  void sections(std::string_view name, std::vector<Part>& parts, std::string_view,
                const std::vector<Part>&) {
    const YamlEntry* entry = take(name);
    if (entry == nullptr || entry->value.is(Kind::kNull)) {
      return;
    }
    if (!entry->value.is(Kind::kList)) {
      report(entry->value.place, path_of(name),
             "expected a list of maps such as [{name: a}], got " + kind_name(entry->value));
      return;
    }
    const auto& items = entry->value.items;
    parts.assign(items.size(), Part{});
    for (std::size_t i = 0; i < items.size(); ++i) {
      read_map(items[i], item_path(name, i), [&] { describe(*this, parts[i]); });
    }
  }

  void later(std::string_view name) {
    if (const YamlEntry* entry = take(name)) {
      report(entry->key.place, path_of(name), "not supported by this version yet; leave it out");
    }
  }

  void one_of(std::initializer_list<std::string_view> names) {
    std::size_t given = 0;
    for (const std::string_view name : names) {
      given += scope().map->find(name) != nullptr ? 1U : 0U;
    }
    if (given != 1) {
      report(scope().map->place, scope().path,
             "needs one of the keys " + gateway::one_of(names) +
                 (given == 0 ? ", and has none" : ", and has more than one"));
    }
  }

  void rule_out(bool wrong, std::string_view name, std::string_view why) {
    if (wrong) {
      const YamlEntry* entry = scope().map->find(name);
      report(entry == nullptr ? scope().map->place : entry->key.place, path_of(name),
             std::string(why));
    }
  }

 private:
  struct Scope {
    const YamlNode* map;
    std::string path;
    std::vector<std::string_view> known;
    std::vector<std::string_view> missing;
  };

  Scope& scope() { return scopes_.back(); }
  std::string path_of(std::string_view name) {
    return scope().path.empty() ? std::string(name) : fmt::format("{}.{}", scope().path, name);
  }
  std::string item_path(std::string_view name, std::size_t index) {
    return fmt::format("{}[{}]", path_of(name), index);
  }

  // The entry of a known key; null when the file does not have it.
  const YamlEntry* take(std::string_view name) {
    scope().known.push_back(name);
    return scope().map->find(name);
  }
  void need(std::string_view name) {
    if (scope().map->find(name) == nullptr) {
      scope().missing.push_back(name);
    }
  }

  template <class Body>
  void read_map(const YamlNode& node, std::string path, const Body& body) {
    if (!node.is(Kind::kMap) && !node.is(Kind::kNull)) {
      report(node.place, path,
             "expected a map of keys such as {key: value}, got " + kind_name(node));
      return;
    }
    YamlNode empty;  // `key:` with nothing behind it is as good as no such key
    empty.kind = Kind::kMap;
    empty.place = node.place;
    scopes_.push_back({node.is(Kind::kMap) ? &node : &empty, std::move(path), {}, {}});
    body();
    check_keys();
    scopes_.pop_back();
  }

  // Duplicates, keys that nobody knows, and keys that must be there and are not.
  void check_keys() {
    std::map<std::string_view, int> lines;
    for (const YamlEntry& entry : scope().map->entries) {
      const std::string path = path_of(shown_key(entry.key));
      const auto [first, is_new] = lines.emplace(entry.key.text, entry.key.place.line);
      if (!entry.key.is(Kind::kScalar)) {
        report(entry.key.place, path, "a key must be a word; write key: value");
      } else if (!is_new) {
        report(entry.key.place, path,
               fmt::format("given twice, first in line {}; remove one", first->second));
      } else if (entry.key.text == "<<") {
        report(entry.key.place, path, "merge keys are not supported; write the keys out");
      } else if (problems_.size() < kMostProblems &&  // guessing takes time
                 std::ranges::find(scope().known, entry.key.text) == scope().known.end()) {
        report(entry.key.place, path, "unknown key" + what_was_meant(entry.key.text));
      }
    }
    for (const std::string_view name : scope().missing) {
      report(scope().map->place, path_of(name), "missing; it must be given");
    }
  }

  // The key that is nearest, or all that there are.
  std::string what_was_meant(std::string_view word) {
    const std::string guess = did_you_mean(word, scope().known);
    return guess.empty() ? "; here there are " + gateway::one_of(scope().known) : guess;
  }

  template <class Value, class SettingKind>
  void read_item(const YamlNode& node, const std::string& path, std::vector<Value>& field,
                 const SettingKind& kind) {
    if (auto item = read_word(node, node.place, path, kind)) {
      field.push_back(std::move(*item));
    }
  }

  template <class SettingKind>
  std::optional<typename SettingKind::Value> read_word(const YamlNode& node,
                                                       const YamlPlace& key_place,
                                                       const std::string& path,
                                                       const SettingKind& kind) {
    if (!node.is(Kind::kScalar)) {
      const bool nothing = node.is(Kind::kNull);
      report(nothing ? key_place : node.place, path,
             "expected a value, got " + kind_name(node) +
                 (nothing ? "; write one, or leave the key out" : "; write a single word"));
      return std::nullopt;
    }
    auto parsed = kind.parse({node.text, node.quoted});
    if (!parsed) {
      report(node.place, path, parsed.error());
      return std::nullopt;
    }
    if constexpr (std::is_same_v<SettingKind, TenantNameKind>) {
      mentions_.push_back({node.place, path, *parsed});
    }
    return std::move(*parsed);
  }

  std::string_view file_;
  std::vector<Scope> scopes_;
  ConfigProblems problems_;
  std::vector<Mention> mentions_;
};

// What can only be seen with the whole file read. `root` gives the places.
class CrossCheck {
 public:
  CrossCheck(Loader& loader, const YamlNode& root, Settings& settings)
      : loader_(loader), root_(root), settings_(settings) {}

  void run() {
    fill_in();
    check_tenants();
    check_mentions();
    check_rules();
    check_sockets();
    check_gue();
    check_routes();
    check_published();
  }

 private:
  // Defaults that depend on another setting.
  void fill_in() {
    for (Onramp& onramp : settings_.onramps) {
      if (onramp.seqpacket && onramp.seqpacket->path.empty()) {
        onramp.seqpacket->path = default_onramp_path(settings_.control_path);
      }
    }
    for (std::size_t i = 0; i < settings_.tenants.size(); ++i) {
      if (settings_.tenants[i].id == 0) {
        settings_.tenants[i].id = static_cast<std::uint32_t>(i + 1);
      }
    }
    for (std::size_t i = 0; i < settings_.rules.size(); ++i) {
      if (settings_.rules[i].name.empty()) {
        settings_.rules[i].name = fmt::format("rule-{}", i + 1);
      }
    }
  }

  void check_tenants() {
    std::map<std::string_view, std::size_t> names;
    std::map<std::uint32_t, std::size_t> ids;
    for (std::size_t i = 0; i < settings_.tenants.size(); ++i) {
      const TenantSettings& tenant = settings_.tenants[i];
      const auto [same_name, name_is_new] = names.emplace(tenant.name, i);
      if (!name_is_new && !tenant.name.empty()) {
        report("tenants", i, "name",
               "another tenant has this name: " + where(same_name->second) + "; choose another");
      }
      const auto [same_id, id_is_new] = ids.emplace(tenant.id, i);
      if (!id_is_new) {
        report("tenants", i, "id",
               fmt::format("another tenant has the id {}: {}; choose another", tenant.id,
                           where(same_id->second)));
      }
    }
  }

  void check_mentions() {
    std::vector<std::string_view> names;
    names.reserve(settings_.tenants.size());
    for (const TenantSettings& tenant : settings_.tenants) {
      names.push_back(tenant.name);
    }
    const std::set<std::string_view> known(names.begin(), names.end());
    for (const Loader::Mention& mention : loader_.tenant_mentions()) {
      if (!known.contains(mention.tenant)) {
        loader_.report(mention.place, mention.key,
                       "no tenant has the name " + in_quotes(mention.tenant) +
                           (closest(mention.tenant, names).empty()
                                ? "; add it to `tenants`, or name one of those"
                                : did_you_mean(mention.tenant, names)));
      }
    }
  }

  void check_rules() {
    std::map<std::string_view, std::size_t> names;
    for (std::size_t i = 0; i < settings_.rules.size(); ++i) {
      const auto [same, is_new] = names.emplace(settings_.rules[i].name, i);
      if (!is_new) {
        report("rules", i, "name",
               fmt::format("another rule has this name: rules[{}]; choose another", same->second));
      }
    }
  }

  void check_sockets() {
    std::set<std::string_view> paths = {settings_.control_path};
    for (std::size_t i = 0; i < settings_.onramps.size(); ++i) {
      if (!settings_.onramps[i].seqpacket) {
        continue;
      }
      const std::string& path = settings_.onramps[i].seqpacket->path;
      if (!paths.insert(path).second) {
        report("onramps", i, "seqpacket",
               "another socket of this file has the path " + in_quotes(path) + "; choose another");
      }
      if (path.size() > kMostSocketPathBytes) {
        report("onramps", i, "seqpacket",
               "needs a path: its default, beside the control socket, is too long");
      }
    }
  }

  void check_published() {
    std::map<std::pair<flows::Protocol, base::Endpoint>, std::size_t> taken;
    for (std::size_t i = 0; i < settings_.tenants.size(); ++i) {
      for (const PublishedEndpoint& port : settings_.tenants[i].publish) {
        const bool chosen = port.listen.port != base::Port{0};
        const auto [same, is_new] = taken.emplace(std::pair(port.protocol, port.listen), i);
        if (chosen && !is_new) {
          report("tenants", i, "publish",
                 port.listen.to_string() + " is published twice: " + where(same->second) +
                     "; choose another port");
        }
      }
    }
  }

  void check_gue() {
    std::set<base::Endpoint> listening;
    for (std::size_t i = 0; i < settings_.onramps.size(); ++i) {
      if (!settings_.onramps[i].gue) {
        continue;
      }
      const GueOnramp& gue = *settings_.onramps[i].gue;
      if (number(gue.listen.port) != 0 && !listening.insert(gue.listen).second) {
        report_at({"onramps", i, "gue", "listen"},
                  "another on-ramp of this file listens there; choose another port");
      }
      std::set<std::string> prefixes;
      for (std::size_t p = 0; p < gue.peers.size(); ++p) {
        if (!prefixes.insert(gue.peers[p].prefix.to_string()).second) {
          report_at({"onramps", i, "gue", "peers", p, "prefix"},
                    "another of these peers has the prefix; write them as one");
        }
      }
    }
  }

  void check_routes() {
    for (std::size_t t = 0; t < settings_.tenants.size(); ++t) {
      const TenantSettings& tenant = settings_.tenants[t];
      std::map<base::IpAddress, base::Port> ports;
      for (std::size_t r = 0; r < tenant.routes.size(); ++r) {
        const auto& peer = tenant.routes[r].gue;
        if (peer && !gue_onramp_for(settings_.onramps, tenant.name, peer->address)) {
          report_at({"tenants", t, "routes", r, "gue"},
                    "no gue on-ramp of the address's family has it among its peers for tenant " +
                        in_quotes(tenant.name) +
                        ", so that its answers would not be heard; add it there");
        }
        if (peer && ports.emplace(peer->address, peer->port).first->second != peer->port) {
          report_at({"tenants", t, "routes", r, "gue"},
                    "another route of the tenant has this peer at another port; write the same");
        }
      }
    }
  }

  static std::string where(std::size_t index) { return fmt::format("tenants[{}]", index); }

  void report(std::string_view list, std::size_t index, std::string_view key, std::string what) {
    report_at({list, index, key}, std::move(what));
  }

  // At the end of the path, or as near as the file comes to that.
  using Step = std::variant<std::string_view, std::size_t>;
  void report_at(std::initializer_list<Step> path, std::string what) {
    const YamlNode* node = &root_;
    YamlPlace place = root_.place;
    std::string text;
    for (const Step& step : path) {
      const auto* key = std::get_if<std::string_view>(&step);
      text += key == nullptr ? fmt::format("[{}]", std::get<std::size_t>(step))
                             : (text.empty() ? "" : ".") + std::string(*key);
      node = node == nullptr ? nullptr : child(*node, step);
      place = node == nullptr ? place : node->place;
    }
    loader_.report(place, std::move(text), std::move(what));
  }

  static const YamlNode* child(const YamlNode& node, const Step& step) {
    if (const auto* key = std::get_if<std::string_view>(&step)) {
      const YamlEntry* entry = node.find(*key);
      return entry == nullptr ? nullptr : &entry->value;
    }
    const std::size_t index = std::get<std::size_t>(step);
    return index < node.items.size() ? &node.items[index] : nullptr;
  }

  Loader& loader_;
  const YamlNode& root_;
  Settings& settings_;
};

ConfigProblems whole_file(std::string_view file, base::Error error) {
  return {{.file = std::string(file),
           .line = 0,
           .column = 0,
           .key = {},
           .what = base::Error{error.code, error.doing, {}}.message(),
           .cure = std::move(error.cure)}};
}

std::string cure_of(int error) {
  if (error == ENOENT) {
    return "`liftgate config default` prints one to start from.";
  }
  if (error == EACCES) {
    return "Whoever starts liftgate must be allowed to read it, and to enter each folder above it.";
  }
  return error == EISDIR ? "It is a folder: name the YAML file itself." : "";
}

base::Unexpected<base::Error> unreadable(const char* doing) {
  base::Error error = base::last_error(doing);
  error.cure = cure_of(error.code.value());
  return base::Unexpected{std::move(error)};
}

base::SysResult<std::string> read_file(const std::string& path) {
  const auto file = base::Fd::adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    return unreadable("cannot be opened");
  }
  std::string text;
  std::array<char, 64 * 1024> room{};
  for (;;) {
    const ssize_t size = ::read(file.get(), room.data(), room.size());
    if (size < 0 && errno != EINTR) {
      return unreadable("cannot be read");
    }
    if (size == 0 || text.size() >= kMostFileBytes) {
      return text;
    }
    text.append(room.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
  }
}

}  // namespace

std::string ConfigProblem::to_string() const {
  std::string text = file + ":";
  if (line > 0) {
    text += fmt::format("{}:{}:", line, column);
  }
  return text + (key.empty() ? " " : " " + key + ": ") + what + (cure.empty() ? "" : ". " + cure);
}

base::Result<Settings, ConfigProblems> load_config(std::string_view text,
                                                   std::string_view file_name,
                                                   const hooks::AppSection& app) {
  const auto root = parse_yaml(text);
  if (!root) {
    const YamlPlace place = root.error().place;
    return base::Unexpected{ConfigProblems{
        {std::string(file_name), place.line, place.column, root.error().key, root.error().what}}};
  }
  Settings settings = default_settings();
  settings.app = app;
  for (Onramp& onramp : settings.onramps) {
    if (onramp.seqpacket) {
      onramp.seqpacket->path.clear();  // follows the control socket of the file
    }
  }
  Loader loader(file_name);
  loader.load(*root, settings);
  CrossCheck(loader, *root, settings).run();
  ConfigProblems problems = loader.take_problems();
  if (!problems.empty()) {
    return base::Unexpected{std::move(problems)};
  }
  return settings;
}

base::Result<Settings, ConfigProblems> load_config_file(const std::string& path,
                                                        const hooks::AppSection& app) {
  const auto text = read_file(path);
  if (!text) {
    return base::Unexpected{whole_file(path, text.error())};
  }
  return load_config(*text, path, app);
}

}  // namespace gateway
