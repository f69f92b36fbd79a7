#include "flows/dns_stream.h"

#include <vector>

#include <gtest/gtest.h>

namespace flows {
namespace {

std::vector<std::byte> bytes_of(const std::vector<int>& values) {
  std::vector<std::byte> bytes;
  for (const int value : values) {
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

TEST(DnsStream, EachMessageHasItsLengthInFront) {
  const auto bytes = bytes_of({0, 2, 7, 8, 0, 0, 0, 3, 9, 9});
  std::span<const std::byte> stream = bytes;
  const auto first = take_dns_message(stream);
  ASSERT_TRUE(first);
  EXPECT_EQ(std::vector(first->begin(), first->end()), bytes_of({7, 8}));
  const auto empty = take_dns_message(stream);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->empty());
  EXPECT_FALSE(take_dns_message(stream)) << "one byte of it has not come yet";
  EXPECT_EQ(stream.size(), 4U) << "and it is left there";
}

TEST(DnsStream, HalfALengthIsNone) {
  const auto bytes = bytes_of({0});
  std::span<const std::byte> stream = bytes;
  EXPECT_FALSE(take_dns_message(stream));
}

}  // namespace
}  // namespace flows
