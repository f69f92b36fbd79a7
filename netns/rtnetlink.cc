#include "netns/rtnetlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include <libmnl/libmnl.h>

namespace netns {
namespace {

using base::Fd;
using base::Unexpected;

// Large enough for every request of ours, and for an acknowledgement, which quotes the request.
constexpr std::size_t kMessageBytes = 4096;

// A request under construction.
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags) : header_(mnl_nlmsg_put_header(buffer_.data())) {
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }

  template <class Body>
  Body* body() {
    return static_cast<Body*>(mnl_nlmsg_put_extra_header(header_, sizeof(Body)));
  }
  nlmsghdr* header() { return header_; }
  std::span<std::byte> bytes() { return std::span(buffer_).first(header_->nlmsg_len); }

 private:
  alignas(nlmsghdr) std::array<std::byte, kMessageBytes> buffer_{};
  nlmsghdr* header_;
};

base::SysResult<int> index_of(const std::string& link) {
  const unsigned index = ::if_nametoindex(link.c_str());
  if (index == 0) {
    return Unexpected{base::last_error("looking up link " + link)};
  }
  return static_cast<int>(index);
}

std::uint8_t family_of(const base::IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

// The kernel's own sentence about a refused request; empty when it sent none.
std::string kernel_explanation(const nlmsghdr* header) {
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) {
    return {};
  }
  const auto* refused = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
  std::size_t offset = sizeof(nlmsgerr);
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) {
    offset += mnl_nlmsg_get_payload_len(&refused->msg);
  }
  std::string text;
  const auto read_attribute = [](const nlattr* attribute, void* into) {
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
      *static_cast<std::string*>(into) = mnl_attr_get_str(attribute);
    }
    return MNL_CB_OK;
  };
  mnl_attr_parse(header, static_cast<unsigned>(offset), read_attribute, &text);
  return text;
}

}  // namespace

base::SysResult<RouteSocket> RouteSocket::open() {
  auto socket = Fd::adopt(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket.is_open()) {
    return Unexpected{base::last_error("opening a rtnetlink socket")};
  }
  // Better texts and shorter answers; a kernel that knows neither works without.
  const int on = 1;
  ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
  return RouteSocket(std::move(socket));
}

