#include "base/byte_order.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include <gtest/gtest.h>

namespace base {
namespace {

constexpr std::array<std::byte, 9> kBytes = {std::byte{0x01}, std::byte{0x23}, std::byte{0x45},
                                             std::byte{0x67}, std::byte{0x89}, std::byte{0xab},
                                             std::byte{0xcd}, std::byte{0xef}, std::byte{0xff}};

TEST(ByteOrder, LoadsTheMostSignificantByteFirst) {
  EXPECT_EQ(load_be<std::uint8_t>(kBytes, 0), 0x01U);
  EXPECT_EQ(load_be<std::uint16_t>(kBytes, 0), 0x0123U);
  EXPECT_EQ(load_be<std::uint32_t>(kBytes, 0), 0x01234567U);
  EXPECT_EQ(load_be<std::uint64_t>(kBytes, 0), 0x0123456789abcdefU);
}

TEST(ByteOrder, LoadsFromOddOffsets) {
  EXPECT_EQ(load_be<std::uint16_t>(kBytes, 7), 0xefffU);
  EXPECT_EQ(load_be<std::uint64_t>(kBytes, 1), 0x23456789abcdefffU);
}

TEST(ByteOrder, StoreWritesItsOwnBytesOnly) {
  std::array<std::byte, 6> bytes{};

  store_be<std::uint32_t>(bytes, 1, 0xdeadbeefU);

  EXPECT_EQ(load_be<std::uint32_t>(bytes, 1), 0xdeadbeefU);
  EXPECT_EQ(bytes[0], std::byte{0});
  EXPECT_EQ(bytes[1], std::byte{0xde});
  EXPECT_EQ(bytes[5], std::byte{0});
}

TEST(ByteOrderDeathTest, OutsideOfTheBytesAborts) {
  EXPECT_DEATH((void)load_be<std::uint16_t>(kBytes, 8), "CHECK failed");
  std::array<std::byte, 3> bytes{};
  EXPECT_DEATH(store_be<std::uint32_t>(bytes, 0, 1), "CHECK failed");
}

}  // namespace
}  // namespace base
