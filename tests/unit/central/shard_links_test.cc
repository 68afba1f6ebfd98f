// Links, beats and what is shown of them.

#include <limits>

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardLinksTest = ShardTest;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// B3
TEST_F(ShardLinksTest, AFirstHelloRegistersThePointAtTheDefaultPrice) {
  Connect(kCp);
  EXPECT_EQ(Point().record.location, "Harbour 1");
  EXPECT_EQ(Point().record.price, config_.default_price);
  EXPECT_EQ(Point().record.registered, now_.utc);
  const auto configurations = Said<Configuration>();
  ASSERT_THAT(configurations, SizeIs(1));
  EXPECT_EQ(configurations[0].price, config_.default_price);
}

// B3
TEST_F(ShardLinksTest, WithoutAutoRegistrationAnUnknownPointIsRefusedAndAnAlertSaysSo) {
  config_.auto_register = false;
  Load();
  Connect(kCp);
  EXPECT_THAT(Said<LinkAccepted>(), IsEmpty());
  ASSERT_THAT(Said<LinkRefused>(), SizeIs(1));
  EXPECT_EQ(Said<LinkRefused>()[0].reason, "POINT_UNKNOWN");
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kLinkRefused));
  Create(kCp);
  EXPECT_NE(Connect(kCp), LinkEpoch());
}

// B2
TEST_F(ShardLinksTest, WhatAHelloSaysOfAKnownPointChangesNothing) {
  Create(kCp, Price{.micros_per_kwh = 1, .currency = "EUR"});
  Run([&](Effects& out) {
    shard().OnHello(
        now_, {.stream = StreamId(9), .cp = kCp, .location = "elsewhere", .site = "x", .mark = {}, .journal_id = {}},
        out);
  });
  EXPECT_EQ(Point().record.location, "Harbour 1");
  EXPECT_EQ(Point().record.price.micros_per_kwh, 1);
}

// B70
TEST_F(ShardLinksTest, EpochsGrowWithEachLinkAndAcrossRestarts) {
  const LinkEpoch first = Connect();
  // A record that is new, or from an old backup, does not begin below what was given out before.
  EXPECT_GE(first, LinkEpoch(store_.incarnation()));
  const LinkEpoch second = Connect();
  EXPECT_GT(second, first);
  Restart();
  EXPECT_GT(Connect(), second);
}

// B70
TEST_F(ShardLinksTest, APointThatWasDeletedAndComesBackGetsAHigherEpoch) {
  Connect();
  const LinkEpoch last = Connect();
  Close(last);
  ReplyTo<Done>(Delete());
  EXPECT_GT(Connect(), last);
}

// B70
TEST_F(ShardLinksTest, AnEpochIsAboveWhatTheEngineHasSeen) {
  const auto hello = [&](LinkEpoch seen) {
    Run([&](Effects& out) { shard().OnHello(now_, {.stream = StreamId(9), .cp = kCp, .highest_epoch = seen}, out); });
    return Said<LinkAccepted>().at(0).epoch;
  };
  const LinkEpoch far(store_.incarnation() + 1'000'000);
  EXPECT_EQ(hello(far), far.Next());
  // Beyond reason: it must not use the numbers up.
  EXPECT_EQ(hello(LinkEpoch(std::numeric_limits<std::int64_t>::max())), far.Next().Next());
  const LinkEpoch highest(kMaxCounter / 2);
  EXPECT_EQ(hello(highest.Next()), far.Next().Next().Next());
  // The highest that counts leaves room for all that come: they are taken, also when the Engine reports them.
  EXPECT_EQ(hello(highest), highest.Next());
  EXPECT_EQ(hello(highest.Next()), highest.Next().Next());
}

// B70
TEST_F(ShardLinksTest, AnEpochIsInTheBatchOfItsLink) {
  auto_commit_ = false;
  const LinkEpoch epoch = Connect();
  const Shard::Batch batch = Commit();
  ASSERT_THAT(batch.rows.points, SizeIs(1));
  EXPECT_EQ(batch.rows.points[0].link_epoch, epoch);
}

// B71
TEST_F(ShardLinksTest, WhatAnOlderLinkReportsChangesNothing) {
  Online();
  const LinkEpoch old = EpochOf();
  EngineReport faulted = Idle(0);
  faulted.health = EngineHealth::kFaulted;
  Online();
  BeatOn(old, faulted);
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  Advance(absl::Seconds(2));
  BeatOn(old, Idle(0));
  Advance(absl::Seconds(1));
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
}

