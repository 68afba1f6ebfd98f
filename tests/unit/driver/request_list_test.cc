#include "services/driver/core/request_list.h"

#include <gmock/gmock.h>

namespace ev::driver {
namespace {

Conclusion Completed() {
  return Ticket{.end_reason = EndReason::kVehicleFull};
}
Conclusion Faulted() {
  return Ticket{.end_reason = EndReason::kFault};
}
Conclusion Denied() {
  return Denial{.reason = "POINT_BUSY", .text = ""};
}
Conclusion TimedOut() {
  return std::string("no conclusion");
}

class RequestListTest : public ::testing::Test {
 protected:
  RequestList list_{RequestList::Plan{.cps = {CpId("a"), CpId("b"), CpId("c"), CpId("d")}, .limit = absl::Seconds(60)}};
  absl::Duration now_ = absl::Hours(3);
};

// B17
TEST_F(RequestListTest, TheNextRequestIsTakenFourSecondsAfterAnyConclusion) {
  const Conclusion conclusions[] = {Denied(), Faulted(), TimedOut(), Completed()};
  const char* const names[] = {"a", "b", "c", "d"};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(list_.TakeNext(now_), CpId(names[i]));
    EXPECT_EQ(list_.TakeNext(now_ + absl::Seconds(50)), std::nullopt) << "one at a time";
    now_ += absl::Seconds(7);
    list_.Conclude(now_, conclusions[i]);
    EXPECT_EQ(list_.TakeNext(now_ + absl::Seconds(4) - absl::Nanoseconds(1)), std::nullopt);
    now_ += absl::Seconds(4);
  }
  EXPECT_EQ(list_.TakeNext(now_), std::nullopt);
  EXPECT_TRUE(list_.is_done());
  EXPECT_FALSE(list_.was_cut());
  EXPECT_EQ(list_.progress(),
            (ListProgress{.index = 3, .total = 4, .cp = CpId("d"), .completed = 1, .denied = 1, .failed = 2}));
}

TEST_F(RequestListTest, AChargeIsOverdueWhenItsLimitHasPassed) {
  EXPECT_FALSE(list_.IsOverdue(now_ + absl::Hours(1)));
  list_.TakeNext(now_);
  EXPECT_FALSE(list_.IsOverdue(now_ + absl::Seconds(59)));
  EXPECT_TRUE(list_.IsOverdue(now_ + absl::Seconds(60)));
  EXPECT_FALSE(RequestList({.cps = {CpId("a")}}).IsOverdue(now_));
}

TEST_F(RequestListTest, ACancelledListIsDoneWithTheChargeAtHand) {
  list_.TakeNext(now_);
  list_.Cancel();
  EXPECT_FALSE(list_.is_done());
  list_.Conclude(now_, Completed());
  EXPECT_TRUE(list_.is_done());
  EXPECT_TRUE(list_.was_cut());
  EXPECT_EQ(list_.TakeNext(now_ + absl::Hours(1)), std::nullopt);
}

TEST_F(RequestListTest, AListCancelledInItsPauseIsDoneAtOnce) {
  list_.TakeNext(now_);
  list_.Conclude(now_, Completed());
  EXPECT_FALSE(list_.is_done());
  list_.Cancel();
  EXPECT_TRUE(list_.is_done());
}

}  // namespace
}  // namespace ev::driver
