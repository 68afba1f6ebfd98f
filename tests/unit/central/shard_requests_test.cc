// Who gets a charge, who does not, and what a repeat gets.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardRequestsTest = ShardTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// B5
TEST_F(ShardRequestsTest, OfTwoRequestsForOnePointExactlyOneIsGranted) {
  Online();
  const CallId first = Start(DriverId("a"));
  const Command prepare = TheCommand();
  const CallId second = Start(DriverId("b"));
  EXPECT_EQ(DenialOf(second), DenialReason::kPointBusy);
  EXPECT_THAT(Said<Command>(), IsEmpty());
  Answer(prepare, Verdict::kGranted, 1);
  EXPECT_EQ(ReplyTo<Session>(first).state, SessionState::kGranted);
  EXPECT_EQ(ReplyTo<Session>(first).driver, DriverId("a"));
  EXPECT_EQ(DenialOf(Start(DriverId("b"))), DenialReason::kPointBusy);
}

// B6
TEST_F(ShardRequestsTest, TheCallerWaitsForThePointsOwnAnswer) {
  Online();
  const CallId call = Start();
  EXPECT_FALSE(IsAnswered(call));
  const Command prepare = TheCommand();
  Advance(absl::Milliseconds(2800));
  EXPECT_FALSE(IsAnswered(call));
  Answer(prepare, Verdict::kGranted, 1);
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kGranted);
}

// B6 B62
TEST_F(ShardRequestsTest, ADenialByThePointReachesTheCallerWithItsReason) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kDenied, 1, DenialReason::kPointFaulted);
  EXPECT_EQ(DenialOf(call), DenialReason::kPointFaulted);
  EXPECT_EQ(ReasonOf(call), "POINT_FAULTED");
  EXPECT_EQ(Get(ReplyTo<Failure>(call).session).state, SessionState::kDenied);
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B62
TEST_F(ShardRequestsTest, AnUnknownPointIsDenied) {
  const CallId call = Start(kDriver, CpId("cp_404"));
  EXPECT_EQ(DenialOf(call), DenialReason::kPointUnknown);
  EXPECT_THAT(ReplyTo<Failure>(call).status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("cp_404")));
}

// B62
TEST_F(ShardRequestsTest, ADenialBeforeThereIsASessionIsToldToThePanelAndTheLog) {
  Start(kDriver, CpId("cp_404"));
  ASSERT_THAT(Said<RequestDenied>(), SizeIs(1));
  EXPECT_EQ(Said<RequestDenied>()[0].driver, kDriver);
  EXPECT_EQ(Said<RequestDenied>()[0].cp, CpId("cp_404"));
  EXPECT_EQ(Said<RequestDenied>()[0].reason, DenialReason::kPointUnknown);
  EXPECT_THAT(Said<RequestDenied>()[0].text, HasSubstr("cp_404"));
  Create(kCp);
  Start();
  ASSERT_THAT(Said<RequestDenied>(), SizeIs(1));
  EXPECT_EQ(Said<RequestDenied>()[0].reason, DenialReason::kPointDisconnected);
}

// B62
TEST_F(ShardRequestsTest, ADisconnectedPointIsDenied) {
  Create(kCp);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointDisconnected);
}

// B62
TEST_F(ShardRequestsTest, AFaultedPointIsDenied) {
  Online();
  EngineReport report = Idle(0);
  report.health = EngineHealth::kFaulted;
  report.fault = "ground fault";
  Beat(report);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointFaulted);
}

// B62
TEST_F(ShardRequestsTest, AStoppedPointIsDenied) {
  Online();
  SetCause(kCp);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointStopped);
}

// B62
TEST_F(ShardRequestsTest, AChargingPointIsDenied) {
  Online();
  Charging();
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointBusy);
}