// B71
TEST_F(ShardLinksTest, AnAnswerByAnOlderLinkChangesNothing) {
  Online();
  const LinkEpoch old = EpochOf();
  const CallId call = Start();
  const Command prepare = TheCommand();
  Connect();
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kUnconfirmed);
  AnswerOn(old, {.id = prepare.id, .verdict = Verdict::kGranted, .denial = {}, .text = {}, .mark = GrantNumber(1)});
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kUnconfirmed);
}

// B71 B118
TEST_F(ShardLinksTest, TheLateCloseOfAnOlderLinkIsHarmless) {
  Online();
  const LinkEpoch old = EpochOf();
  Online();
  Close(old);
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  EXPECT_EQ(shard().links(), 1);
  Start();
  EXPECT_THAT(Said<PrepareSession>(), SizeIs(1));
}

// B72
TEST_F(ShardLinksTest, ABeatMadeBeforeTheConfigurationDoesNotCount) {
  Connect();
  EngineReport early = Idle(5);
  early.configured_epoch = LinkEpoch();
  Beat(early);
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
  early.configured_epoch = LinkEpoch(EpochOf().value() - 1);
  Beat(early);
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
  Beat(Idle(5));
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B72 B75
TEST_F(ShardLinksTest, ABeatMadeBeforeTheConfigurationDecidesNoUnconfirmedGrant) {
  Online();
  const CallId call = Start();
  Connect();
  EngineReport early = Idle(1);
  early.configured_epoch = LinkEpoch();
  Beat(early);
  EXPECT_EQ(Get(ReplyTo<Session>(call).id).state, SessionState::kUnconfirmed);
}

// B72
TEST_F(ShardLinksTest, AnEngineThatForgotItsConfigurationIsNotOffered) {
  Online();
  EngineReport restarted = Idle(0);
  restarted.configured_epoch = LinkEpoch();
  Beat(restarted);
  EXPECT_EQ(StateOf(), PointState::kFaulted);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointFaulted);
  Beat(Idle(0));
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B35 B41
TEST_F(ShardLinksTest, ThreeSecondsOfSilenceDisconnectThoughTheStreamIsOpen) {
  Online();
  Advance(absl::Milliseconds(2800));
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  Advance(absl::Milliseconds(200));
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
  EXPECT_EQ(shard().links(), 1);
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kLinkLost));
  Beat(Idle(0));
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B35 B37
TEST_F(ShardLinksTest, WhoIsDisconnectedIsShownWithWhenAndHowItWasLastSeen) {
  Online();
  const absl::Time seen = now_.utc;
  SetCause(kCp);
  Advance(absl::Seconds(4));
  EXPECT_EQ(Point().state, PointState::kDisconnected);
  EXPECT_EQ(Point().last_state, PointState::kStopped);
  EXPECT_EQ(Point().last_seen, seen);
}

// B36
TEST_F(ShardLinksTest, AClosedStreamIsOnlyAHint) {
  Online();
  Close(EpochOf());
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointDisconnected);
  Advance(absl::Milliseconds(2800));
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  Advance(absl::Milliseconds(200));
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
}

// B36
TEST_F(ShardLinksTest, ALinkThatIsMadeAnewWithinTheLimitShowsNoGap) {
  Online();
  const Session session = Charging();
  Close(EpochOf());
  Advance(absl::Seconds(1));
  Connect();
  EXPECT_EQ(StateOf(), PointState::kCharging);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointBusy);
  Beat(Busy(session, Phase::kCharging));
  Advance(absl::Milliseconds(2800));
  EXPECT_EQ(StateOf(), PointState::kCharging);
  EXPECT_THAT(Alerts(), IsEmpty());
}

// B36 B72
TEST_F(ShardLinksTest, ANewLinkOffersNothingBeforeItsConfigurationWasTaken) {
  Online();
  Connect();
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointNotReady);
}

// B34 B41
TEST_F(ShardLinksTest, AnEngineThatReportsAFaultIsFaulted) {
  Online();
  EngineReport report = Idle(0);
  report.health = EngineHealth::kFaulted;
  report.fault = "ground fault";
  Beat(report);
  EXPECT_EQ(Point().state, PointState::kFaulted);
  EXPECT_EQ(Point().fault, "ground fault");
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kPointFaulted));
  EXPECT_EQ(Outbox<Alert>()[0].text, "ground fault");
}

