#include "base/endpoint.h"

#include <netinet/in.h>

#include <cstring>

#include <gtest/gtest.h>

namespace base {
namespace {

Endpoint endpoint(const char* text) {
  return Endpoint::parse(text).value();
}

TEST(Endpoint, ParsesBothFamilies) {
  EXPECT_EQ(endpoint("192.0.2.1:443"),
            (Endpoint{IpAddress::parse("192.0.2.1").value(), Port{443}}));
  EXPECT_EQ(endpoint("[2001:db8::1]:65535"),
            (Endpoint{IpAddress::parse("2001:db8::1").value(), Port{65535}}));
}

TEST(Endpoint, PrintsWhatItParses) {
  for (const char* text : {"192.0.2.1:443", "0.0.0.0:0", "[2001:db8::1]:53", "[::]:0"}) {
    EXPECT_EQ(endpoint(text).to_string(), text);
  }
}

TEST(Endpoint, RefusesWhatIsNotExactlyAnEndpoint) {
  for (const char* text :
       {"", ":", ":80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1",
        "192.0.2.1:80 ", "192.0.2.1: 80", "[192.0.2.1]:80", "2001:db8::1:80", "[2001:db8::1]",
        "[2001:db8::1]80", "[]:80", "[:80", "localhost:80", "[::ffff:192.0.2.1]:80"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(SocketAddress, CarriesIpv4AsSockaddrIn) {
  const SocketAddress address(endpoint("192.0.2.1:443"));

  sockaddr_in four{};
  ASSERT_EQ(address.size(), sizeof(four));
  std::memcpy(&four, address.data(), sizeof(four));
  EXPECT_EQ(four.sin_family, AF_INET);
  EXPECT_EQ(four.sin_port, htons(443));
  EXPECT_EQ(four.sin_addr.s_addr, htonl(0xc0000201));
}

TEST(SocketAddress, CarriesIpv6AsSockaddrIn6) {
  const SocketAddress address(endpoint("[2001:db8::1]:443"));

  sockaddr_in6 six{};
  ASSERT_EQ(address.size(), sizeof(six));
  std::memcpy(&six, address.data(), sizeof(six));
  EXPECT_EQ(six.sin6_family, AF_INET6);
  EXPECT_EQ(six.sin6_port, htons(443));
  EXPECT_EQ(six.sin6_addr.s6_addr[15], 1);
}

TEST(SocketAddress, ComesBackAsTheEndpointItWasMadeFrom) {
  for (const char* text : {"192.0.2.1:443", "[2001:db8::1]:53"}) {
    EXPECT_EQ(SocketAddress(endpoint(text)).endpoint(), endpoint(text));
  }
}

// What a dual-stack socket reports for a v4 peer.
TEST(SocketAddress, V4MappedPeerComesBackAsIpv4) {
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(443);
  six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xff;
  six.sin6_addr.s6_addr[12] = 192;
  six.sin6_addr.s6_addr[15] = 1;

  SocketAddress address;
  std::memcpy(address.data(), &six, sizeof(six));

  EXPECT_EQ(address.endpoint(), endpoint("192.0.0.1:443"));
}

TEST(SocketAddress, OfAnotherFamilyHasNoEndpoint) {
  EXPECT_FALSE(SocketAddress().endpoint());
  SocketAddress address;
  address.data()->sa_family = AF_UNIX;
  EXPECT_FALSE(address.endpoint());
}

TEST(SocketAddress, HasRoomForAnyAddressUntilItIsFilled) {
  EXPECT_EQ(SocketAddress().size(), sizeof(sockaddr_storage));
}

}  // namespace
}  // namespace base
