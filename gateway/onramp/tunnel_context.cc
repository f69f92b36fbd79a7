#include "gateway/onramp/tunnel_context.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/utf8.h"
#include "gateway/inspect/strict_json.h"

namespace gateway {
namespace {

using nlohmann::json;
using Code = ContextError;

constexpr std::size_t kMostDepth = 4;  // the context, its lists, and one level to complain about
constexpr std::size_t kQuotedBytes = 64;
constexpr std::uint64_t kVersion = 1;

constexpr std::array<std::string_view, 8> kKeys = {"version", "tenant",  "name",  "addresses",
                                                   "mtu",     "offload", "reply", "labels"};

// What a stranger wrote, fit for a message.
std::string shown(std::string_view text) {
  return "'" + base::printable(text, kQuotedBytes) + "'";
}

struct Fault {
  Code error{};
  std::string message;  // without "context: "
};

Fault bad_field(const std::string& key, const std::string& what) {
  return {Code::kBadField, key + ": " + what};
}

// Reads one key after the other into a TunnelContext; the first fault ends it.
class ContextReader {
 public:
  explicit ContextReader(const json& object) : object_(object) {}

  base::Result<TunnelContext, Fault> read() {
    const bool good = version() && known_keys() && tenant() && tunnel_name() && addresses() &&
                      mtu() && flag("offload", context_.offload) && flag("reply", context_.reply) &&
                      labels();
    if (!good) {
      return base::Unexpected{fault_};
    }
    return std::move(context_);
  }

 private:
  const json* find(std::string_view key) const {
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }

  bool fail(Fault fault) {
    fault_ = std::move(fault);
    return false;
  }

  // Before the keys: those of another version are not ours to judge.
  bool version() {
    const json* value = find("version");
    if (value == nullptr) {
      return true;
    }
    if (!value->is_number_integer()) {
      return fail(bad_field("version", "must be a whole number"));
    }
    if (*value != kVersion) {
      return fail({Code::kUnknownVersion,
                   "version: " + value->dump() + " is not known; this gateway knows version 1"});
    }
    return true;
  }

  bool known_keys() {
    for (const auto& [key, value] : object_.items()) {
      if (std::ranges::find(kKeys, key) == kKeys.end()) {
        return fail({Code::kUnknownKey, "unknown key " + shown(key)});
      }
    }
    return true;
  }

  bool tenant() {
    const json* value = find("tenant");
    if (value == nullptr) {
      return fail({Code::kMissingTenant, "tenant: missing; it is the one key that must be there"});
    }
    return text("tenant", *value, {1, kMaxTenantBytes}, context_.tenant);
  }

  bool tunnel_name() {
    const json* value = find("name");
    return value == nullptr || text("name", *value, {0, kMaxTunnelNameBytes}, context_.name);
  }

  bool addresses() {
    const json* list = find("addresses");
    if (list == nullptr) {
      return true;
    }
    if (!list->is_array()) {
      return fail(bad_field("addresses", "must be a list of IP prefixes"));
    }
    if (list->size() > kMaxTunnelAddresses) {
      return fail(bad_field("addresses", std::to_string(list->size()) + " of them, and at most " +
                                             std::to_string(kMaxTunnelAddresses) + " are taken"));
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (!address("addresses[" + std::to_string(i) + "]", (*list)[i])) {
        return false;
      }
    }
    return true;
  }

  bool address(const std::string& key, const json& value) {
    if (!value.is_string()) {
      return fail(bad_field(key, "must be a string"));
    }
    const auto& written = value.get_ref<const std::string&>();
    if (const auto prefix = base::IpPrefix::parse(written)) {
      context_.addresses.push_back(*prefix);
      return true;
    }
    return fail({Code::kBadAddress, key + ": " + shown(written) + why_no_prefix(written)});
  }

  static std::string why_no_prefix(std::string_view written) {
    const std::size_t slash = written.find('/');
    const auto host = base::IpAddress::parse(written.substr(0, slash));
    if (!host || slash == std::string_view::npos) {
      return " is not an IP prefix";
    }
    const std::string_view digits = written.substr(slash + 1);
    std::uint8_t bits = 0;
    const auto [end, failed] = std::from_chars(digits.begin(), digits.end(), bits);
    if (failed != std::errc() || end != digits.end() || bits > (host->is_v4() ? 32 : 128)) {
      return " is not an IP prefix";
    }
    const std::uint8_t all_bits = host->is_v4() ? 32 : 128;
    return " has bits set beyond its length; write " + base::IpPrefix::of(*host, bits).to_string() +
           " or " + base::IpPrefix::of(*host, all_bits).to_string();
  }

  // After the addresses, whose family decides the least.
  bool mtu() {
    const json* value = find("mtu");
    if (value == nullptr) {
      return true;
    }
    if (!value->is_number_integer()) {
      return fail(bad_field("mtu", "must be a whole number of bytes"));
    }
    const bool fits =
        value->is_number_unsigned() && *value >= kMinMtuBytes && *value <= kMaxMtuBytes;
    if (!fits) {
      return fail(bad_field("mtu", value->dump() + " is not between " +
                                       std::to_string(kMinMtuBytes) + " and " +
                                       std::to_string(kMaxMtuBytes)));
    }
    context_.mtu_bytes = value->get<std::uint32_t>();
    const bool has_v6 =
        std::ranges::any_of(context_.addresses, [](const auto& prefix) { return !prefix.is_v4(); });
    if (has_v6 && context_.mtu_bytes < kMinMtuBytesV6) {
      return fail(bad_field("mtu", value->dump() + " is below " + std::to_string(kMinMtuBytesV6) +
                                       ", which IPv6 needs"));
    }
    return true;
  }

