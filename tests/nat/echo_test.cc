#include "nat/echo.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace nat {
namespace {

using test_support::echo_reply;
using test_support::echo_request;
using Bytes = test_support::Packet;

TEST(TurnEchoRequest, GivesTheReplyOfTheHostThatWasAsked) {
  for (const auto& [client, host] : {std::pair{"10.0.0.1", "192.0.0.8"}, {"fd00::1", "fd00::8"}}) {
    for (const std::string payload : {"", "x", "payload"}) {
      Bytes bytes = echo_request(client, host, 77).ttl(1).payload(payload).build();
      turn_echo_request(bytes, flows::parse(bytes, {}).value());

      const auto reply = flows::parse(bytes, {});  // verifies every checksum
      ASSERT_TRUE(reply) << name(reply.error());
      const Bytes wanted = echo_reply(host, client, 77).payload(payload).build();
      EXPECT_EQ(reply->icmp_type, flows::parse(wanted, {}).value().icmp_type);
      EXPECT_EQ(reply->source.address.to_string(), host);
      EXPECT_EQ(reply->destination.address.to_string(), client);
      EXPECT_EQ(reply->ttl, 64);
      EXPECT_EQ(Bytes(bytes.begin() + reply->transport_offset, bytes.end()),
                Bytes(wanted.begin() + reply->transport_offset, wanted.end()));
    }
  }
}

}  // namespace
}  // namespace nat
