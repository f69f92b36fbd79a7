#include "gateway/run/ignored_settings.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/config/config_loader.h"

namespace gateway {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> ignored(const std::string& text) {
  const auto loaded = load_config(text, "gw.yaml");
  EXPECT_TRUE(loaded) << loaded.error().front().to_string();
  return loaded ? ignored_by_run(*loaded) : std::vector<std::string>{};
}

TEST(IgnoredSettings, AreNoneOfWhatARunHeeds) {
  EXPECT_THAT(ignored("rules: [{name: all, action: upgrade}]\n"
                      "audit: {path: /tmp/flows.jsonl}\n"
                      "log: {level: error}\n"
                      "control: {path: /tmp/mine.sock}\n"
                      "onramps: []\n"),
              IsEmpty());
  EXPECT_THAT(ignored("{}"), IsEmpty());
}

TEST(IgnoredSettings, AreWhatOnlyADaemonHas) {
  EXPECT_THAT(ignored("onramps: [{seqpacket: {path: /tmp/onramp.sock}}]\n"
                      "tenants: [{name: acme, id: 1}, {name: umbrella, id: 2}]\n"
                      "telemetry: {listen: '127.0.0.1:9464'}\n"
                      "log: {level: debug}\n"),
              ElementsAre("onramps", "tenants but the first", "telemetry.listen",
                          "log.level (only warnings and errors are written)"));
}

}  // namespace
}  // namespace gateway
