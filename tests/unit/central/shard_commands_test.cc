// What is asked of a charging point, and what its answer, or the lack of one, means.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardCommandsTest = ShardTest;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// --- unconfirmed -----------------------------------------------------------------------------------------------------

// B6 B75
TEST_F(ShardCommandsTest, AnAnswerThatDidNotComeIsNotADenial) {
  Online();
  const CallId call = Start();
  Advance(absl::Seconds(1));
  Beat(Idle(0));
  Advance(absl::Seconds(2));
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kUnconfirmed);
  Beat(Idle(0));
  EXPECT_EQ(StateOf(), PointState::kReserved);
  EXPECT_EQ(DenialOf(Start(DriverId("b"))), DenialReason::kPointBusy);
}

// B75
TEST_F(ShardCommandsTest, AnEngineThatDidNotAnswerItsMonitorLeavesTheSessionUnconfirmed) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kUnconfirmed);
}

// B75
TEST_F(ShardCommandsTest, AnAnswerThatComesLateStillCounts) {
  Online();
  const CallId call = Start();
  const Command prepare = TheCommand();
  for (int i = 0; i < 20; ++i) {
    Advance(absl::Seconds(1));
    Beat(Idle(0));
  }
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kUnconfirmed);
  Answer(prepare, Verdict::kGranted, 1);
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kGranted);
}

// B75
TEST_F(ShardCommandsTest, AStartFactConfirms) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  const auto session = ReplyTo<Session>(call);
  Feed({StartOf(session)});
  EXPECT_EQ(Get(session.id).state, SessionState::kCharging);
}

// B75
TEST_F(ShardCommandsTest, ABeatThatShowsTheSessionConfirms) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  const auto session = ReplyTo<Session>(call);
  Beat(Busy(session, Phase::kGranted));
  EXPECT_EQ(Get(session.id).state, SessionState::kGranted);
}

// B75 B77
TEST_F(ShardCommandsTest, ABeatWithTheMarkAndWithoutTheSessionDenies) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  const auto session = ReplyTo<Session>(call);
  Beat(Idle(0));
  EXPECT_EQ(Get(session.id).state, SessionState::kUnconfirmed);
  Beat(Idle(1));
  EXPECT_EQ(Get(session.id).state, SessionState::kDenied);
  EXPECT_EQ(Get(session.id).denial, DenialReason::kNotDelivered);
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B75
TEST_F(ShardCommandsTest, ABeatThatListsItsFactsMakesItAwaitThem) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  const auto session = ReplyTo<Session>(call);
  Beat(Ended(session));
  EXPECT_EQ(Get(session.id).state, SessionState::kAwaitingFinal);
}

// B75
TEST_F(ShardCommandsTest, ATruncatedListDeniesAndExpiresNothing) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  EngineReport report = Idle(1);
  report.unsettled_total = 65;
  Beat(report);
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kUnconfirmed);
  Advance(absl::Seconds(2));
  EXPECT_THAT(Said<CancelGrant>(), IsEmpty());  // The mark has passed it: there is nothing to cancel.
}

// B76
TEST_F(ShardCommandsTest, TheCancelOfAnUnconfirmedGrantIsRepeatedOnceASecondWhileTheMarkIsBelowIt) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  const auto session = ReplyTo<Session>(call);
  int cancels = 0;
  for (int i = 0; i < 5; ++i) {
    Beat(Idle(0));
    Advance(absl::Seconds(1));
    for (const CancelGrant& cancel : Said<CancelGrant>()) {
      ++cancels;
      EXPECT_EQ(cancel.number, session.number);
      EXPECT_EQ(cancel.session, session.id);
    }
  }
  EXPECT_EQ(cancels, 5);
  Beat(Idle(1));
  Advance(absl::Seconds(2));
  EXPECT_THAT(Said<CancelGrant>(), IsEmpty());
}

// B76
TEST_F(ShardCommandsTest, NothingIsRepeatedOnALinkThatIsSilent) {
  Online();
  Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  Advance(absl::Seconds(3));
  Advance(absl::Seconds(5));
  EXPECT_THAT(Said<CancelGrant>(), IsEmpty());
}