  bool flag(const std::string& key, bool& into) {
    const json* value = find(key);
    if (value == nullptr) {
      return true;
    }
    if (!value->is_boolean()) {
      return fail(bad_field(key, "must be true or false"));
    }
    into = value->get<bool>();
    return true;
  }

  bool labels() {
    const json* object = find("labels");
    if (object == nullptr) {
      return true;
    }
    if (!object->is_object()) {
      return fail(bad_field("labels", "must be an object of strings"));
    }
    if (object->size() > kMaxLabels) {
      return fail(bad_field("labels", std::to_string(object->size()) + " of them, and at most " +
                                          std::to_string(kMaxLabels) + " are taken"));
    }
    for (const auto& [key, value] : object->items()) {
      std::string label;
      if (!text("a key of labels", key, {1, kMaxLabelKeyBytes}, label) ||
          !text("labels." + key, value, {0, kMaxLabelValueBytes}, context_.labels[label])) {
        return false;
      }
    }
    return true;
  }

  struct Length {
    std::size_t least;
    std::size_t most;
  };
  bool text(const std::string& key, const json& value, Length length, std::string& into) {
    if (!value.is_string()) {
      return fail(bad_field(key, "must be a string"));
    }
    const auto& written = value.get_ref<const std::string&>();
    if (written.size() < length.least) {
      return fail(bad_field(key, "must not be empty"));
    }
    if (written.size() > length.most) {
      return fail(bad_field(key, std::to_string(written.size()) + " bytes long, and at most " +
                                     std::to_string(length.most) + " are taken"));
    }
    if (!base::is_printable(written)) {
      return fail(bad_field(key, shown(written) + " has control characters"));
    }
    into = written;
    return true;
  }

  const json& object_;
  TunnelContext context_;
  Fault fault_;
};

ContextRefusal refusal(Code error, const std::string& message, bool reply = false) {
  return {error, "context: " + message, reply};
}

bool asks_for_a_reply(const json& object) {
  const auto found = object.find("reply");
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

base::Result<TunnelContext, ContextRefusal> parse_context(std::span<const std::byte> datagram) {
  if (datagram.size() > kMaxContextBytes) {
    return base::Unexpected{
        refusal(Code::kTooLong, "longer than " + std::to_string(kMaxContextBytes) + " bytes")};
  }
  const auto value = parse_strict_json(datagram, kMostDepth);
  if (!value) {
    const bool is_json = value.error().kind == JsonFault::Kind::kRefused;
    return base::Unexpected{
        refusal(is_json ? Code::kBadField : Code::kNotJson, value.error().message)};
  }
  if (!value->is_object()) {
    return base::Unexpected{refusal(
        Code::kNotAnObject, std::string("must be a JSON object, and is ") + value->type_name())};
  }
  auto context = ContextReader(*value).read();
  if (!context) {
    return base::Unexpected{
        refusal(context.error().error, context.error().message, asks_for_a_reply(*value))};
  }
  return std::move(context).value();
}

std::string_view name(ContextError error) {
  switch (error) {
    case Code::kTimeout:
      return "timeout";
    case Code::kClosed:
      return "closed";
    case Code::kTooLong:
      return "too_long";
    case Code::kNotJson:
      return "not_json";
    case Code::kNotAnObject:
      return "not_an_object";
    case Code::kUnknownKey:
      return "unknown_key";
    case Code::kBadField:
      return "bad_field";
    case Code::kUnknownVersion:
      return "unknown_version";
    case Code::kMissingTenant:
      return "missing_tenant";
    case Code::kUnknownTenant:
      return "unknown_tenant";
    case Code::kUidNotAllowed:
      return "uid_not_allowed";
    case Code::kAddressNotAllowed:
      return "address_not_allowed";
    case Code::kBadAddress:
      return "bad_address";
    case Code::kRefusedByHook:
      return "refused_by_hook";
    case Code::kTooManyTunnels:
      return "too_many_tunnels";
    case Code::kTenantTunnelLimit:
      return "tenant_tunnel_limit";
  }
  base::check_failed("error is a ContextError", __FILE__, __LINE__);
}

std::string_view explain(ContextError error) {
  switch (error) {
    case Code::kTimeout:
      return "The peer connected and sent no context in time";
    case Code::kClosed:
      return "The peer went away before it sent a context";
    case Code::kTooLong:
      return "The context is longer than 16 KiB";
    case Code::kNotJson:
      return "The context is not JSON, or only half of it";
    case Code::kNotAnObject:
      return "The context is JSON, but not an object";
    case Code::kUnknownKey:
      return "The context has a key that we do not know";
    case Code::kBadField:
      return "A key of the context has the wrong type or value";
    case Code::kUnknownVersion:
      return "The context is of a version that we do not know";
    case Code::kMissingTenant:
      return "The context names no tenant";
    case Code::kUnknownTenant:
      return "The context names a tenant that is not configured";
    case Code::kUidNotAllowed:
      return "The peer's uid may not speak for the tenant";
    case Code::kAddressNotAllowed:
      return "The context claims an address outside the tenant's sources";
    case Code::kBadAddress:
      return "An address of the context is not an IP prefix";
    case Code::kRefusedByHook:
      return "A hook of the app has refused the context";
    case Code::kTooManyTunnels:
      return "There are as many tunnels as there may be";
    case Code::kTenantTunnelLimit:
      return "The tenant has as many tunnels as there is room left for";
  }
  base::check_failed("error is a ContextError", __FILE__, __LINE__);
}

}  // namespace gateway