// B40
TEST_F(ShardLinksTest, AFaultThatIsClearedMakesThePointAvailableAgain) {
  Online();
  EngineReport report = Idle(0);
  report.health = EngineHealth::kFaulted;
  Beat(report);
  Beat(Idle(0));
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B34 B41 B52
TEST_F(ShardLinksTest, AnEngineThatDoesNotAnswerItsMonitorIsFaultedAndItsDriverIsTold) {
  Online();
  const Session session = Charging();
  outbox_.clear();
  BeatWithoutReport(EngineHealth::kSilent);
  EXPECT_EQ(StateOf(), PointState::kFaulted);
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kEngineSilent));
  EXPECT_EQ(Outbox<Alert>()[0].text, "the Engine does not answer");
  const auto updates = Outbox<StatusUpdate>();
  ASSERT_THAT(updates, SizeIs(1));
  EXPECT_EQ(updates[0].session.id, session.id);
  EXPECT_EQ(updates[0].session.state, SessionState::kCharging);
  EXPECT_EQ(updates[0].point, PointState::kFaulted);
}

// B84
TEST_F(ShardLinksTest, TheDriverOfASessionThatWaitsForItsFinalIsToldOfItsPointAndWhenThatIsOver) {
  Online();
  const Session session = Charging();
  Beat(Ended(session));
  ASSERT_EQ(Get(session.id).state, SessionState::kAwaitingFinal);
  outbox_.clear();
  BeatWithoutReport(EngineHealth::kSilent);
  ASSERT_THAT(Said<SessionChanged>(), SizeIs(1));
  EXPECT_EQ(Said<SessionChanged>()[0].point, PointState::kFaulted);
  Beat(Ended(session));
  ASSERT_THAT(Said<SessionChanged>(), SizeIs(1));
  EXPECT_EQ(Said<SessionChanged>()[0].point, PointState::kAvailable);
  const auto updates = Outbox<StatusUpdate>();
  ASSERT_THAT(updates, SizeIs(2));
  EXPECT_EQ(updates[0].point, PointState::kFaulted);
  EXPECT_EQ(updates[1].point, PointState::kAvailable);
  EXPECT_GT(updates[1].session.revision, updates[0].session.revision);
}

// B84
TEST_F(ShardLinksTest, AFaultThatEndsAChargeIsToldWithItsTransitionOnce) {
  Online();
  const Session session = Charging();
  outbox_.clear();
  EngineReport report = Ended(session);
  report.health = EngineHealth::kFaulted;
  Beat(report);
  const auto updates = Outbox<StatusUpdate>();
  ASSERT_THAT(updates, SizeIs(1));
  EXPECT_EQ(updates[0].session.state, SessionState::kAwaitingFinal);
  EXPECT_EQ(updates[0].point, PointState::kFaulted);
}

// B41
TEST_F(ShardLinksTest, AnotherJournalOfAPointIsSaidOnce) {
  Connect(kCp, {}, "");
  EngineReport report = Idle(0);
  Beat(report);  // The first that is heard of replaces none.
  const Session session = Charging();
  report = Busy(session, Phase::kCharging);
  report.journal_id = "another";
  Beat(report);
  Beat(report);
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kJournalReplaced));
  EXPECT_EQ(Outbox<Alert>()[0].cp, kCp);
  EXPECT_EQ(Outbox<Alert>()[0].text, "journal journal has become another; open sessions whose facts may be lost: 1");
  Connect(kCp, {}, "another");
  EXPECT_THAT(Alerts(), SizeIs(1));
  Connect(kCp, {}, "third");
  EXPECT_THAT(Alerts(), SizeIs(2));
}

// B34
TEST_F(ShardLinksTest, AMonitorThatNeverHearsItsEngineMakesThePointFaulted) {
  Connect();
  BeatWithoutReport(EngineHealth::kUnknown);
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
  Advance(absl::Seconds(3));
  BeatWithoutReport(EngineHealth::kUnknown);
  EXPECT_EQ(StateOf(), PointState::kFaulted);
}

// B35
TEST_F(ShardLinksTest, ABeatWithoutAReportShowsThatTheMonitorIsThere) {
  Online();
  for (int i = 0; i < 5; ++i) {
    Advance(absl::Seconds(1));
    BeatWithoutReport(EngineHealth::kHealthy);
  }
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  EXPECT_THAT(Alerts(), IsEmpty());
}

// B72 B164
TEST_F(ShardLinksTest, ASignOfLifeKeepsAPointConnectedAndSaysNothingElse) {
  Online();
  for (int i = 0; i < 5; ++i) {
    Advance(absl::Seconds(1));
    shard().OnSignOfLife(now_, kCp, EpochOf());
  }
  EXPECT_EQ(StateOf(), PointState::kAvailable);
  EXPECT_EQ(Point().last_seen, now_.utc);

  const LinkEpoch old = EpochOf();
  Connect();
  for (int i = 0; i < 5; ++i) {
    Advance(absl::Seconds(1));
    shard().OnSignOfLife(now_, kCp, old);
    shard().OnSignOfLife(now_, kCp, EpochOf());
  }
  EXPECT_EQ(StateOf(), PointState::kDisconnected) << "the new link has no configuration yet, and the old one is over";
}