// B76
TEST_F(ShardCommandsTest, ACancelThatFindsTheGrantUnusedDenies) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  Advance(absl::Seconds(1));
  Answer(TheCommand(), Verdict::kCancelled, 1);
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kDenied);
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).denial, DenialReason::kNotDelivered);
  Start();
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B76
TEST_F(ShardCommandsTest, ACancelThatFindsTheSessionRunningStopsNothing) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  Advance(absl::Seconds(1));
  Answer(TheCommand(), Verdict::kRunning, 1);
  EXPECT_THAT(Said<Command>(), IsEmpty());
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kCharging);
  Beat(Busy(ReplyTo<Session>(call), Phase::kCharging));
  Advance(absl::Seconds(2));
  EXPECT_THAT(Said<Command>(), IsEmpty());
}

// B76
TEST_F(ShardCommandsTest, ACancelThatFindsTheSessionEndedAwaitsItsFinal) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  Advance(absl::Seconds(1));
  Answer(TheCommand(), Verdict::kEnded, 1);
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kAwaitingFinal);
}

// B80
TEST_F(ShardCommandsTest, AStartThatCouldNotBeDeliveredIsDeniedAndThePointIsFreeAgain) {
  Online();
  const CallId call = Start();
  const Command prepare = TheCommand();
  Run([&](Effects& out) { shard().OnUndelivered(now_, kCp, EpochOf(), prepare, out); });
  EXPECT_EQ(DenialOf(call), DenialReason::kPointDisconnected);
  EXPECT_EQ(Get(ReplyTo<Failure>(call).session).state, SessionState::kDenied);
  // The link may live on: the mark is raised by a cancel then.
  Advance(absl::Seconds(1));
  Answer(TheCommand(), Verdict::kCancelled, 1);
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  Start();
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B80
TEST_F(ShardCommandsTest, AStartThatTheEngineHasNeverSeenForCertainIsDenied) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kNotSent, 0);
  EXPECT_EQ(DenialOf(call), DenialReason::kEngineUnreachable);
  // Its number is used up: a cancel raises the mark before anything else is offered.
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointNotReady);
  Advance(absl::Seconds(1));
  Answer(TheCommand(), Verdict::kCancelled, 1);
  Start();
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B80
TEST_F(ShardCommandsTest, AnUnconfirmedStartIsDeniedWhenItTurnsOutThatTheEngineHasNeverSeenIt) {
  Online();
  const CallId call = Start();
  const Command prepare = TheCommand();
  Advance(absl::Milliseconds(2000));
  Beat(Idle(0));
  Advance(absl::Seconds(1));
  ASSERT_EQ(ReplyTo<Session>(call).state, SessionState::kUnconfirmed);
  Answer(prepare, Verdict::kNotSent, 0);
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kDenied);
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).denial, DenialReason::kEngineUnreachable);
}

// B75
TEST_F(ShardCommandsTest, ALinkThatBreaksBeforeTheAnswerLeavesTheSessionUnconfirmed) {
  Online();
  const CallId call = Start();
  Close(EpochOf());
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kUnconfirmed);
}

// B75
TEST_F(ShardCommandsTest, AFactThatOvertakesTheAnswerAnswersTheCaller) {
  Online();
  const CallId call = Start();
  const GrantNumber number = Said<PrepareSession>()[0].grant.number;
  const SessionId id = Said<PrepareSession>()[0].grant.session;
  Session session = Get(id);
  ASSERT_EQ(session.number, number);
  Feed({StartOf(session)});
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kCharging);
}

TEST_F(ShardCommandsTest, AReportThatOvertakesTheAnswerAnswersTheCallerOnce) {
  Online();
  const CallId call = Start();
  const Command prepare = TheCommand();
  const Session session = Get(std::get<PrepareSession>(prepare.body).grant.session);
  Beat(Busy(session, Phase::kGranted));
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kGranted);
  Answer(prepare, Verdict::kGranted, 1);
  Advance(absl::Seconds(4));
}

// B77
TEST_F(ShardCommandsTest, AReportFromBeforeTheGrantChangesNothing) {
  Online();
  const Session first = Grant();
  Beat(Idle(0));  // Was on its way when the grant was given.
  EXPECT_EQ(Get(first.id).state, SessionState::kGranted);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointBusy);
}

