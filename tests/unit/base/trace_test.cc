#include "base/trace.h"

#include <gtest/gtest.h>

#include <string>

namespace ev {
namespace {

const std::string kId = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kParent = "00f067aa0ba902b7";

std::string IdIn(const std::string& traceparent) {
  return TraceIdText(ParseTraceparent(traceparent));
}

// B221
TEST(TraceTest, WhatTheSpecificationAllowsIsRead) {
  EXPECT_EQ(IdIn("00-" + kId + "-" + kParent + "-01"), kId);
  EXPECT_EQ(IdIn("00-" + kId + "-" + kParent + "-00"), kId);
  // Of a version that is not known yet, only what every version begins with.
  EXPECT_EQ(IdIn("01-" + kId + "-" + kParent + "-01"), kId);
  EXPECT_EQ(IdIn("fe-" + kId + "-" + kParent + "-01-and.more"), kId);
}

// B221
TEST(TraceTest, WhatTheSpecificationForbidsIsNoTrace) {
  const std::string zeros(32, '0');
  for (const std::string& text :
       {std::string(), std::string("garbage"), std::string(4000, 'a'), "00-" + kId + "-" + kParent + "-0",
        "00-" + kId + "-" + kParent + "-01-more", "00-" + kId + "-" + kParent + "-01 ",
        "01-" + kId + "-" + kParent + "-01.more", "ff-" + kId + "-" + kParent + "-01",
        "0G-" + kId + "-" + kParent + "-01", "00-" + zeros + "-" + kParent + "-01",
        "00-" + kId + "-0000000000000000-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kParent + "-01",
        "00-" + kId + "-00F067AA0BA902B7-01", "00-" + kId + "-" + kParent + "-0G", "00_" + kId + "-" + kParent + "-01",
        "00-" + kId + "_" + kParent + "-01", "00-" + kId + "-" + kParent + "_01"}) {
    EXPECT_TRUE(ParseTraceparent(text).empty()) << text;
    EXPECT_FALSE(ParseTraceparent(text).sampled) << text;
  }
}

// B221
TEST(TraceTest, OfTheFlagsOnlySampledIsPassedOnAndTheParentIsWhatIsDoneHere) {
  const auto passed_on = [](const std::string& flags) {
    return Traceparent(ParseTraceparent("00-" + kId + "-" + kParent + "-" + flags),
                       std::string(16, 'a') + "00000000000000b7");
  };
  EXPECT_EQ(passed_on("01"), "00-" + kId + "-00000000000000b7-01");
  EXPECT_EQ(passed_on("ff"), "00-" + kId + "-00000000000000b7-01");
  EXPECT_EQ(passed_on("00"), "00-" + kId + "-00000000000000b7-00");
  EXPECT_EQ(passed_on("fe"), "00-" + kId + "-00000000000000b7-00");
}

TEST(TraceTest, WithoutATraceThereIsNothingToPassOn) {
  EXPECT_EQ(Traceparent({}, kId), "");
  EXPECT_EQ(TraceIdText({}), "");
  EXPECT_TRUE(TraceOfId("").empty());
  EXPECT_TRUE(TraceOfId(kId + "0").empty());
  EXPECT_TRUE(TraceOfId(std::string(32, 'x')).empty());
}

TEST(TraceTest, ANewTraceCanBeReadBack) {
  RandomIdSource ids(1);
  const Trace trace = NewTrace(ids);
  EXPECT_FALSE(trace.empty());
  EXPECT_FALSE(trace.sampled);
  EXPECT_NE(trace, NewTrace(ids));
  EXPECT_EQ(ParseTraceparent(Traceparent(trace, ids.NewRandomHex())), trace);
  EXPECT_EQ(TraceOfId(TraceIdText(trace)), trace);
}

}  // namespace
}  // namespace ev
