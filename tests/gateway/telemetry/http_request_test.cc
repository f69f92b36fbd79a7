#include "gateway/telemetry/http_request.h"

#include <string>

#include <gtest/gtest.h>

namespace gateway {
namespace {

bool is_read(const std::string& head) {
  return read_http_request(head).has_value();
}

TEST(HttpRequest, HasItsMethodAndItsPathWithoutTheQuery) {
  const std::string head = "GET /metrics?collect=all HTTP/1.1\r\nHost: gw\r\n\r\n";
  const auto request = read_http_request(head);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "GET");
  EXPECT_EQ(request->path, "/metrics");
}

TEST(HttpRequest, TheOlderVersionWillDo) {
  EXPECT_TRUE(is_read("HEAD /health HTTP/1.0\r\n\r\n"));
}

TEST(HttpRequest, WhatIsNoneIsRefused) {
  EXPECT_FALSE(is_read(""));
  EXPECT_FALSE(is_read("GET /metrics HTTP/1.1"));
  EXPECT_FALSE(is_read("GET /metrics\r\n\r\n"));
  EXPECT_FALSE(is_read("GET  HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(is_read("GET metrics HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(is_read("get /metrics HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(is_read(" /metrics HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(is_read("GET /a b HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(is_read("GET /\x1b HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(is_read("GET / HTTP/2\r\n\r\n"));
  EXPECT_FALSE(is_read("\x16\x03\x01 a b\r\n\r\n"));
}

}  // namespace
}  // namespace gateway