// B9
TEST_F(ShardCommandsTest, AGrantThatThePointHasReleasedIsExpired) {
  Online();
  const Session session = Grant();
  Beat(Idle(1));
  EXPECT_EQ(Get(session.id).state, SessionState::kExpired);
  EXPECT_EQ(Get(session.id).denial, DenialReason::kNone);
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B9 B54
TEST_F(ShardCommandsTest, AGrantThatAFaultHasReleasedSaysSo) {
  Online();
  const Session session = Grant();
  EngineReport report = Idle(1);
  report.health = EngineHealth::kFaulted;
  report.fault = "relay stuck";
  Beat(report);
  EXPECT_EQ(Get(session.id).state, SessionState::kExpired);
  EXPECT_EQ(Get(session.id).denial, DenialReason::kPointFaulted);
  EXPECT_EQ(Get(session.id).denial_text, "the charging point is faulted: relay stuck");
}

// B9 B77
TEST_F(ShardCommandsTest, NoClockOfCentralEndsAGrant) {
  Online();
  const Session session = Grant();
  for (int i = 0; i < 120; ++i) {
    Advance(absl::Seconds(1));
    Beat(Busy(session, Phase::kGranted));
  }
  EXPECT_EQ(Get(session.id).state, SessionState::kGranted);
}

// B77 B16
TEST_F(ShardCommandsTest, AfterItsChargeThePointIsOfferedWhenItHasSaidThatItIsIdle) {
  Online();
  const Session session = Charging();
  Feed({FinalOf(session, 1, 1000)});
  EXPECT_EQ(Get(session.id).state, SessionState::kCompleted);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointBusy);
  Beat(Idle(1));
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B79
TEST_F(ShardCommandsTest, AnIdleBeatClosesNoSessionThatHasDeliveredEnergy) {
  Online();
  const Session session = Charging();
  Beat(Idle(1));
  EXPECT_EQ(Get(session.id).state, SessionState::kAwaitingFinal);
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  for (int i = 0; i < 100; ++i) {
    Advance(absl::Seconds(1));
    Beat(Idle(1));
  }
  EXPECT_EQ(Get(session.id).state, SessionState::kAwaitingFinal);
}

// B79 B15
TEST_F(ShardCommandsTest, ASecondChargeRunsWhileTheFirstAwaitsItsFinal) {
  Online();
  const Session first = Charging(DriverId("a"));
  Beat(Ended(first, false, true));
  const Session second = Charging(DriverId("b"));
  EXPECT_EQ(Get(first.id).state, SessionState::kAwaitingFinal);
  Restart();
  Online();
  Feed({FinalOf(second, 2, 222)});
  EXPECT_EQ(Point().record.booked_through, GrantNumber(0));  // The first is still open.
  Feed({FinalOf(first, 1, 111)});
  ASSERT_THAT(Tickets(first.id), SizeIs(1));
  ASSERT_THAT(Tickets(second.id), SizeIs(1));
  EXPECT_EQ(Tickets(first.id)[0].driver, DriverId("a"));
  EXPECT_EQ(Tickets(first.id)[0].energy_mwh, 111);
  EXPECT_EQ(Tickets(second.id)[0].energy_mwh, 222);
  EXPECT_EQ(Point().record.booked_through, second.number);
}

// --- stops -----------------------------------------------------------------------------------------------------------

// B78
TEST_F(ShardCommandsTest, AStopBeforePlugInCancelsTheGrant) {
  Online();
  const Session session = Grant();
  const CallId call = Stop(session.id);
  ASSERT_THAT(Said<CancelGrant>(), SizeIs(1));
  EXPECT_EQ(Said<CancelGrant>()[0].number, session.number);
  Answer(TheCommand(), Verdict::kCancelled, 1);
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kExpired);
  EXPECT_EQ(ReplyTo<Session>(call).denial, DenialReason::kCancelled);
}

