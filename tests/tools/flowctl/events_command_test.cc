#include "tools/flowctl/events_command.h"

#include <gtest/gtest.h>

namespace flowctl {
namespace {

TEST(EventText, BeginsWithTimeAndEventAndLeavesOutWhatIsNot) {
  EXPECT_EQ(
      event_text(
          R"({"time":"T","event":"flow_end","flow":7,"id":7,"tenant":"acme","name":null,"up":{"packets":2,"bytes":90}})"),
      "T flow_end flow=7 tenant=acme up=2/90");
  EXPECT_EQ(event_text(R"({"time":"T","event":"lost","count":12})"), "T lost count=12");
}

TEST(EventText, CannotWriteToTheTerminal) {
  EXPECT_EQ(event_text("{\"time\":\"T\",\"event\":\"flow_end\",\"tunnel\":\"a\\u001b[2J\"}"),
            "T flow_end tunnel=a?[2J");
  EXPECT_EQ(event_text("\x1b[2J"), "?[2J");
}

}  // namespace
}  // namespace flowctl
