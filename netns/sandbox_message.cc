#include "netns/sandbox_message.h"

#include <utility>

#include "netns/wire.h"

namespace netns {
namespace {

// The smallest entries of the lists below, in bytes.
constexpr std::size_t kAddressBytes = 16 + 1;
constexpr std::size_t kListenerBytes = 16 + 4 + 4;
constexpr std::size_t kSysctlBytes = 4 + 4 + 1;
constexpr std::size_t kFileBytes = 4 + 4;
constexpr std::size_t kStringBytes = 4;

std::uint32_t size_of(const auto& list) {
  return static_cast<std::uint32_t>(list.size());
}

void write(WireWriter& out, const Hello&) {
  out.u8(1);  // the version of this protocol
}

bool read(WireReader& in, Hello&) {
  return in.u8() == 1;
}

void write(WireWriter& out, const TunConfig& tun) {
  out.string(tun.name);
  out.u32(size_of(tun.addresses));
  for (const InterfaceAddress& entry : tun.addresses) {
    out.address(entry.address);
    out.u8(entry.bits);
  }
  out.u32(tun.mtu_bytes);
  out.u32(tun.queue_packets);
  out.boolean(tun.vnet_header);
  out.boolean(tun.offload);
  out.boolean(tun.default_routes);
}

void read(WireReader& in, TunConfig& tun) {
  tun.name = in.string();
  tun.addresses.resize(in.count(kAddressBytes));
  for (InterfaceAddress& entry : tun.addresses) {
    entry.address = in.address();
    entry.bits = in.u8();
  }
  tun.mtu_bytes = in.u32();
  tun.queue_packets = in.u32();
  tun.vnet_header = in.boolean();
  tun.offload = in.boolean();
  tun.default_routes = in.boolean();
}

void write(WireWriter& out, const Setup& setup) {
  out.u32(setup.outside.uid);
  out.u32(setup.outside.gid);
  write(out, setup.config.tun);
  out.u32(size_of(setup.config.listeners));
  for (const ListenerConfig& entry : setup.config.listeners) {
    out.address(entry.endpoint.address);
    out.u32(base::number(entry.endpoint.port));
    out.i32(entry.backlog);
  }
  out.u32(size_of(setup.config.sysctls));
  for (const Sysctl& entry : setup.config.sysctls) {
    out.string(entry.name);
    out.string(entry.value);
    out.boolean(entry.optional);
  }
  out.boolean(setup.config.mount_namespace);
  out.u32(size_of(setup.config.files));
  for (const MountedFile& entry : setup.config.files) {
    out.string(entry.path);
    out.string(entry.content);
  }
  out.u32(size_of(setup.config.hidden_directories));
  for (const std::string& entry : setup.config.hidden_directories) {
    out.string(entry);
  }
  out.u8(static_cast<std::uint8_t>(setup.config.enforcement));
}

bool read(WireReader& in, Setup& setup) {
  setup.outside.uid = in.u32();
  setup.outside.gid = in.u32();
  read(in, setup.config.tun);
  setup.config.listeners.resize(in.count(kListenerBytes));
  for (ListenerConfig& entry : setup.config.listeners) {
    entry.endpoint.address = in.address();
    const std::uint32_t port = in.u32();
    if (port > 0xffff) {
      return false;
    }
    entry.endpoint.port = base::Port{static_cast<std::uint16_t>(port)};
    entry.backlog = in.i32();
  }
  setup.config.sysctls.resize(in.count(kSysctlBytes));
  for (Sysctl& entry : setup.config.sysctls) {
    entry.name = in.string();
    entry.value = in.string();
    entry.optional = in.boolean();
  }
  setup.config.mount_namespace = in.boolean();
  setup.config.files.resize(in.count(kFileBytes));
  for (MountedFile& entry : setup.config.files) {
    entry.path = in.string();
    entry.content = in.string();
  }
  setup.config.hidden_directories.resize(in.count(kStringBytes));
  for (std::string& entry : setup.config.hidden_directories) {
    entry = in.string();
  }
  const std::uint8_t enforcement = in.u8();
  setup.config.enforcement = static_cast<Enforcement>(enforcement);
  return enforcement <= static_cast<std::uint8_t>(Enforcement::kOff);
}

void write(WireWriter& out, const Ready& ready) {
  out.string(ready.tun_name);
  out.boolean(ready.offload);
  out.u32(size_of(ready.notes));
  for (const std::string& note : ready.notes) {
    out.string(note);
  }
}

bool read(WireReader& in, Ready& ready) {
  ready.tun_name = in.string();
  ready.offload = in.boolean();
  ready.notes.resize(in.count(kStringBytes));
  for (std::string& note : ready.notes) {
    note = in.string();
  }
  return true;
}

void write(WireWriter& out, const OpenSockets& wanted) {
  out.u32(wanted.request);
  out.i32(wanted.domain);
  out.i32(wanted.type);
  out.i32(wanted.protocol);
  out.u32(wanted.count);
}

bool read(WireReader& in, OpenSockets& wanted) {
  wanted.request = in.u32();
  wanted.domain = in.i32();
  wanted.type = in.i32();
  wanted.protocol = in.i32();
  wanted.count = in.u32();
  return true;
}

void write(WireWriter& out, const Sockets& sockets) {
  out.u32(sockets.request);
}

bool read(WireReader& in, Sockets& sockets) {
  sockets.request = in.u32();
  return true;
}

void write(WireWriter& out, const Failed& failed) {
  out.u32(failed.request);
  out.i32(failed.error);
  out.string(failed.doing);
  out.string(failed.cure);
}

bool read(WireReader& in, Failed& failed) {
  failed.request = in.u32();
  failed.error = in.i32();
  failed.doing = in.string();
  failed.cure = in.string();
  return true;
}

// The kind of a message is its place in the variant.
template <std::size_t kIndex = 0>
std::optional<SandboxMessage> read_kind(WireReader& in, std::size_t kind) {
  if constexpr (kIndex < std::variant_size_v<SandboxMessage>) {
    if (kind != kIndex) {
      return read_kind<kIndex + 1>(in, kind);
    }
    std::variant_alternative_t<kIndex, SandboxMessage> message;
    if (read(in, message) && in.finished()) {
      return message;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::byte> encode(const SandboxMessage& message) {
  WireWriter out;
  out.u8(static_cast<std::uint8_t>(message.index()));
  std::visit([&out](const auto& body) { write(out, body); }, message);
  return std::move(out).take();
}

std::optional<SandboxMessage> decode(std::span<const std::byte> bytes) {
  WireReader in(bytes);
  const std::size_t kind = in.u8();
  return in.ok() ? read_kind(in, kind) : std::nullopt;
}

Failed to_message(const base::Error& error, std::uint32_t request) {
  return {
      .request = request, .error = error.code.value(), .doing = error.doing, .cure = error.cure};
}

base::Error to_error(Failed failed) {
  return {{failed.error, std::generic_category()}, std::move(failed.doing), std::move(failed.cure)};
}

}  // namespace netns