base::SysResult<void> RouteSocket::configure_link(const std::string& name,
                                                  const LinkSettings& settings) {
  const auto index = index_of(name);
  if (!index) {
    return Unexpected{index.error()};
  }
  std::string doing = "setting link " + name;
  Request request(RTM_NEWLINK, 0);
  request.body<ifinfomsg>()->ifi_index = *index;
  if (settings.mtu_bytes) {
    mnl_attr_put_u32(request.header(), IFLA_MTU, *settings.mtu_bytes);
    doing += " mtu " + std::to_string(*settings.mtu_bytes);
  }
  if (settings.queue_packets) {
    mnl_attr_put_u32(request.header(), IFLA_TXQLEN, *settings.queue_packets);
    doing += " txqueuelen " + std::to_string(*settings.queue_packets);
  }
  if (settings.no_link_local) {
    nlattr* families = mnl_attr_nest_start(request.header(), IFLA_AF_SPEC);
    nlattr* six = mnl_attr_nest_start(request.header(), AF_INET6);
    mnl_attr_put_u8(request.header(), IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(request.header(), six);
    mnl_attr_nest_end(request.header(), families);
    doing += " addrgenmode none";
  }
  return this->request(request.bytes(), doing);
}

base::SysResult<void> RouteSocket::set_link_up(const std::string& name) {
  const auto index = index_of(name);
  if (!index) {
    return Unexpected{index.error()};
  }
  Request request(RTM_NEWLINK, 0);
  auto* link = request.body<ifinfomsg>();
  link->ifi_index = *index;
  link->ifi_flags = IFF_UP;
  link->ifi_change = IFF_UP;
  return this->request(request.bytes(), "setting link " + name + " up");
}

base::SysResult<void> RouteSocket::add_address(const std::string& link,
                                               const InterfaceAddress& address) {
  const auto index = index_of(link);
  if (!index) {
    return Unexpected{index.error()};
  }
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  auto* body = request.body<ifaddrmsg>();
  body->ifa_family = family_of(address.address);
  body->ifa_prefixlen = address.bits;
  body->ifa_index = static_cast<std::uint32_t>(*index);
  const auto bytes = address.address.wire_bytes();
  mnl_attr_put(request.header(), IFA_LOCAL, bytes.size(), bytes.data());
  mnl_attr_put(request.header(), IFA_ADDRESS, bytes.size(), bytes.data());
  mnl_attr_put_u32(request.header(), IFA_FLAGS, IFA_F_NODAD);
  return this->request(request.bytes(), "adding address " + address.to_string() + " to " + link);
}

base::SysResult<void> RouteSocket::add_local_route(const std::string& link,
                                                   const base::IpAddress& address) {
  const auto index = index_of(link);
  if (!index) {
    return Unexpected{index.error()};
  }
  const auto bytes = address.wire_bytes();
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  auto* route = request.body<rtmsg>();
  route->rtm_family = family_of(address);
  route->rtm_dst_len = static_cast<std::uint8_t>(bytes.size() * 8);
  route->rtm_table = RT_TABLE_LOCAL;
  route->rtm_protocol = RTPROT_STATIC;
  route->rtm_type = RTN_LOCAL;
  route->rtm_scope = RT_SCOPE_HOST;
  mnl_attr_put(request.header(), RTA_DST, bytes.size(), bytes.data());
  mnl_attr_put_u32(request.header(), RTA_OIF, static_cast<std::uint32_t>(*index));
  return this->request(request.bytes(), "adding a local route to " + address.to_string());
}

base::SysResult<void> RouteSocket::add_default_route(const std::string& link, int family) {
  const auto index = index_of(link);
  if (!index) {
    return Unexpected{index.error()};
  }
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  auto* route = request.body<rtmsg>();
  route->rtm_family = static_cast<std::uint8_t>(family);
  route->rtm_table = RT_TABLE_MAIN;
  route->rtm_protocol = RTPROT_STATIC;
  route->rtm_type = RTN_UNICAST;
  // The device has no neighbours: everything is on the link.
  route->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  mnl_attr_put_u32(request.header(), RTA_OIF, static_cast<std::uint32_t>(*index));
  const char* name = family == AF_INET ? "IPv4" : "IPv6";
  return this->request(request.bytes(),
                       std::string("adding the ") + name + " default route by " + link);
}

base::SysResult<void> RouteSocket::request(std::span<std::byte> message, const std::string& doing) {
  auto* header = reinterpret_cast<nlmsghdr*>(message.data());
  header->nlmsg_seq = ++sequence_;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = -1;
  do {
    sent = ::sendto(socket_.get(), message.data(), message.size(), 0,
                    reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    return Unexpected{base::last_error(doing)};
  }
  return wait_for_answer(sequence_, doing);
}

base::SysResult<void> RouteSocket::wait_for_answer(std::uint32_t sequence,
                                                   const std::string& doing) {
  for (;;) {
    alignas(nlmsghdr) std::array<std::byte, kMessageBytes> buffer{};
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return Unexpected{base::last_error(doing)};
    }
    const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
    if (!mnl_nlmsg_ok(header, static_cast<int>(size)) || header->nlmsg_seq != sequence ||
        header->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(header) < sizeof(nlmsgerr)) {
      continue;
    }
    const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header))->error;
    if (error == 0) {
      return {};
    }
    base::Error refused{{error, std::generic_category()}, doing, {}};
    if (const std::string why = kernel_explanation(header); !why.empty()) {
      refused.doing.append(" (").append(why).append(")");
    }
    return Unexpected{std::move(refused)};
  }
}

}  // namespace netns