// B37
TEST_F(ShardLinksTest, ALostMonitorDisconnectsWhateverTheEngineDoes) {
  Online();
  EngineReport report = Idle(0);
  report.health = EngineHealth::kFaulted;
  Beat(report);
  Advance(absl::Seconds(3));
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
}

// B1 B57
TEST_F(ShardLinksTest, AfterARestartEveryKnownPointIsDisconnectedUntilItReports) {
  Online();
  Restart();
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
  EXPECT_EQ(shard().PointsIn(PointState::kDisconnected), 1);
  Connect();
  EXPECT_EQ(StateOf(), PointState::kDisconnected);
  Beat(Idle(0));
  EXPECT_EQ(StateOf(), PointState::kAvailable);
}

// B57 B58
TEST_F(ShardLinksTest, ABusyPointIsNotOfferedAfterARestart) {
  Online();
  const Session session = Charging();
  Restart();
  Connect();
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointDisconnected);
  Beat(Busy(session, Phase::kCharging));
  EXPECT_EQ(StateOf(), PointState::kCharging);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointBusy);
  EXPECT_EQ(Point().session->id, session.id);
}

// B58
TEST_F(ShardLinksTest, APointThatIsBusyWithASessionThatNobodyKnowsIsNotOffered) {
  Online();
  const Session stranger = Stranger(7);
  Beat(Busy(stranger, Phase::kCharging));
  EXPECT_EQ(StateOf(), PointState::kCharging);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointBusy);
  Beat(Busy(stranger, Phase::kGranted));
  EXPECT_EQ(StateOf(), PointState::kReserved);
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointBusy);
}

// B73
TEST_F(ShardLinksTest, NumbersGoOnAboveWhatAHelloSays) {
  Connect(kCp, GrantNumber(41));
  EXPECT_EQ(Said<Configuration>()[0].highest_grant, GrantNumber(41));
  Beat(Idle(41));
  Start();
  EXPECT_EQ(Said<PrepareSession>()[0].grant.number, GrantNumber(42));
}

// B73
TEST_F(ShardLinksTest, NumbersGoOnAboveWhatAReportSays) {
  Connect();
  Beat(Idle(41));
  Start();
  EXPECT_EQ(Said<PrepareSession>()[0].grant.number, GrantNumber(42));
}

// B160 B73
TEST_F(ShardLinksTest, AMarkBeyondReasonDoesNotUseUpTheNumbers) {
  Connect(kCp, GrantNumber(std::numeric_limits<std::int64_t>::max()));
  Beat(Idle(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(Point().record.highest_grant, GrantNumber(0));
}

TEST_F(ShardLinksTest, AJournalThatIsNewIsWrittenDown) {
  Connect(kCp, {}, "");
  EXPECT_EQ(Point().record.journal_id, "");
  Beat(Idle(0));
  EXPECT_EQ(Point().record.journal_id, "journal");
  Connect(kCp, {}, "");
  EXPECT_EQ(Point().record.journal_id, "journal");
  Connect(kCp, {}, "another");
  EXPECT_EQ(Point().record.journal_id, "another");
}

TEST_F(ShardLinksTest, CentralBeatsDownEachOpenLinkOnceASecond) {
  Online();
  Advance(absl::Seconds(5));
  EXPECT_THAT(Said<CentralBeat>(), SizeIs(5));
  Close(EpochOf());
  Advance(absl::Seconds(5));
  EXPECT_THAT(Said<CentralBeat>(), IsEmpty());
}

// B7
TEST_F(ShardLinksTest, WatchersSeeEachChangeOfStateOnce) {
  Online();
  for (int i = 0; i < 3; ++i) {
    Beat(Idle(0));
    EXPECT_THAT(Said<PointChanged>(), IsEmpty());
  }
  BeatWithoutReport(EngineHealth::kSilent);
  ASSERT_THAT(Said<PointChanged>(), SizeIs(1));
  EXPECT_EQ(Said<PointChanged>()[0].previous, PointState::kAvailable);
  EXPECT_EQ(Said<PointChanged>()[0].point.state, PointState::kFaulted);
}

// B37 B7
TEST_F(ShardLinksTest, TheDriverIsToldThatItsPointIsDisconnected) {
  Online();
  const Session session = Charging();
  outbox_.clear();
  Advance(absl::Seconds(3));
  const auto updates = Outbox<StatusUpdate>();
  ASSERT_THAT(updates, SizeIs(1));
  EXPECT_EQ(updates[0].session.id, session.id);
  EXPECT_EQ(updates[0].point, PointState::kDisconnected);
}

}  // namespace
}  // namespace ev::central