// B23
TEST_F(ShardRequestsTest, APointWhoseJournalIsFullIsDeniedWhateverRoomItTells) {
  Online();
  EngineReport report = Idle(0);
  report.journal_room = 2;
  report.journal_full = true;
  Beat(report);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kJournalFull);
  report.journal_room = 0;
  report.journal_full = false;
  Beat(report);
  Start();
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B62 B77
TEST_F(ShardRequestsTest, APointWhoseMarkIsBelowTheLastGrantIsNotReady) {
  Online();
  const CallId call = Start();
  const Command prepare = TheCommand();
  // Denied without having seen the number.
  Answer(prepare, Verdict::kDenied, 0, DenialReason::kMonitorMissing);
  EXPECT_EQ(DenialOf(call), DenialReason::kMonitorMissing);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointNotReady);
  Beat(Idle(1));
  Start();
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B77
TEST_F(ShardRequestsTest, WhereADeniedGrantWasNotSeenItIsCancelledUntilTheMarkHasPassedIt) {
  Online();
  const CallId call = Start();
  const Command prepare = TheCommand();
  Answer(prepare, Verdict::kDenied, 0, DenialReason::kPointUnknown);
  const SessionId denied = ReplyTo<Failure>(call).session;
  Advance(absl::Seconds(1));
  const auto cancels = Said<CancelGrant>();
  ASSERT_THAT(cancels, SizeIs(1));
  EXPECT_EQ(cancels[0].number, GrantNumber(1));
  EXPECT_EQ(cancels[0].session, denied);
  const Command cancel = TheCommand();
  Answer(cancel, Verdict::kCancelled, 1);
  Advance(absl::Milliseconds(1600));
  EXPECT_THAT(Said<CancelGrant>(), IsEmpty());
  Start();
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B116
TEST_F(ShardRequestsTest, ARequestThatWaitedTooLongOnItsWayIsDenied) {
  Online();
  const CallId old = Start({.driver = kDriver, .cp = kCp, .waited = absl::Seconds(11)});
  EXPECT_EQ(DenialOf(old), DenialReason::kRequestExpired);
  EXPECT_THAT(Said<Command>(), IsEmpty());
  Start({.driver = kDriver, .cp = kCp, .waited = absl::Seconds(10)});
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B4
TEST_F(ShardRequestsTest, ARequestMadeAtThePointIsDecidedLikeAnyOther) {
  Online();
  const CallId call = Start({.driver = kDriver, .cp = kCp, .manual = true});
  Answer(TheCommand(), Verdict::kGranted, 1);
  EXPECT_TRUE(ReplyTo<Session>(call).manual);
  EXPECT_EQ(DenialOf(Start({.driver = DriverId("b"), .cp = kCp, .manual = true})), DenialReason::kPointBusy);
}

// B4
TEST_F(ShardRequestsTest, ARequestMadeAtThePointIsDeniedForTheSameReasons) {
  const auto online = [&](const char* id) {
    Online(CpId(id));
    return CpId(id);
  };
  const CpId unknown("unknown");
  const CpId disconnected("disconnected");
  Create(disconnected);
  const CpId stopped = online("stopped");
  SetCause(stopped);
  const CpId busy = online("busy");
  Charging(kDriver, busy);
  const CpId faulted = online("faulted");
  EngineReport report = Idle(0, faulted);
  report.health = EngineHealth::kFaulted;
  Beat(report, faulted);
  const CpId full = online("full");
  report = Idle(0, full);
  report.journal_full = true;
  Beat(report, full);
  const CpId not_ready = online("not_ready");
  Start(kDriver, not_ready);
  Answer(TheCommand(), Verdict::kDenied, 0, DenialReason::kMonitorMissing, not_ready);
  const CpId available = online("available");

  const auto denial = [&](const CpId& cp, bool is_manual) {
    return DenialOf(Start({.driver = kDriver,
                           .cp = cp,
                           .waited = cp == available ? absl::Seconds(11) : absl::ZeroDuration(),
                           .manual = is_manual}));
  };
  const std::pair<CpId, DenialReason> cases[] = {
      {unknown, DenialReason::kPointUnknown},    {disconnected, DenialReason::kPointDisconnected},
      {stopped, DenialReason::kPointStopped},    {busy, DenialReason::kPointBusy},
      {faulted, DenialReason::kPointFaulted},    {full, DenialReason::kJournalFull},
      {not_ready, DenialReason::kPointNotReady}, {available, DenialReason::kRequestExpired},
  };
  for (const auto& [cp, reason] : cases) {
    EXPECT_EQ(denial(cp, false), reason) << cp;
    EXPECT_EQ(denial(cp, true), reason) << cp;
  }
}

// B2 B19
TEST_F(ShardRequestsTest, TheGrantCarriesCentralsPriceOfThatMoment) {
  Create(kCp, Price{.micros_per_kwh = 420'000, .currency = "EUR"});
  Online();
  Start();
  const auto prepares = Said<PrepareSession>();
  ASSERT_THAT(prepares, SizeIs(1));
  EXPECT_EQ(prepares[0].grant.price.micros_per_kwh, 420'000);
  EXPECT_EQ(prepares[0].grant.driver, kDriver);
  EXPECT_EQ(prepares[0].grant.cp, kCp);
  EXPECT_EQ(prepares[0].grant.number, GrantNumber(1));
  EXPECT_EQ(prepares[0].plug_in_time_to_live, absl::Seconds(30));
}

// B73
TEST_F(ShardRequestsTest, GrantNumbersOnlyGrowAlsoAcrossARestart) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kDenied, 1, DenialReason::kPointFaulted);
  EXPECT_EQ(DenialOf(call), DenialReason::kPointFaulted);
  Restart();
  Online();
  Start();
  ASSERT_THAT(Said<PrepareSession>(), SizeIs(1));
  EXPECT_EQ(Said<PrepareSession>()[0].grant.number, GrantNumber(2));
}

// B7
TEST_F(ShardRequestsTest, EveryStepIsToldToTheDriver) {
  Online();
  const Session session = Charging();
  Feed({FinalOf(session, 1, 1000)});
  std::vector<SessionState> states;
  for (const StatusUpdate& update : Outbox<StatusUpdate>()) {
    EXPECT_EQ(update.session.driver, kDriver);
    states.push_back(update.session.state);
  }
  EXPECT_THAT(states, ElementsAre(SessionState::kRequested, SessionState::kGranted, SessionState::kCharging,
                                  SessionState::kCompleted));
  EXPECT_TRUE(Outbox<StatusUpdate>().back().ticket.has_value());
}

// B7
TEST_F(ShardRequestsTest, ADenialIsToldToTheDriverWithItsReason) {
  Online();
  SetCause(kCp);
  Start();
  const auto denials = Outbox<DenialUpdate>();
  ASSERT_THAT(denials, SizeIs(1));
  EXPECT_EQ(denials[0].driver, kDriver);
  EXPECT_EQ(denials[0].cp, kCp);
  EXPECT_EQ(denials[0].reason, DenialReason::kPointStopped);
}

// --- request_id ------------------------------------------------------------------------------------------------------

// B152 B115
TEST_F(ShardRequestsTest, ARepeatGetsTheSameSessionAsItIsNow) {
  Online();
  const CallId first = StartAs("r1");
  Answer(TheCommand(), Verdict::kGranted, 1);
  const auto session = ReplyTo<Session>(first);
  Feed({StartOf(session)});
  const CallId repeat = StartAs("r1");
  EXPECT_THAT(Said<Command>(), IsEmpty());
  EXPECT_EQ(ReplyTo<Session>(repeat).id, session.id);
  EXPECT_EQ(ReplyTo<Session>(repeat).state, SessionState::kCharging);
}

// B152
TEST_F(ShardRequestsTest, ARepeatWhileTheFirstWaitsWaitsWithIt) {
  Online();
  const CallId first = StartAs("r1");
  const Command prepare = TheCommand();
  const CallId repeat = StartAs("r1");
  EXPECT_THAT(Said<Command>(), IsEmpty());
  EXPECT_FALSE(IsAnswered(repeat));
  Answer(prepare, Verdict::kGranted, 1);
  EXPECT_EQ(ReplyTo<Session>(first).id, ReplyTo<Session>(repeat).id);
}

// B122
TEST_F(ShardRequestsTest, RepeatsThatWaitAreBounded) {
  Online();
  StartAs("r1");
  CallId last;
  for (int i = 0; i < 20; ++i) last = StartAs("r1");
  EXPECT_EQ(ReplyTo<Session>(last).state, SessionState::kRequested);
}

// B152
TEST_F(ShardRequestsTest, ARepeatOfADenialGetsTheSameDenial) {
  Online();
  SetCause(kCp);
  const CallId first = StartAs("r1");
  ClearCause(kCp);
  const CallId repeat = StartAs("r1");
  EXPECT_THAT(Said<Command>(), IsEmpty());
  EXPECT_EQ(DenialOf(repeat), DenialReason::kPointStopped);
  EXPECT_EQ(ReplyTo<Failure>(repeat).status, ReplyTo<Failure>(first).status);
  EXPECT_THAT(Outbox<DenialUpdate>(), SizeIs(1));
}

// B152
TEST_F(ShardRequestsTest, ARepeatOfADenialByThePointGetsTheSameDenial) {
  Online();
  const CallId first = StartAs("r1");
  Answer(TheCommand(), Verdict::kDenied, 1, DenialReason::kPointBusy);
  const CallId repeat = StartAs("r1");
  EXPECT_EQ(DenialOf(repeat), DenialReason::kPointBusy);
  EXPECT_EQ(ReplyTo<Failure>(repeat).session, ReplyTo<Failure>(first).session);
}

// B152
TEST_F(ShardRequestsTest, ARequestIdUsedWithOtherParametersIsRefused) {
  Online();
  StartAs("r1", "1 kWh");
  const CallId other = StartAs("r1", "2 kWh");
  EXPECT_EQ(ReasonOf(other), "REQUEST_ID_REUSED");
  EXPECT_EQ(ReplyTo<Failure>(other).field, "request_id");
  EXPECT_THAT(ReplyTo<Failure>(other).status, StatusIs(absl::StatusCode::kInvalidArgument));
}

// B152 B115 B113
TEST_F(ShardRequestsTest, ARepeatAfterARestartGetsTheSameSession) {
  Online();
  const CallId first = StartAs("r1");
  Answer(TheCommand(), Verdict::kGranted, 1);
  const auto session = ReplyTo<Session>(first);
  Feed({StartOf(session), FinalOf(session, 1, 1000)});
  Restart();
  Online();
  const CallId repeat = StartAs("r1");
  EXPECT_THAT(Said<Command>(), IsEmpty());
  EXPECT_EQ(ReplyTo<Session>(repeat).id, session.id);
  EXPECT_EQ(ReplyTo<Session>(repeat).state, SessionState::kCompleted);
  EXPECT_EQ(ReasonOf(StartAs("r1", "other")), "REQUEST_ID_REUSED");
}

// B152 B116
TEST_F(ShardRequestsTest, ARepeatOfADenialAfterARestartGetsTheSameDenial) {
  Online();
  SetCause(kCp);
  const CallId first = StartAs("r1");
  ClearCause(kCp);
  Restart();
  Online();
  EXPECT_EQ(ReplyTo<Failure>(StartAs("r1")).status, ReplyTo<Failure>(first).status);
}

// B116 B75
TEST_F(ShardRequestsTest, ARequestFromBeforeARestartIsUnconfirmedAndNotGrantedAnew) {
  Online();
  StartAs("r1");
  Restart();
  const CallId repeat = StartAs("r1");
  EXPECT_EQ(ReplyTo<Session>(repeat).state, SessionState::kUnconfirmed);
  // The new link's configuration raises the mark: what was not taken by then never will be.
  Connect();
  EXPECT_EQ(Said<Configuration>()[0].highest_grant, GrantNumber(1));
  Beat(Idle(1));
  EXPECT_THAT(Said<Command>(), IsEmpty());
  EXPECT_EQ(DenialOf(StartAs("r1")), DenialReason::kNotDelivered);
}

// B152
TEST_F(ShardRequestsTest, ARequestIdOfAnyOtherCallIsRememberedAcrossARestart) {
  EXPECT_EQ(shard().UseOf("r1", "a"), RequestUse::kNew);
  Run([&](Effects&) { shard().RememberRequest(now_, "r1", "a"); });
  EXPECT_EQ(shard().UseOf("r1", "a"), RequestUse::kRepeat);
  EXPECT_EQ(shard().UseOf("r1", "b"), RequestUse::kReused);
  Restart();
  Fetch({.sessions = {}, .requests = {"r1"}});
  EXPECT_EQ(shard().UseOf("r1", "a"), RequestUse::kRepeat);
  Run([&](Effects&) { shard().RememberRequest(now_, "", "a"); });
  EXPECT_EQ(shard().UseOf("", "a"), RequestUse::kNew);
}

// B152
TEST_F(ShardRequestsTest, WithoutARequestIdEachCallIsItsOwn) {
  Online();
  SetCause(kCp);
  Start();
  Start();
  EXPECT_THAT(Outbox<DenialUpdate>(), SizeIs(2));
}

// B62 B105
TEST_F(ShardRequestsTest, ARequestForAPointThatNobodyKnowsLeavesNothingBehind) {
  auto_commit_ = false;
  StartAs("r1", "same", CpId("cp_404"));
  EXPECT_FALSE(shard().dirty());
}

// --- traces ----------------------------------------------------------------------------------------------------------

const Trace kTrace = ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

// B220
TEST_F(ShardRequestsTest, ASessionHasTheTraceOfItsRequestAndSoHasItsGrant) {
  Online();
  const CallId call = Start({.driver = kDriver, .cp = kCp, .trace = kTrace});
  EXPECT_EQ(std::get<PrepareSession>(TheCommand().body).grant.trace, kTrace);
  Answer(TheCommand(), Verdict::kGranted, 1);
  EXPECT_EQ(ReplyTo<Session>(call).trace, kTrace);
}

// B220
TEST_F(ShardRequestsTest, WithoutATraceEachSessionBeginsOne) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kGranted, 1);
  const Session session = ReplyTo<Session>(call);
  EXPECT_FALSE(session.trace.empty());
  EXPECT_FALSE(session.trace.sampled);
}

// B220
TEST_F(ShardRequestsTest, ADenialThatMakesNoSessionHasTheTraceOfItsRequest) {
  Create(kCp);
  Start({.driver = kDriver, .cp = kCp, .trace = kTrace});
  ASSERT_THAT(Said<RequestDenied>(), SizeIs(1));
  EXPECT_EQ(Said<RequestDenied>()[0].trace, kTrace);
  ASSERT_THAT(Outbox<DenialUpdate>(), SizeIs(1));
  EXPECT_EQ(Outbox<DenialUpdate>()[0].trace, kTrace);
}

// B222
TEST_F(ShardRequestsTest, ASessionKeepsItsTraceAcrossARestartAndARepeatOfItsRequestDoesNotChangeIt) {
  Online();
  Start({.request_key = "k", .fingerprint = "same", .driver = kDriver, .cp = kCp, .trace = kTrace});
  Answer(TheCommand(), Verdict::kGranted, 1);
  Restart();
  const CallId again = Start({.request_key = "k",
                              .fingerprint = "same",
                              .driver = kDriver,
                              .cp = kCp,
                              .trace = TraceOfId("0af7651916cd43dd8448eb211c80319c")});
  EXPECT_EQ(ReplyTo<Session>(again).trace, kTrace);
}

// B224
TEST_F(ShardRequestsTest, AStopGoesToThePointInTheTraceOfTheSession) {
  Online();
  const CallId call = Start({.driver = kDriver, .cp = kCp, .trace = kTrace});
  Answer(TheCommand(), Verdict::kGranted, 1);
  const SessionId id = ReplyTo<Session>(call).id;
  Stop(id);
  ASSERT_THAT(Said<CancelGrant>(), SizeIs(1));
  EXPECT_EQ(Said<CancelGrant>()[0].trace, kTrace);
  Answer(TheCommand(), Verdict::kRunning, 1);
  ASSERT_THAT(Said<ev::StopSession>(), SizeIs(1));
  EXPECT_EQ(Said<ev::StopSession>()[0].trace, kTrace);
}

}  // namespace
}  // namespace ev::central