// B78
TEST_F(ShardCommandsTest, AReportThatOvertakesTheAnswerToAStopHidesNotWhoEndedIt) {
  Online();
  const Session session = Grant();
  const CallId call = Stop(session.id);
  const Command cancel = TheCommand();
  Beat(Idle(1));
  EXPECT_EQ(Get(session.id).state, SessionState::kExpired);
  EXPECT_EQ(Get(session.id).denial, DenialReason::kCancelled);
  Answer(cancel, Verdict::kCancelled, 1);
  EXPECT_EQ(ReplyTo<Session>(call).denial, DenialReason::kCancelled);
}

// B78
TEST_F(ShardCommandsTest, AReportThatOvertakesTheAnswerToAStopOfWhatIsUnconfirmedHidesNotWhoEndedIt) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kFailed, 0);
  const auto session = ReplyTo<Session>(call);
  Stop(session.id);
  Beat(Idle(1));
  EXPECT_EQ(Get(session.id).state, SessionState::kDenied);
  EXPECT_EQ(Get(session.id).denial, DenialReason::kCancelled);
}

// B78
TEST_F(ShardCommandsTest, AStopThatFindsEnergyFlowingEndsTheCharge) {
  Online();
  const Session session = Grant();
  const CallId call = Stop(session.id);
  Answer(TheCommand(), Verdict::kRunning, 1);
  EXPECT_FALSE(IsAnswered(call));
  ASSERT_THAT(Said<ev::StopSession>(), SizeIs(1));
  EXPECT_EQ(Said<ev::StopSession>()[0].reason, EndReason::kDriverStop);
  Answer(TheCommand(), Verdict::kStopped, 1);
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kAwaitingFinal);
}

// B78 B11
TEST_F(ShardCommandsTest, AnOperatorsStopStaysTheOperatorsWhenEnergyFlowsAlready) {
  Online();
  const Session session = Grant();
  Stop(session.id, DriverId());
  Answer(TheCommand(), Verdict::kRunning, 1);
  ASSERT_THAT(Said<ev::StopSession>(), SizeIs(1));
  EXPECT_EQ(Said<ev::StopSession>()[0].reason, EndReason::kOperatorStop);
}

// B11
TEST_F(ShardCommandsTest, AStopDuringAChargeSaysWhoStopsIt) {
  Online();
  const Session session = Charging();
  Stop(session.id);
  ASSERT_THAT(Said<ev::StopSession>(), SizeIs(1));
  EXPECT_EQ(Said<ev::StopSession>()[0].reason, EndReason::kDriverStop);
  Stop(session.id, DriverId());
  ASSERT_THAT(Said<ev::StopSession>(), SizeIs(1));
  EXPECT_EQ(Said<ev::StopSession>()[0].reason, EndReason::kOperatorStop);
}

// B120
TEST_F(ShardCommandsTest, ADriverCannotStopAnotherDriversSession) {
  Online();
  const Session session = Charging(DriverId("a"));
  const CallId call = Stop(session.id, DriverId("b"));
  EXPECT_EQ(ReasonOf(call), "NOT_YOUR_SESSION");
  EXPECT_THAT(ReplyTo<Failure>(call).status, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Said<Command>(), IsEmpty());
}

TEST_F(ShardCommandsTest, AStopOfAnUnknownSessionIsNotFound) {
  EXPECT_EQ(ReasonOf(Stop(SessionId("00000000000000000000000000000000"))), "SESSION_UNKNOWN");
}

TEST_F(ShardCommandsTest, AStopOfWhatIsOverIsDone) {
  Online();
  const Session session = Charging();
  Feed({FinalOf(session, 1, 1000)});
  EXPECT_EQ(ReplyTo<Session>(Stop(session.id)).state, SessionState::kCompleted);
  EXPECT_THAT(Said<Command>(), IsEmpty());
}

TEST_F(ShardCommandsTest, AStopOfWhatNeverWasIsRefused) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kDenied, 1, DenialReason::kPointFaulted);
  EXPECT_EQ(ReasonOf(Stop(ReplyTo<Failure>(call).session)), "SESSION_NOT_OPEN");
}

