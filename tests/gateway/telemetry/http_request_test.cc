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

TEST(HttpRequest, HasTheHeadersThatWeKnow) {
  const std::string head =
      "GET / HTTP/1.1\r\nhOsT:  127.0.0.1:9464 \r\nAccept: */*\r\nno header\r\n"
      "Authorization: Bearer x y\r\n\r\nHost: not.a.header\r\n";
  const auto request = read_http_request(head);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->host, "127.0.0.1:9464");
  EXPECT_EQ(request->authorization, "Bearer x y");
  EXPECT_EQ(request->accept, "*/*");
}

TEST(HttpRequest, AHeaderThatDecidesMustNotBeThereTwice) {
  EXPECT_FALSE(is_read("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"));
  EXPECT_FALSE(is_read("GET / HTTP/1.1\r\nHost:\r\nHost: evil.example\r\n\r\n"));
  EXPECT_TRUE(is_read("GET / HTTP/1.1\r\nAccept: a\r\nAccept: b\r\n\r\n"));
}

TEST(HttpRequest, AHeaderThatDecidesHasNoControlCharacters) {
  for (const std::string_view value :
       {"gw\r", "gw\nx", "127.0.0.1\r\x01\nX: y", "g\x01w", "gw\x7f"}) {
    EXPECT_FALSE(read_http_request("GET / HTTP/1.1\r\nHost: " + std::string(value) + "\r\n\r\n"));
    EXPECT_FALSE(
        read_http_request("GET / HTTP/1.1\r\nAuthorization: " + std::string(value) + "\r\n\r\n"));
  }
  EXPECT_TRUE(read_http_request("GET / HTTP/1.1\r\nHost:\tgw\t\r\n\r\n"));
}

TEST(HttpRequest, QueryHasValuesByTheirKeys) {
  EXPECT_EQ(query_value("by=rate&limit=50", "limit"), "50");
  EXPECT_EQ(query_value("by=rate&limit=50", "by"), "rate");
  EXPECT_EQ(query_value("by", "by"), "");
  EXPECT_EQ(query_value("xby=1", "by"), std::nullopt);
  EXPECT_EQ(query_value("", "by"), std::nullopt);
}

TEST(HttpRequest, TypesAreWantedAsMuchAsAcceptSays) {
  const std::string accept =
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
      "q=0.75, Text/Plain;version=0.0.4 ; Q=0.5,*/*;q=0.1";
  EXPECT_EQ(wanted_thousandths(accept, "application/openmetrics-text", "1.0.0"), 1000U);
  EXPECT_EQ(wanted_thousandths(accept, "application/openmetrics-text", "0.0.1"), 750U);
  EXPECT_EQ(wanted_thousandths(accept, "application/openmetrics-text", "2.0.0"), 0U);
  EXPECT_EQ(wanted_thousandths(accept, "text/plain", "0.0.4"), 500U);
  EXPECT_EQ(wanted_thousandths(accept, "*/*"), 100U);
  EXPECT_EQ(wanted_thousandths(accept, "application/json"), 0U);
  EXPECT_EQ(wanted_thousandths("", "*/*"), 0U);
}

TEST(HttpRequest, QualityThatIsNoneIsNotWanted) {
  for (const char* q : {"2", "0.1234", "x", "", "0x1", ".5", "-1"}) {
    EXPECT_EQ(wanted_thousandths("a/b;q=" + std::string(q), "a/b"), 0U) << q;
  }
  EXPECT_EQ(wanted_thousandths("a/b;q=1.000", "a/b"), 1000U);
  EXPECT_EQ(wanted_thousandths("a/b;q=1.9", "a/b"), 1000U);
  EXPECT_EQ(wanted_thousandths("a/b;q=0.125;x=y", "a/b"), 125U);
}

TEST(HttpRequest, OnlyAddressesAndLocalhostAreAddresses) {
  for (const char* host : {"127.0.0.1", "127.0.0.1:9464", "[::1]", "[::1]:9464", "10.1.2.3:80",
                           "localhost", "LOCALHOST:9464"}) {
    EXPECT_TRUE(is_host_an_address(host)) << host;
  }
  for (const char* host : {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example",
                           "[::1", "[::1]evil.example", "[evil.example]", "::1", "1"}) {
    EXPECT_FALSE(is_host_an_address(host)) << host;
  }
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
