// Requests and stops: sent, repeated, answered.

#include "tests/unit/driver/drivers_test_base.h"

namespace ev::driver {
namespace {

using DriversCallsTest = DriversTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const absl::Status kOverloaded =
    WithRetryAfter(WithReason(absl::ResourceExhaustedError("too much waits"), "OVERLOADED"), absl::Seconds(1));

TEST_F(DriversCallsTest, BeforeItsFirstAnswerCentralIsNeitherReachedNorLost) {
  EXPECT_FALSE(core_.central().is_known);
  EXPECT_EQ(core_.central().error, "central has not answered yet");
}

TEST_F(DriversCallsTest, ARequestIsSentAgainWithTheSameIdUntilCentralAnswers) {
  Connect();
  const CallId call = Start();
  std::vector<std::string> ids;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto sent = Drain<SendStart>();
    ASSERT_THAT(sent, SizeIs(1)) << attempt;
    ids.push_back(sent[0].request_id);
    core_.OnAnswer(Now(), call, attempt % 2 == 0 ? kRefused : absl::DeadlineExceededError("slow"), out_);
    EXPECT_THAT(Drain<Answered>(), IsEmpty());
    Pass(absl::Seconds(5));
  }
  EXPECT_THAT(ids, ::testing::Each(ids[0]));
  EXPECT_THAT(ids[0], SizeIs(32));
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 1), out_);
  const auto answered = Drain<Answered>();
  ASSERT_THAT(answered, SizeIs(1));
  EXPECT_EQ(answered[0].call, call);
  EV_EXPECT_OK(answered[0].result);
  Drain<SendStart>();
  Pass(absl::Minutes(1));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
}

TEST_F(DriversCallsTest, WhatBreaksBelowCentralIsNoAnswerAndWhatCentralSaysIsOne) {
  Connect();
  for (const absl::StatusCode code :
       {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kCancelled,
        absl::StatusCode::kAborted, absl::StatusCode::kInternal, absl::StatusCode::kUnknown}) {
    core_.OnAnswer(Now(), Start(), absl::Status(code, "broken"), out_);
    EXPECT_THAT(Drain<Answered>(), IsEmpty()) << code;
  }
  for (const absl::StatusCode code :
       {absl::StatusCode::kInternal, absl::StatusCode::kUnimplemented, absl::StatusCode::kUnauthenticated}) {
    core_.OnAnswer(Now(), Start(), WithReason(absl::Status(code, "no"), "SAID"), out_);
    EXPECT_THAT(Drain<Answered>(), SizeIs(1)) << code;
  }
}

TEST_F(DriversCallsTest, TwoRequestsHaveTwoIds) {
  Connect();
  Start();
  Start();
  const auto sent = Drain<SendStart>();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_NE(sent[0].request_id, sent[1].request_id);
}

TEST_F(DriversCallsTest, AttemptsSayHowLongTheRequestHasWaited) {
  Connect();
  const CallId call = Start();
  EXPECT_EQ(Drain<SendStart>()[0].waited, absl::ZeroDuration());
  now_ += absl::Seconds(3);
  core_.OnAnswer(Now(), call, kRefused, out_);
  Pass(absl::Seconds(1));
  const auto again = Drain<SendStart>();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_GE(again[0].waited, absl::Seconds(3));
  EXPECT_LE(again[0].waited, absl::Seconds(4));
}

// B56
TEST_F(DriversCallsTest, AttemptsGrowRarerUpToALimit) {
  Connect();
  const CallId call = Start();
  const auto pauses = Pauses<SendStart>(20, [&](const SendStart&) { core_.OnAnswer(Now(), call, kRefused, out_); });
  EXPECT_THAT(pauses, FromShortToLong());
}

TEST_F(DriversCallsTest, AWaitThatCentralAsksForIsKept) {
  Connect();
  const CallId call = Start();
  Drain<SendStart>();
  core_.OnAnswer(Now(), call, WithRetryAfter(WithReason(kRefused, "STARTING"), absl::Seconds(8)), out_);
  Pass(absl::Milliseconds(7900));
  EXPECT_THAT(Drain<SendStart>(), IsEmpty());
  Pass(absl::Milliseconds(200));
  EXPECT_THAT(Drain<SendStart>(), SizeIs(1));
}

// B165
TEST_F(DriversCallsTest, AnOverloadedCentralIsAskedAgainWithTheSameIdAndTheDriverIsToldOnce) {
  Connect();
  const CallId call = Start();
  const auto first = Drain<SendStart>();
  for (int refused = 0; refused < 4; ++refused) {
    core_.OnAnswer(Now(), call, kOverloaded, out_);
    Pass(absl::Milliseconds(900));
    EXPECT_THAT(Drain<SendStart>(), IsEmpty()) << "Central asked for a second";
    Pass(absl::Seconds(1));
    const auto again = Drain<SendStart>();
    ASSERT_THAT(again, SizeIs(1)) << refused;
    EXPECT_EQ(again[0].request_id, first[0].request_id);
  }
  EXPECT_THAT(Drain<Answered>(), IsEmpty());
  EXPECT_THAT(ToldNotices(), ElementsAre("central is overloaded; asking again in 1 s"));
  EXPECT_TRUE(core_.central().is_reachable);
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 1), out_);
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
}