// B83
TEST_F(ShardCommandsTest, AStopThatCannotReachThePointSaysThatItIsKeptAndIsSentWhenTheLinkIsBack) {
  Online();
  const Session session = Charging();
  Close(EpochOf());
  const CallId call = Stop(session.id);
  EXPECT_EQ(ReasonOf(call), "POINT_DISCONNECTED");
  EXPECT_THAT(ReplyTo<Failure>(call).status,
              StatusIs(absl::StatusCode::kUnavailable,
                       "charging point cp_001 is disconnected: the stop is kept, and sent when its link is back"));
  Advance(absl::Seconds(5));
  EXPECT_THAT(Said<Command>(), IsEmpty());
  Restart();
  Connect();
  Beat(Busy(session, Phase::kCharging));
  int stops = 0;
  for (int i = 0; i < 3; ++i) {
    Advance(absl::Seconds(1));
    for (const ev::StopSession& stop : Said<ev::StopSession>()) {
      ++stops;
      EXPECT_EQ(stop.session, session.id);
      EXPECT_EQ(stop.reason, EndReason::kDriverStop);
    }
    Beat(Busy(session, Phase::kCharging));
  }
  EXPECT_EQ(stops, 3);
  Feed({FinalOf(session, 1, 1000, EndReason::kDriverStop)});
  Beat(Idle(1));
  Advance(absl::Seconds(2));
  EXPECT_THAT(Said<Command>(), IsEmpty());
}

// B83
TEST_F(ShardCommandsTest, AStopThatIsKeptCancelsTheGrantWhenTheLinkIsBack) {
  Online();
  const Session session = Grant();
  Close(EpochOf());
  Stop(session.id, DriverId());
  Connect();
  Beat(Busy(session, Phase::kGranted));
  Advance(absl::Seconds(1));
  Answer(TheCommand(), Verdict::kCancelled, 1);
  EXPECT_EQ(Get(session.id).state, SessionState::kExpired);
  EXPECT_EQ(Get(session.id).denial, DenialReason::kCancelled);
}

// B83 B100
TEST_F(ShardCommandsTest, AStopIsInTheBatchOfItsAnswer) {
  Online();
  const Session session = Charging();
  Close(EpochOf());
  auto_commit_ = false;
  Stop(session.id);
  const Shard::Batch batch = Commit();
  ASSERT_THAT(batch.rows.sessions, SizeIs(1));
  EXPECT_EQ(batch.rows.sessions[0].stop_asked, EndReason::kDriverStop);
  Stop(session.id);
  EXPECT_THAT(Commit().rows.sessions, IsEmpty());  // Asked again.
}

// B83
TEST_F(ShardCommandsTest, AStopThatTheEngineDidNotSeeIsSentAgain) {
  Online();
  const Session session = Charging();
  for (const auto& [verdict, reason] :
       {std::pair(Verdict::kNotSent, "ENGINE_UNREACHABLE"), std::pair(Verdict::kFailed, "ENGINE_SILENT")}) {
    const CallId call = Stop(session.id);
    Answer(TheCommand(), verdict, 0);
    EXPECT_EQ(ReasonOf(call), reason);
    EXPECT_THAT(ReplyTo<Failure>(call).status, StatusIs(absl::StatusCode::kUnavailable));
    Advance(absl::Seconds(1));
    EXPECT_THAT(Said<ev::StopSession>(), SizeIs(1));
    Beat(Busy(session, Phase::kCharging));
  }
}

// B6 B81
TEST_F(ShardCommandsTest, AStopWithoutAnAnswerEndsAtItsDeadlineAndCancelsNothing) {
  Online();
  const Session session = Charging();
  const CallId call = Stop(session.id);
  const Command stop = TheCommand();
  Advance(absl::Seconds(3));
  EXPECT_EQ(ReasonOf(call), "NO_ANSWER");
  EXPECT_EQ(Get(session.id).state, SessionState::kCharging);
  Answer(stop, Verdict::kStopped, 1);  // Too late to be matched; the beat tells.
  Beat(Ended(session, false, true));
  EXPECT_EQ(Get(session.id).state, SessionState::kAwaitingFinal);
}

TEST_F(ShardCommandsTest, AStopWhoseLinkBreaksIsAnswered) {
  Online();
  const Session session = Charging();
  const CallId call = Stop(session.id);
  Connect();
  EXPECT_EQ(ReasonOf(call), "LINK_LOST");
}

