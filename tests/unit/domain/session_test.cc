#include "domain/session.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <set>
#include <vector>

#include "tests/support/status_matchers.h"

namespace ev {
namespace {

using enum SessionState;
using ::testing::HasSubstr;

std::set<SessionState> From(SessionState from) {
  std::set<SessionState> reached;
  for (int i = 1; i <= kSessionStates; ++i) {
    if (CanMove(from, static_cast<SessionState>(i))) reached.insert(static_cast<SessionState>(i));
  }
  return reached;
}

using States = std::set<SessionState>;

// B92 B119
TEST(SessionTest, TheTableOfStatesIsThisOne) {
  EXPECT_EQ(From(kRequested),
            (States{kUnconfirmed, kGranted, kCharging, kAwaitingFinal, kCompleted, kDenied, kExpired}));
  EXPECT_EQ(From(kUnconfirmed), (States{kGranted, kCharging, kAwaitingFinal, kCompleted, kDenied, kExpired}));
  EXPECT_EQ(From(kGranted), (States{kCharging, kAwaitingFinal, kCompleted, kExpired}));
  EXPECT_EQ(From(kCharging), (States{kAwaitingFinal, kCompleted}));
  EXPECT_EQ(From(kAwaitingFinal), (States{kCompleted}));
  EXPECT_EQ(From(kCompleted), States{});
  EXPECT_EQ(From(kDenied), (States{kCompleted}));
  EXPECT_EQ(From(kExpired), (States{kCompleted}));
}

TEST(SessionTest, WhatHoldsAPointIsOpenAndOnlyTheAwaitedFinalIsOpenWithoutHolding) {
  for (int i = 1; i <= kSessionStates; ++i) {
    const auto state = static_cast<SessionState>(i);
    EXPECT_EQ(HoldsPoint(state), States({kRequested, kUnconfirmed, kGranted, kCharging}).count(state) == 1);
    EXPECT_EQ(IsOpen(state), HoldsPoint(state) || state == kAwaitingFinal);
    // What is closed is never opened again.
    if (!IsOpen(state)) {
      for (SessionState to : From(state)) EXPECT_FALSE(IsOpen(to));
    }
  }
}

TEST(SessionTest, TheOpenStatesAreThoseThatAreOpen) {
  EXPECT_EQ(OpenStates(), (std::vector{kRequested, kUnconfirmed, kGranted, kCharging, kAwaitingFinal}));
}

TEST(SessionTest, ADenialHasTheCodeOfTheContract) {
  EXPECT_EQ(CodeOf(DenialReason::kPointUnknown), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(DenialReason::kJournalFull), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(DenialReason::kOverloaded), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(DenialReason::kCentralUnreachable), absl::StatusCode::kUnavailable);
  for (DenialReason reason : {DenialReason::kPointBusy, DenialReason::kMonitorMissing, DenialReason::kCancelled}) {
    EXPECT_EQ(CodeOf(reason), absl::StatusCode::kFailedPrecondition) << Name(reason);
  }
}

TEST(SessionTest, EveryNameIsItsOwn) {
  std::set<absl::string_view> states, ends, denials;
  for (int i = 1; i <= kSessionStates; ++i) states.insert(Name(static_cast<SessionState>(i)));
  for (int i = 0; i <= 10; ++i) ends.insert(Name(static_cast<EndReason>(i)));
  for (int i = 0; i <= 13; ++i) denials.insert(Name(static_cast<DenialReason>(i)));
  EXPECT_EQ(states.size(), 8u);
  EXPECT_EQ(ends.size(), 11u);
  EXPECT_EQ(denials.size(), 14u);
  for (const auto* names : {&states, &ends, &denials}) EXPECT_EQ(names->count("UNKNOWN"), 0u);
}

// B160
TEST(SessionTest, ATargetIsPositiveAndWithinTheLimits) {
  EXPECT_THAT(CheckTarget({}), IsOk());
  EXPECT_THAT(CheckTarget(EnergyTarget{1}), IsOk());
  EXPECT_THAT(CheckTarget(EnergyTarget{kMaxSessionEnergyMwh}), IsOk());
  EXPECT_THAT(CheckTarget(AmountTarget{kMaxAmountMicros}), IsOk());
  EXPECT_THAT(CheckTarget(DurationTarget{absl::Hours(7 * 24)}), IsOk());
  const std::initializer_list<Target> nonsense = {
      EnergyTarget{0},
      EnergyTarget{-1},
      AmountTarget{0},
      EnergyTarget{kMaxSessionEnergyMwh + 1},
      AmountTarget{-5},
      AmountTarget{kMaxAmountMicros + 1},
      DurationTarget{},
      DurationTarget{absl::Hours(7 * 24) + absl::Milliseconds(1)},
      DurationTarget{-absl::Seconds(1)},
      DurationTarget{absl::InfiniteDuration()},
  };
  for (const Target& target : nonsense) {
    EXPECT_THAT(CheckTarget(target), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target")));
  }
}

}  // namespace
}  // namespace ev