// B165
TEST_F(DriversCallsTest, AnOverloadThatOutlastsTheRequestIsItsAnswer) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  const absl::Duration made = now_;
  while (now_ - made < absl::Minutes(1)) {
    if (!Drain<SendStart>().empty()) core_.OnAnswer(Now(), call, kOverloaded, out_);
    if (const auto answered = Drain<Answered>(); !answered.empty()) {
      EXPECT_EQ(DetailOf(answered[0].result.status()).reason, "OVERLOADED");
      break;
    }
    Pass(absl::Milliseconds(100));
  }
  EXPECT_GT(now_ - made, absl::Seconds(5));
  EXPECT_LE(now_ - made, absl::Seconds(10));
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_EQ(std::get<Denial>(concluded[0].conclusion).reason, "OVERLOADED");
}

// B165
TEST_F(DriversCallsTest, AfterAnAttemptThatMayHaveBeenDoneAnOverloadIsNoAnswer) {
  Connect();
  const CallId call = Start();
  Drain<SendStart>();
  core_.OnAnswer(Now(), call, absl::DeadlineExceededError("slow"), out_);
  Pass(absl::Minutes(1));
  ASSERT_THAT(Drain<SendStart>(), SizeIs(1));
  core_.OnAnswer(Now(), call, kOverloaded, out_);
  EXPECT_THAT(Drain<Answered>(), IsEmpty());
  Pass(absl::Seconds(10));
  EXPECT_THAT(Drain<SendStart>(), SizeIs(1));
}

TEST_F(DriversCallsTest, WhoGivesUpOnAnOverloadedCentralIsToldThatItIsOverloaded) {
  Connect();
  const auto call = core_.Start(Now(), {.driver = kDriver, .cp = kPoint, .give_up = now_ + absl::Seconds(1)}, out_);
  EV_ASSERT_OK(call);
  Pass(absl::Milliseconds(500));
  core_.OnAnswer(Now(), *call, kOverloaded, out_);
  Pass(absl::Seconds(1));
  const auto answered = Drain<Answered>();
  ASSERT_THAT(answered, SizeIs(1));
  EXPECT_EQ(DetailOf(answered[0].result.status()).reason, "OVERLOADED");
}

TEST_F(DriversCallsTest, AnOverloadWithoutAWaitIsADenial) {
  Connect();
  core_.OnAnswer(Now(), Start(), WithReason(absl::ResourceExhaustedError("the point is"), "OVERLOADED"), out_);
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
}

TEST_F(DriversCallsTest, AStopThatAnOverloadedCentralRefusesIsAskedAgain) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  const auto call = core_.Stop(Now(), {.driver = kDriver}, out_);
  EV_ASSERT_OK(call);
  const auto first = Drain<SendStop>();
  core_.OnAnswer(Now(), *call, kOverloaded, out_);
  Pass(absl::Seconds(2));
  const auto again = Drain<SendStop>();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].request_id, first[0].request_id);
}

TEST_F(DriversCallsTest, ADenialIsAnsweredAndToldOnceWithItsReason) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, Refusal("POINT_BUSY"), out_);
  const auto told = Drain<Told>();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(std::get<DenialTold>(told[0].event).denial.reason, "POINT_BUSY");
  EXPECT_EQ(std::get<DenialTold>(told[0].event).cp, kPoint);
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_EQ(std::get<Denial>(concluded[0].conclusion).reason, "POINT_BUSY");
}

TEST_F(DriversCallsTest, ADenialThatMadeASessionIsNewsOnceWhicheverWayItComesFirst) {
  Connect();
  core_.OnAnswer(Now(), Start(), Refusal("POINT_BUSY", 1), out_);
  News(Session(1, SessionState::kDenied, 1));
  News(Session(2, SessionState::kDenied, 1));
  core_.OnAnswer(Now(), Start(), Refusal("POINT_BUSY", 2), out_);
  const auto told = Drain<Told>();
  ASSERT_THAT(told, SizeIs(4));
  EXPECT_TRUE(told[0].is_news);
  EXPECT_FALSE(told[1].is_news);
  EXPECT_TRUE(told[2].is_news);
  EXPECT_FALSE(told[3].is_news);
}

TEST_F(DriversCallsTest, ACallThatGivesUpSaysThatCentralCannotBeReached) {
  Connect();
  const auto call = core_.Start(Now(), {.driver = kDriver, .cp = kPoint, .give_up = now_ + absl::Seconds(10)}, out_);
  EV_ASSERT_OK(call);
  core_.OnAnswer(Now(), *call, kRefused, out_);
  Pass(absl::Seconds(9));
  EXPECT_THAT(Drain<Answered>(), IsEmpty());
  Pass(absl::Seconds(2));
  const auto answered = Drain<Answered>();
  ASSERT_THAT(answered, SizeIs(1));
  EXPECT_THAT(answered[0].result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(DetailOf(answered[0].result.status()).reason, "CENTRAL_UNREACHABLE");
  Drain<Told>();
  // What it brings later is no answer any more, but it is seen.
  core_.OnAnswer(Now(), *call, Session(1, SessionState::kGranted, 1), out_);
  EXPECT_THAT(Drain<Answered>(), IsEmpty());
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kGranted));
}

