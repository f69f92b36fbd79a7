#include "gateway/config/yaml_tree.h"

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/utf8.h"

namespace gateway {
namespace {

// Chosen: a configuration needs 7 levels, and 10,000 tenants are 1 MiB of text. yaml-cpp takes up
// to 3 s for that much, if it is made to hurt.
constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxTextBytes = 1U << 20U;
constexpr std::size_t kMaxTreeBytes = 16U << 20U;

constexpr std::size_t kMaxMessageBytes = 200;  // of the parser's, which quotes what it read

using Kind = YamlNode::Kind;

YamlPlace place_of(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

YamlNode node_of(Kind kind, const YamlPlace& place) {
  YamlNode node;
  node.kind = kind;
  node.place = place;
  return node;
}

std::size_t tree_bytes(const YamlNode& node) {  // NOLINT(misc-no-recursion): kMaxDepth
  std::size_t sum = sizeof(node) + node.text.size();
  for (const YamlNode& item : node.items) {
    sum += tree_bytes(item);
  }
  for (const YamlEntry& entry : node.entries) {
    sum += tree_bytes(entry.key) + tree_bytes(entry.value);
  }
  return sum;
}

std::size_t tree_depth(const YamlNode& node) {  // NOLINT(misc-no-recursion): kMaxDepth
  std::size_t deepest = 0;
  for (const YamlNode& item : node.items) {
    deepest = std::max(deepest, tree_depth(item));
  }
  for (const YamlEntry& entry : node.entries) {
    deepest = std::max({deepest, tree_depth(entry.key), tree_depth(entry.value)});
  }
  return deepest + 1;
}

// Takes events, and after the first error ignores them.
class TreeBuilder : public YAML::EventHandler {
 public:
  [[nodiscard]] const std::optional<YamlError>& error() const { return error_; }
  [[nodiscard]] std::size_t documents() const { return documents_; }
  [[nodiscard]] YamlNode take_root() { return std::move(root_); }

  /// Of what is being read: "rules[2].match"; empty: it has not come to a key.
  [[nodiscard]] std::string key() const {
    std::string path;
    for (const Open& open : open_) {
      if (open.node.is(Kind::kList)) {
        path += "[" + std::to_string(open.node.items.size()) + "]";
      } else if (open.key && open.key->is(Kind::kScalar)) {
        path += (path.empty() ? "" : ".") + base::printable(open.key->text, kMaxMessageBytes);
      } else if (!open.node.entries.empty()) {  // between two keys: at the last
        path += (path.empty() ? "" : ".") +
                base::printable(open.node.entries.back().key.text, kMaxMessageBytes);
      }
    }
    return path;
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      fail(place_of(mark),
           "a second document begins here; a configuration is one, so remove the ---");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add_leaf(node_of(Kind::kNull, place_of(mark)), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(place_of(mark), tag);
    YamlNode node = node_of(Kind::kScalar, place_of(mark));
    node.quoted = tag == "!";
    node.text = value;
    add_leaf(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) {
      fail(place_of(mark),
           "an alias inside the very value that it stands for; write out what is meant");
      return;
    }
    if (open_.size() + known->second.depth > kMaxDepth) {
      fail(place_of(mark), "nested too deeply; no setting is so deep, so close what is open");
      return;
    }
    // Checked before the copy: expanding is what an alias bomb waits for.
    if (spend(place_of(mark), known->second.bytes)) {
      attach(YamlNode(known->second.node));
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(Kind::kList, place_of(mark), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(Kind::kMap, place_of(mark), tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor;
    std::optional<YamlNode> key;  // of a map: read, and waiting for its value
  };
  struct Anchored {
    YamlNode node;
    std::size_t bytes;
    std::size_t depth;
  };

  void fail(const YamlPlace& place, std::string what) {
    if (!error_) {
      error_ = YamlError{place, key(), std::move(what)};
    }
  }
  void refuse_tag(const YamlPlace& place, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      fail(place, "tags are not supported; leave it out");
    }
  }
  bool spend(const YamlPlace& place, std::size_t bytes) {
    spent_bytes_ += bytes;
    if (spent_bytes_ > kMaxTreeBytes) {
      fail(place, "too large here, with its aliases written out; use fewer");
    }
    return !error_;
  }
  void add_leaf(YamlNode node, YAML::anchor_t anchor) {
    if (spend(node.place, sizeof(node) + node.text.size())) {
      remember(node.place, node, anchor);
      attach(std::move(node));
    }
  }
  void open(Kind kind, const YamlPlace& place, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(place, tag);
    if (open_.size() >= kMaxDepth) {
      fail(place, "nested too deeply; no setting is so deep, so close what is open");
    }
    if (spend(place, sizeof(YamlNode))) {
      open_.push_back({node_of(kind, place), anchor, std::nullopt});
    }
  }
  void close() {
    if (error_) {
      return;
    }
    Open done = std::move(open_.back());
    open_.pop_back();
    remember(done.node.place, done.node, done.anchor);
    attach(std::move(done.node));
  }
  void remember(const YamlPlace& place, const YamlNode& node, YAML::anchor_t anchor) {
    const std::size_t bytes = anchor == YAML::NullAnchor ? 0 : tree_bytes(node);
    if (bytes > 0 && spend(place, bytes)) {
      anchors_.emplace(anchor, Anchored{node, bytes, tree_depth(node)});
    }
  }
  void attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.is(Kind::kList)) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      parent.key = std::move(node);
    } else {
      parent.node.entries.push_back({std::move(*parent.key), std::move(node)});
      parent.key.reset();
    }
  }

  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::optional<YamlError> error_;
  std::size_t documents_ = 0;
  std::size_t spent_bytes_ = 0;
};

std::string not_yaml(std::string_view why) {
  return "not YAML: " + base::printable(why, kMaxMessageBytes) +
         "; check quotes, brackets and indents up to here";
}

// What the parser threw; none when it read to the end.
std::optional<YamlError> run_parser(std::string_view text, TreeBuilder& builder) {
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (!builder.error() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::DeepRecursion& why) {
    return YamlError{place_of(why.mark), builder.key(),
                     "nested too deeply; no setting is so deep, so close what is open"};
  } catch (const YAML::Exception& why) {
    return YamlError{place_of(why.mark), builder.key(), not_yaml(why.msg)};
  } catch (const std::exception& why) {
    return YamlError{{}, builder.key(), not_yaml(why.what())};
  }
  return std::nullopt;
}

}  // namespace

const YamlEntry* YamlNode::find(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key.is(Kind::kScalar) && entry.key.text == key) {
      return &entry;
    }
  }
  return nullptr;
}

base::Result<YamlNode, YamlError> parse_yaml(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return base::Unexpected{YamlError{{}, {}, "longer than 1 MiB; leave something out"}};
  }
  TreeBuilder builder;
  const auto thrown = run_parser(text, builder);
  if (builder.error()) {  // came before what the parser stumbled over
    return base::Unexpected{*builder.error()};
  }
  if (thrown) {
    return base::Unexpected{*thrown};
  }
  return builder.take_root();
}

}  // namespace gateway