TEST_F(ShardCommandsTest, AStopOfASessionThatThePointDoesNotKnowSaysSo) {
  Online();
  const Session session = Charging();
  const CallId call = Stop(session.id);
  Answer(TheCommand(), Verdict::kUnknown, 1);
  EXPECT_EQ(ReasonOf(call), "SESSION_UNKNOWN_AT_POINT");
}

TEST_F(ShardCommandsTest, AStopIsAnsweredAlsoWhenItsSessionHasLeftMemoryMeanwhile) {
  config_.recent_rows = 0;
  Load();
  Online();
  const Session session = Charging();
  const CallId call = Stop(session.id);
  const Command stop = TheCommand();
  Feed({FinalOf(session, 1, 1000)});
  Tick();
  Answer(stop, Verdict::kStopped, 1);
  EXPECT_EQ(ReasonOf(call), "SESSION_ENDED");
}

// B18
TEST_F(ShardCommandsTest, AnOperatorsStopOfThePointEndsItsChargeAndIsRepeatedUntilItHas) {
  Online();
  const Session session = Charging();
  SetCause(kCp);
  ASSERT_THAT(Said<ev::StopSession>(), SizeIs(1));
  EXPECT_EQ(Said<ev::StopSession>()[0].session, session.id);
  EXPECT_EQ(Said<ev::StopSession>()[0].reason, EndReason::kOperatorStop);
  Beat(Busy(session, Phase::kCharging));
  Advance(absl::Seconds(2));
  EXPECT_THAT(Said<ev::StopSession>(), SizeIs(2));
  Feed({FinalOf(session, 1, 1000, EndReason::kOperatorStop)});
  Beat(Idle(1));
  Advance(absl::Seconds(2));
  EXPECT_THAT(Said<ev::StopSession>(), IsEmpty());
  EXPECT_EQ(StateOf(), PointState::kStopped);
  ASSERT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_EQ(Tickets(session.id)[0].end_reason, EndReason::kOperatorStop);
}

// B18
TEST_F(ShardCommandsTest, AnOperatorsStopOfThePointCancelsItsGrant) {
  Online();
  const Session session = Grant();
  SetCause(kCp);
  ASSERT_THAT(Said<CancelGrant>(), SizeIs(1));
  EXPECT_EQ(Said<CancelGrant>()[0].session, session.id);
  const Command cancel = TheCommand();
  ClearCause(kCp);
  Answer(cancel, Verdict::kCancelled, 1);
  EXPECT_EQ(Get(session.id).state, SessionState::kExpired);
  EXPECT_EQ(Get(session.id).denial, DenialReason::kPointStopped);
}

// B18
TEST_F(ShardCommandsTest, AReportThatOvertakesTheAnswerHidesNotThatThePointWasStopped) {
  Online();
  const Session session = Grant();
  SetCause(kCp);
  Beat(Idle(1));
  EXPECT_EQ(Get(session.id).denial, DenialReason::kPointStopped);
  ClearCause(kCp);
  Advance(absl::Seconds(1));
  const Session second = Grant();
  SetCause(kCp);
  ClearCause(kCp);
  Beat(Idle(2));
  EXPECT_EQ(Get(second.id).state, SessionState::kExpired);
  EXPECT_EQ(Get(second.id).denial, DenialReason::kPointStopped);
}

TEST_F(ShardCommandsTest, CommandsThatAreNeverAnsweredAreForgotten) {
  Online();
  // Denied by a beat, so that its own answer never comes.
  for (int i = 1; i <= 50; ++i) {
    const CallId call = Start();
    const Command prepare = TheCommand();
    Advance(absl::Seconds(3));
    EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kUnconfirmed);
    Beat(Idle(i));
    Advance(absl::Seconds(2));
    EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kDenied);
    Advance(absl::Seconds(1));
    EXPECT_EQ(shard().commands_waiting(), 0);
    // What comes after all is not matched to anything any more.
    Answer(prepare, Verdict::kGranted, i);
    EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kDenied);
    Beat(Idle(i));
  }
}

}  // namespace
}  // namespace ev::central