TEST_F(DriversCallsTest, ABadRequestIsAnswered) {
  Connect();
  core_.OnAnswer(Now(), Start(/*to_the_end=*/true), FieldError("target.energy_mwh", "is negative"), out_);
  EXPECT_THAT(Drain<Told>(), IsEmpty());
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_THAT(std::get<std::string>(concluded[0].conclusion), HasSubstr("is negative"));
}

// B122
TEST_F(DriversCallsTest, CallsAndDriversAreBounded) {
  Drivers small(DriversConfig{.max_drivers = 1, .max_calls = 1}, ids_);
  EV_EXPECT_OK(small.Start(Now(), {.driver = kDriver, .cp = kPoint}, out_));
  EXPECT_THAT(small.Start(Now(), {.driver = kDriver, .cp = kPoint}, out_),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(DetailOf(small.Follow(Now(), DriverId("other"), out_)).reason, "TOO_MANY_DRIVERS");
}

// --- stop ---

TEST_F(DriversCallsTest, AStopFindsTheOnlyOpenSession) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  News(Session(2, SessionState::kAwaitingFinal, 1));
  EV_ASSERT_OK(core_.Stop(Now(), {.driver = kDriver}, out_));
  const auto sent = Drain<SendStop>();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].session, Id(1));
  EXPECT_EQ(sent[0].driver, kDriver);
}

// B134
TEST_F(DriversCallsTest, AStopWithSeveralOpenSessionsNamesThem) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  Charge other = Session(2, SessionState::kGranted, 1);
  other.cp = CpId("cp_002");
  News(other);
  const auto result = core_.Stop(Now(), {.driver = kDriver}, out_);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(DetailOf(result.status()).reason, "SEVERAL_OPEN_SESSIONS");
  EXPECT_EQ(DetailOf(result.status()).metadata.at("session_ids"), Id(1).value() + "," + Id(2).value());
  EV_EXPECT_OK(core_.Stop(Now(), {.driver = kDriver, .cp = CpId("cp_002")}, out_));
  EXPECT_EQ(Drain<SendStop>().at(0).session, Id(2));
}

TEST_F(DriversCallsTest, AStopWithoutAnOpenSessionIsNotFound) {
  Connect();
  EXPECT_EQ(DetailOf(core_.Stop(Now(), {.driver = kDriver}, out_).status()).reason, "NO_OPEN_SESSION");
  EXPECT_THAT(Drain<SendStop>(), IsEmpty());
}

TEST_F(DriversCallsTest, AStopBeforeCentralHasToldWhatIsOpenIsNoClaimThatNothingIs) {
  EV_ASSERT_OK(core_.Follow(Now(), kDriver, out_));
  const auto result = core_.Stop(Now(), {.driver = kDriver}, out_);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(DetailOf(result.status()).reason, "CENTRAL_UNREACHABLE");
}

TEST_F(DriversCallsTest, AStopThatIsKeptForADisconnectedPointIsAnAnswer) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  const auto call = core_.Stop(Now(), {.driver = kDriver}, out_);
  EV_ASSERT_OK(call);
  core_.OnAnswer(Now(), *call, WithReason(kRefused, "POINT_DISCONNECTED"), out_);
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
}

// B220
TEST_F(DriversCallsTest, EachAttemptOfACallIsInItsTraceAndOneWithoutBeginsOne) {
  Connect();
  const Trace trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736");
  EV_ASSERT_OK(core_.Start(Now(), {.driver = kDriver, .cp = kPoint, .trace = trace}, out_));
  const auto first = Drain<SendStart>();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].trace, trace);
  core_.OnAnswer(Now(), first[0].call, kRefused, out_);
  Pass(absl::Seconds(1));
  const auto second = Drain<SendStart>();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(second[0].trace, trace);

  Start();
  const auto begun = Drain<SendStart>();
  ASSERT_THAT(begun, SizeIs(1));
  EXPECT_FALSE(begun[0].trace.empty());
  EXPECT_NE(begun[0].trace, trace);
}

// B220
TEST_F(DriversCallsTest, ADenialIsToldInTheTraceOfItsRequest) {
  Connect();
  const Trace trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736");
  EV_ASSERT_OK(core_.Start(Now(), {.driver = kDriver, .cp = kPoint, .trace = trace}, out_));
  core_.OnAnswer(Now(), Drain<SendStart>().at(0).call, Refusal("POINT_BUSY"), out_);
  const auto told = Drain<Told>();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(std::get<DenialTold>(told[0].event).trace, trace);
}

}  // namespace
}  // namespace ev::driver
