#include "domain/charging_point.h"

#include <gtest/gtest.h>

#include <set>

namespace ev {
namespace {

OutOfService By(Cause cause, const char* who) {
  return {.cause = cause, .who = who, .reason = "", .since = absl::FromUnixSeconds(1)};
}

// B30
TEST(ChargingPointTest, APointIsAvailableOnlyWhenNothingSpeaksAgainstIt) {
  int available = 0;
  for (int bits = 0; bits < 32; ++bits) {
    const PointConditions c{.link_fresh = (bits & 1) != 0,
                            .engine_healthy = (bits & 2) != 0,
                            .out_of_service = (bits & 4) != 0,
                            .reserved = (bits & 8) != 0,
                            .charging = (bits & 16) != 0};
    const bool is_available = ShownState(c) == PointState::kAvailable;
    EXPECT_EQ(is_available, c.link_fresh && c.engine_healthy && !c.out_of_service && !c.reserved && !c.charging);
    available += is_available ? 1 : 0;
  }
  EXPECT_EQ(available, 1);
}

// B30 B31 B32 B34 B35
TEST(ChargingPointTest, WhatMakesTheRestUnknowableComesFirst) {
  PointConditions c{
      .link_fresh = false, .engine_healthy = false, .out_of_service = true, .reserved = true, .charging = true};
  EXPECT_EQ(ShownState(c), PointState::kDisconnected);
  c.link_fresh = true;
  EXPECT_EQ(ShownState(c), PointState::kFaulted);
  c.engine_healthy = true;
  EXPECT_EQ(ShownState(c), PointState::kCharging);
  c.charging = false;
  EXPECT_EQ(ShownState(c), PointState::kStopped);
  c.out_of_service = false;
  EXPECT_EQ(ShownState(c), PointState::kReserved);
  c.reserved = false;
  EXPECT_EQ(ShownState(c), PointState::kAvailable);
}

// B33
TEST(ChargingPointTest, ACauseIsSetOnceAndKeepsWhoSetItFirst) {
  std::vector<OutOfService> causes;
  EXPECT_TRUE(SetCause(causes, By(Cause::kOperator, "ana")));
  EXPECT_FALSE(SetCause(causes, By(Cause::kOperator, "bob")));
  EXPECT_TRUE(SetCause(causes, By(Cause::kWeather, "storm")));
  ASSERT_EQ(causes.size(), 2u);
  EXPECT_EQ(causes[0].who, "ana");
}

// B33
TEST(ChargingPointTest, ClearingOneCauseLeavesTheOthers) {
  std::vector<OutOfService> causes{By(Cause::kOperator, "ana"), By(Cause::kWeather, "storm")};
  EXPECT_TRUE(ClearCause(causes, Cause::kOperator));
  EXPECT_FALSE(ClearCause(causes, Cause::kOperator));
  ASSERT_EQ(causes.size(), 1u);
  EXPECT_EQ(causes[0].cause, Cause::kWeather);
}

TEST(ChargingPointTest, EveryStateHasItsOwnName) {
  std::set<absl::string_view> names;
  for (int i = 1; i <= kPointStates; ++i) names.insert(Name(static_cast<PointState>(i)));
  EXPECT_EQ(names.size(), 6u);
  EXPECT_EQ(names.count("UNKNOWN"), 0u);
}

}  // namespace
}  // namespace ev
