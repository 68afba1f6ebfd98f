#include "services/engine/core/engine.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/engine/engine_world.h"

namespace ev::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EngineTest : public ::testing::Test, protected EngineWorld {};

// ---- A charge.

// B10
TEST_F(EngineTest, AChargeHasAStartASampleEachSecondAndAFinalWithTheMetersFigures) {
  const Grant grant = StartCharge();
  Advance(absl::Milliseconds(5500));
  EXPECT_EQ(Stop(grant.session).verdict, Verdict::kStopped);

  ASSERT_THAT(facts, SizeIs(7));
  for (std::size_t i = 0; i < facts.size(); ++i) {
    EXPECT_EQ(facts[i].sequence, static_cast<std::int64_t>(i));
    EXPECT_EQ(facts[i].session, grant.session);
    EXPECT_EQ(facts[i].cp, cp);
    EXPECT_TRUE(CheckFact(facts[i]).ok()) << CheckFact(facts[i]);
  }
  EXPECT_EQ(facts.front().kind, FactKind::kStart);
  EXPECT_EQ(facts.front().register_mwh, 5'000'000);
  EXPECT_EQ(facts.front().grant, grant);
  EXPECT_EQ(facts[3].kind, FactKind::kSample);
  EXPECT_EQ(facts[3].energy_mwh, 3000);
  EXPECT_EQ(facts[3].power_w, 3600);
  EXPECT_EQ(facts[3].amount_micros, 1050);
  const Fact& final = facts.back();
  EXPECT_EQ(final.kind, FactKind::kFinal);
  EXPECT_EQ(final.register_mwh, 5'005'500);
  EXPECT_EQ(final.energy_mwh, 5500);
  EXPECT_EQ(final.amount_micros, AmountMicros(5500, 350'000));
  EXPECT_EQ(final.end_reason, EndReason::kDriverStop);
  EXPECT_EQ(final.end - final.start, absl::Milliseconds(5500));
  EXPECT_EQ(final.grant, grant);
}

// B8
TEST_F(EngineTest, EnergyFlowsOnlyAfterPlugIn) {
  NewLink();
  const Grant grant = MakeGrant();
  EXPECT_EQ(Prepare(grant).verdict, Verdict::kGranted);
  Advance(absl::Seconds(10));
  EXPECT_EQ(report().occupation->phase, Phase::kGranted);
  EXPECT_THAT(facts, IsEmpty());
  EXPECT_FALSE(contactor_limit.has_value());
  EXPECT_FALSE(charging());
  EXPECT_EQ(register_mwh, 5'000'000);
  PlugIn();
  EXPECT_EQ(report().occupation->phase, Phase::kCharging);
  EXPECT_TRUE(charging());
  EXPECT_TRUE(contactor_limit.has_value());
}

TEST_F(EngineTest, TheContactorClosesOnlyWhenTheStartIsDurable) {
  writes_start = false;
  const Grant grant = StartCharge();
  Advance(absl::Seconds(2));
  EXPECT_FALSE(contactor_limit.has_value());
  EXPECT_EQ(report().occupation->phase, Phase::kCharging);
  core->StartWritten(grant.session, now);
  Settle();
  EXPECT_TRUE(contactor_limit.has_value());
}

TEST_F(EngineTest, AChargeThatEndsBeforeItsStartIsDurableNeverClosesTheContactor) {
  writes_start = false;
  const Grant grant = StartCharge();
  Unplug();
  EXPECT_EQ(LastFinal().energy_mwh, 0);
  core->StartWritten(grant.session, now);
  Settle();
  EXPECT_FALSE(contactor_limit.has_value());
}

// B11
TEST_F(EngineTest, UnpluggingEndsTheCharge) {
  (void)StartCharge();
  Advance(absl::Seconds(2));
  Unplug();
  EXPECT_EQ(LastFinal().end_reason, EndReason::kUnplugged);
  EXPECT_EQ(LastFinal().energy_mwh, 2000);
  EXPECT_FALSE(report().occupation.has_value());
}

// B11 B12
TEST_F(EngineTest, AnEnergyTargetIsReachedToTheLastMwhAndNeverExceeded) {
  (void)StartCharge(EnergyTarget{.energy_mwh = 2345});
  Advance(absl::Seconds(10));
  EXPECT_EQ(LastFinal().end_reason, EndReason::kTargetReached);
  EXPECT_EQ(LastFinal().energy_mwh, 2345);
  EXPECT_EQ(register_mwh, 5'002'345);
}

// B11 B13
TEST_F(EngineTest, AMoneyTargetIsNeverExceeded) {
  (void)StartCharge(AmountTarget{.amount_micros = 1000});
  Advance(absl::Seconds(10));
  const Fact final = LastFinal();
  EXPECT_EQ(final.end_reason, EndReason::kTargetReached);
  EXPECT_LE(final.amount_micros, 1000);
  EXPECT_GT(AmountMicros(final.energy_mwh + 1, 350'000), 1000);
}

// B11 B14
TEST_F(EngineTest, ATimeTargetEndsTheCharge) {
  (void)StartCharge(DurationTarget{.duration = absl::Seconds(4)});
  Advance(absl::Seconds(10));
  EXPECT_EQ(LastFinal().end_reason, EndReason::kTargetReached);
  EXPECT_EQ(LastFinal().energy_mwh, 4000);
}

// B11
TEST_F(EngineTest, AFullVehicleEndsTheCharge) {
  vehicle_full_at = 5'003'000;
  (void)StartCharge();
  Advance(absl::Seconds(10));
  EXPECT_EQ(LastFinal().end_reason, EndReason::kVehicleFull);
  EXPECT_EQ(LastFinal().energy_mwh, 3000);
}

TEST_F(EngineTest, NoSessionExceedsTheMostThatAFactMayCarry) {
  (void)StartCharge();
  EXPECT_EQ(*contactor_limit, 5'000'000 + kMaxSessionEnergyMwh);
}

TEST_F(EngineTest, AWallClockThatGoesBackDoesNotEndAChargeBeforeItsStart) {
  const Grant grant = StartCharge();
  Advance(absl::Seconds(2));
  now.utc -= absl::Hours(1);
  (void)Stop(grant.session);
  EXPECT_TRUE(CheckFact(LastFinal()).ok());
  EXPECT_EQ(LastFinal().end - LastFinal().start, absl::Seconds(2));
}

// ---- Grants and their numbers.

// B74
TEST_F(EngineTest, ANumberThatIsNotNewerIsRefused) {
  NewLink();
  const Grant old = MakeGrant();
  const Grant fresh = MakeGrant();
  EXPECT_EQ(Prepare(fresh).verdict, Verdict::kGranted);
  (void)Cancel(fresh);
  const CommandAnswer answer = Prepare(old);
  EXPECT_EQ(answer.verdict, Verdict::kDenied);
  EXPECT_EQ(answer.denial, DenialReason::kGrantOutdated);
  EXPECT_EQ(Prepare(fresh).denial, DenialReason::kGrantOutdated);
  EXPECT_FALSE(report().occupation.has_value());
}

TEST_F(EngineTest, ARepeatedPrepareGetsTheSameAnswerWhileTheGrantStands) {
  NewLink();
  const Grant grant = MakeGrant();
  EXPECT_EQ(Prepare(grant).verdict, Verdict::kGranted);
  EXPECT_EQ(Prepare(grant).verdict, Verdict::kGranted);
  PlugIn();
  EXPECT_EQ(Prepare(grant).verdict, Verdict::kGranted);
  EXPECT_THAT(Facts(FactKind::kStart), SizeIs(1));
}

TEST_F(EngineTest, ADenialRaisesTheMarkToo) {
  NewLink();
  core->InjectFault("broken", now);
  Settle();
  const Grant grant = MakeGrant();
  const CommandAnswer answer = Prepare(grant);
  EXPECT_EQ(answer.denial, DenialReason::kPointFaulted);
  EXPECT_EQ(answer.mark, grant.number);
  EXPECT_EQ(report().mark, grant.number);
}

TEST_F(EngineTest, ABusyPointDeniesASecondSession) {
  (void)StartCharge();
  EXPECT_EQ(Prepare(MakeGrant()).denial, DenialReason::kPointBusy);
  EXPECT_TRUE(charging());
}

TEST_F(EngineTest, AGrantOfAnotherPointIsDeniedAndDoesNotRaiseTheMark) {
  NewLink();
  Grant grant = MakeGrant();
  grant.cp = CpId("cp_002");
  EXPECT_EQ(Prepare(grant).denial, DenialReason::kWrongPoint);
  EXPECT_EQ(report().mark, GrantNumber());
}

// B9
TEST_F(EngineTest, AnUnusedGrantIsReleasedAfterItsTimeToLive) {
  NewLink();
  (void)Prepare(MakeGrant(), absl::Seconds(30));
  Advance(absl::Milliseconds(29'900));
  EXPECT_TRUE(report().occupation.has_value());
  Advance(absl::Milliseconds(200));
  EXPECT_FALSE(report().occupation.has_value());
  PlugIn();
  EXPECT_FALSE(charging());
  EXPECT_THAT(facts, IsEmpty());
}

// B66 B74
TEST_F(EngineTest, AMarkOutlivesARestart) {
  NewLink();
  const Grant grant = MakeGrant();
  (void)Prepare(grant);
  Restart();
  EXPECT_EQ(report().mark, grant.number);
  (void)Beat();
  Configure();
  EXPECT_EQ(Prepare(grant).denial, DenialReason::kGrantOutdated);
}

// ---- Cancel and stop.

TEST_F(EngineTest, ACancelReleasesAnUnusedGrant) {
  NewLink();
  const Grant grant = MakeGrant();
  (void)Prepare(grant);
  const CommandAnswer answer = Cancel(grant);
  EXPECT_EQ(answer.verdict, Verdict::kCancelled);
  EXPECT_EQ(answer.mark, grant.number);
  EXPECT_FALSE(report().occupation.has_value());
  EXPECT_EQ(Cancel(grant).verdict, Verdict::kCancelled);
}

TEST_F(EngineTest, ACancelOfAGrantNeverSeenRaisesTheMarkSoThatItIsRefusedLater) {
  NewLink();
  const Grant grant = MakeGrant();
  EXPECT_EQ(Cancel(grant).verdict, Verdict::kCancelled);
  EXPECT_EQ(Prepare(grant).denial, DenialReason::kGrantOutdated);
}

// B76
TEST_F(EngineTest, ACancelNeverStopsARunningSession) {
  const Grant grant = StartCharge();
  EXPECT_EQ(Cancel(grant).verdict, Verdict::kRunning);
  EXPECT_TRUE(charging());
}

TEST_F(EngineTest, ACancelOfAnEndedSessionSaysSoEvenWhenItIsSettled) {
  const Grant grant = StartCharge();
  (void)Stop(grant.session);
  EXPECT_EQ(Cancel(grant).verdict, Verdict::kEnded);
  Book(grant.session);
  EXPECT_EQ(Cancel(grant).verdict, Verdict::kEnded);
}

TEST_F(EngineTest, ACancelByNumberOfASessionWhoseFinalWaitsSaysThatItHasEnded) {
  const Grant grant = StartCharge();
  (void)Stop(grant.session);
  Grant by_number = grant;
  by_number.session = SessionId();
  EXPECT_EQ(Cancel(by_number).verdict, Verdict::kEnded);
  Book(grant.session);
  EXPECT_EQ(Cancel(by_number).verdict, Verdict::kCancelled);
}

TEST_F(EngineTest, OfWhatWasDoneByHandTheLast64AreRemembered) {
  EXPECT_TRUE(*core->IsNew("", "Unplug"));
  EXPECT_TRUE(*core->IsNew("", "Unplug")) << "without an id each is new";
  for (int i = 0; i < 65; ++i) EXPECT_TRUE(*core->IsNew(absl::StrCat(i), "Unplug"));
  EXPECT_FALSE(*core->IsNew("1", "Unplug"));
  EXPECT_TRUE(*core->IsNew("0", "Unplug")) << "the oldest is forgotten";
  EXPECT_FALSE(core->IsNew("64", "PlugIn").ok());
}

TEST_F(EngineTest, ACancelOfANewerNumberLeavesTheRunningSessionAlone) {
  const Grant running = StartCharge();
  const Grant newer = MakeGrant();
  EXPECT_EQ(Cancel(newer).verdict, Verdict::kCancelled);
  EXPECT_EQ(report().occupation->session, running.session);
  EXPECT_EQ(report().mark, newer.number);
}

// B78
TEST_F(EngineTest, AStopSaysWhyTheChargeEndedAlsoWhenItIsSettled) {
  const Grant grant = StartCharge();
  EXPECT_EQ(Stop(grant.session, EndReason::kOperatorStop).end_reason, EndReason::kOperatorStop);
  Book(grant.session);
  EXPECT_EQ(Stop(grant.session).verdict, Verdict::kEnded);
  EXPECT_EQ(Stop(grant.session).end_reason, EndReason::kOperatorStop);
}

// B78
TEST_F(EngineTest, AStopBeforePlugInIsACancel) {
  NewLink();
  const Grant grant = MakeGrant();
  (void)Prepare(grant);
  EXPECT_EQ(Stop(grant.session).verdict, Verdict::kCancelled);
  EXPECT_FALSE(report().occupation.has_value());
  EXPECT_THAT(facts, IsEmpty());
}

TEST_F(EngineTest, AStopOfAnEndedOrUnknownSessionChangesNothing) {
  const Grant first = StartCharge();
  Unplug();
  const Grant second = StartCharge();
  EXPECT_EQ(Stop(first.session, EndReason::kOperatorStop).verdict, Verdict::kEnded);
  EXPECT_EQ(Stop(first.session, EndReason::kOperatorStop).end_reason, EndReason::kUnplugged);
  EXPECT_EQ(Stop(SessionId("ffffffffffffffffffffffffffffffff")).verdict, Verdict::kUnknown);
  EXPECT_EQ(report().occupation->session, second.session);
  EXPECT_THAT(Facts(FactKind::kFinal), SizeIs(1));
  EXPECT_EQ(LastFinal().end_reason, EndReason::kUnplugged);
}

// ---- Links.

TEST_F(EngineTest, ANewLinkRaisesTheMarkFirstAndOnlyThenSaysThatItIsConfigured) {
  highest_grant = GrantNumber(41);
  epoch = LinkEpoch(6);
  (void)Beat();
  EXPECT_EQ(report().configured_epoch, LinkEpoch());
  Configure();
  EXPECT_EQ(report().configured_epoch, LinkEpoch(6));
  EXPECT_EQ(report().mark, GrantNumber(41));
}

TEST_F(EngineTest, AnotherConfigurationOfTheSameLinkDoesNotRefuseAGrantOnItsWay) {
  NewLink();
  const Grant grant = MakeGrant();
  Configure();  // Central has counted the grant that is still on its way.
  EXPECT_EQ(Prepare(grant).verdict, Verdict::kGranted);
}

TEST_F(EngineTest, TheNewestLinkWins) {
  NewLink();
  epoch = LinkEpoch(5);
  EXPECT_TRUE(Beat().ok());
  EXPECT_EQ(Prepare(MakeGrant()).denial, DenialReason::kPointNotReady);
  epoch = LinkEpoch(4);
  EXPECT_TRUE(absl::IsAborted(Beat()));
  Configure();
  EXPECT_EQ(report().configured_epoch, LinkEpoch(1));
  EXPECT_FALSE(core->CheckLink(LinkEpoch(4)).ok());
  EXPECT_TRUE(core->CheckLink(LinkEpoch(5)).ok());
}

TEST_F(EngineTest, AnOlderLinksBeatsDoNotKeepAChargeAlive) {
  (void)StartCharge();
  NewLink();
  monitor_speaks = false;
  for (int i = 0; i < 5; ++i) {
    Advance(absl::Seconds(1));
    (void)core->Hear({.cp = cp, .epoch = LinkEpoch(1), .central_age = absl::ZeroDuration()}, now);
    Settle();
  }
  EXPECT_EQ(LastFinal().end_reason, EndReason::kMonitorLost);
}

// B22
TEST_F(EngineTest, AVehiclePluggedInBeforeCentralIsHeardWaitsAndStartsByItself) {
  NewLink();
  const Grant grant = MakeGrant();
  (void)Prepare(grant);
  central_speaks = false;
  Advance(absl::Seconds(4));
  PlugIn();
  EXPECT_FALSE(charging());
  EXPECT_EQ(status().waiting_for, "Central to be heard");
  NewLink();
  EXPECT_TRUE(charging());
  EXPECT_EQ(facts.front().session, grant.session);
}

// B22
TEST_F(EngineTest, CentralCountsAsHeardForThreeSeconds) {
  for (const absl::Duration silence : {absl::Milliseconds(2900), absl::Milliseconds(3100)}) {
    NewLink();
    (void)Prepare(MakeGrant());
    central_speaks = false;  // The Monitor is there all the time.
    Advance(silence);
    PlugIn();
    EXPECT_EQ(charging(), silence < absl::Seconds(3)) << silence;
    Unplug();
  }
}

// B22
TEST_F(EngineTest, AVehiclePluggedInBeforeTheNewLinksConfigurationWaitsForIt) {
  NewLink();
  (void)Prepare(MakeGrant());
  epoch = epoch.Next();
  (void)Beat();
  PlugIn();
  EXPECT_FALSE(charging());
  EXPECT_EQ(status().waiting_for, "this link's configuration");
  Configure();
  EXPECT_TRUE(charging());
}

TEST_F(EngineTest, ANewLinkDoesNotInheritThatCentralWasHeard) {
  NewLink();
  (void)Prepare(MakeGrant());
  epoch = epoch.Next();
  central_speaks = false;
  (void)Beat();
  Configure();
  PlugIn();
  EXPECT_FALSE(charging());
  central_speaks = true;
  (void)Beat();
  EXPECT_TRUE(charging());
}

TEST_F(EngineTest, AVehicleThatWaitsLongerThanTheGrantLivesGetsNothing) {
  NewLink();
  (void)Prepare(MakeGrant(), absl::Seconds(5));
  central_speaks = false;
  Advance(absl::Seconds(4));
  PlugIn();
  Advance(absl::Seconds(2));
  central_speaks = true;
  (void)Beat();
  EXPECT_FALSE(charging());
  EXPECT_THAT(facts, IsEmpty());
}

// B56
TEST_F(EngineTest, ARunningChargeGoesOnWithoutCentral) {
  (void)StartCharge();
  central_speaks = false;
  Advance(absl::Seconds(20));
  EXPECT_TRUE(charging());
}

// B220
TEST_F(EngineTest, WhatIsSaidOfAChargeHasItsTraceToItsBooking) {
  NewLink();
  Grant grant = MakeGrant();
  grant.trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736");
  (void)Prepare(grant);
  PlugIn();
  Advance(absl::Seconds(3));
  Unplug();
  Book(grant.session);
  EXPECT_THAT(traced_notes["4bf92f3577b34da6a3ce929d0e0e4736"],
              ElementsAre("reserved", "vehicle plugged in", "charging started", "vehicle unplugged", "charging ended",
                          "Central has booked the charge"));
  EXPECT_FALSE(facts.empty());
  for (const Fact& fact : facts) EXPECT_EQ(fact.grant.trace, grant.trace);
}

// B222
TEST_F(EngineTest, AChargeThatARestartCutOffKeepsItsTrace) {
  NewLink();
  Grant grant = MakeGrant();
  grant.trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736");
  (void)Prepare(grant);
  PlugIn();
  traced_notes.clear();
  Restart();
  EXPECT_EQ(LastFinal().grant.trace, grant.trace);
  Book(grant.session);
  EXPECT_THAT(traced_notes["4bf92f3577b34da6a3ce929d0e0e4736"],
              ElementsAre("a session was cut off and is closed by the meter", "Central has booked the charge"));
}

// B220
TEST_F(EngineTest, ARequestMadeHereGoesUpInItsTraceAndOneWithoutBeginsOne) {
  NewLink();
  const Trace trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736");
  core->RequestSession(1, {.request_id = "r1", .driver = DriverId("ann"), .target = {}, .waited = {}, .trace = trace},
                       now);
  core->RequestSession(2, {.request_id = "r2", .driver = DriverId("ann"), .target = {}, .waited = {}}, now);
  Settle();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].trace, trace);
  EXPECT_FALSE(requests[1].trace.empty());
  EXPECT_NE(requests[1].trace, trace);
  core->AnswerRequest({.request_id = "r1", .session = std::nullopt, .denial = DenialReason::kPointBusy, .text = ""},
                      now);
  Settle();
  EXPECT_THAT(traced_notes["4bf92f3577b34da6a3ce929d0e0e4736"],
              ElementsAre("a charge is asked for at the charging point", "request denied"));
}

// B56
TEST_F(EngineTest, ItSaysOnceThatCentralCannotBeReachedAndOnceThatItIsBack) {
  NewLink();
  notes.clear();
  central_speaks = false;
  Advance(absl::Seconds(10));
  EXPECT_THAT(notes, ElementsAre(HasSubstr("Central cannot be reached")));
  notes.clear();
  central_speaks = true;
  Advance(absl::Seconds(3));
  EXPECT_THAT(notes, ElementsAre("Central is heard"));
}

// B11
TEST_F(EngineTest, ACauseOfBeingOutOfServiceEndsTheChargeAndRefusesNewOnes) {
  (void)StartCharge();
  Configure({{.cause = Cause::kOperator, .who = "op", .reason = "", .since = now.utc}});
  EXPECT_EQ(LastFinal().end_reason, EndReason::kOperatorStop);
  EXPECT_EQ(Prepare(MakeGrant()).denial, DenialReason::kPointStopped);
  Configure();
  EXPECT_EQ(Prepare(MakeGrant()).verdict, Verdict::kGranted);
}

TEST_F(EngineTest, EnergyDoesNotStartWhileOutOfService) {
  NewLink();
  (void)Prepare(MakeGrant());
  Configure({{.cause = Cause::kWeather, .who = "op", .reason = "", .since = now.utc}});
  PlugIn();
  EXPECT_FALSE(charging());
  Configure();
  EXPECT_TRUE(charging());
}

// B136
TEST_F(EngineTest, AnotherChargingPointIsRefusedWhileTheJournalHoldsFacts) {
  const Grant grant = StartCharge();
  (void)Stop(grant.session);
  monitor_speaks = false;
  Advance(absl::Seconds(10));
  cp = CpId("cp_002");
  EXPECT_TRUE(absl::IsFailedPrecondition(Beat()));
  EXPECT_EQ(status().cp, CpId("cp_001"));
  Book(grant.session);
  EXPECT_TRUE(Beat().ok());
  EXPECT_EQ(status().cp, CpId("cp_002"));
}

TEST_F(EngineTest, AnotherChargingPointIsRefusedWhileTheMonitorIsThere) {
  NewLink();
  cp = CpId("cp_002");
  EXPECT_TRUE(absl::IsFailedPrecondition(Beat()));
  EXPECT_EQ(status().cp, CpId("cp_001"));
}

TEST_F(EngineTest, TheJournalsPointIsRememberedOverARestart) {
  const Grant grant = StartCharge();
  (void)Stop(grant.session);
  Restart();
  cp = CpId("cp_002");
  EXPECT_TRUE(absl::IsFailedPrecondition(Beat()));
}

// ---- The Monitor's silence.

// B11 B50
TEST_F(EngineTest, ASilentMonitorEndsTheChargeWithinThreeSecondsAndItsResultIsKept) {
  const Grant grant = StartCharge();
  monitor_speaks = false;
  Advance(absl::Milliseconds(2900));
  EXPECT_TRUE(charging());
  Advance(absl::Milliseconds(200));
  EXPECT_EQ(LastFinal().end_reason, EndReason::kMonitorLost);
  EXPECT_THAT(report().unsettled,
              ElementsAre(Unsettled{.session = grant.session, .number = grant.number, .start = true, .final = true}));
}

// B50
TEST_F(EngineTest, WithoutAMonitorThereIsNoChargeNotEvenAManualOne) {
  EXPECT_EQ(Prepare(MakeGrant()).denial, DenialReason::kMonitorMissing);
  NewLink();
  monitor_speaks = false;
  Advance(absl::Seconds(4));
  EXPECT_EQ(Prepare(MakeGrant()).denial, DenialReason::kMonitorMissing);
  core->RequestSession(1, {.request_id = "r", .driver = DriverId("d"), .target = {}, .waited = {}}, now);
  Settle();
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].answer.denial, DenialReason::kMonitorMissing);
  (void)Beat();
  EXPECT_EQ(Prepare(MakeGrant()).verdict, Verdict::kGranted);
}

TEST_F(EngineTest, AGrantedVehicleDoesNotStartWhileTheMonitorIsGone) {
  NewLink();
  (void)Prepare(MakeGrant());
  monitor_speaks = false;
  Advance(absl::Seconds(4));
  PlugIn();
  EXPECT_FALSE(charging());
  (void)Beat();
  EXPECT_TRUE(charging());
}

TEST_F(EngineTest, AMonitorWithoutALinkYetKeepsAChargeAliveButStartsNone) {
  (void)StartCharge();
  epoch = LinkEpoch();  // The Monitor was restarted while Central is away.
  central_speaks = false;
  Advance(absl::Seconds(10));
  EXPECT_TRUE(charging());
  Unplug();
  EXPECT_EQ(Prepare(MakeGrant()).verdict, Verdict::kGranted);
  PlugIn();
  EXPECT_FALSE(charging());
}

TEST_F(EngineTest, AProcessThatWasStoppedListensBeforeItGivesItsMonitorUp) {
  (void)StartCharge();
  now.monotonic += absl::Seconds(20);
  now.utc += absl::Seconds(20);
  core->Tick(Read(), now);
  Settle();
  EXPECT_TRUE(charging());
  (void)Beat();
  Advance(absl::Seconds(2));
  EXPECT_TRUE(charging());
  monitor_speaks = false;
  now.monotonic += absl::Seconds(20);
  Advance(absl::Milliseconds(1100));
  EXPECT_EQ(LastFinal().end_reason, EndReason::kMonitorLost);
}

TEST_F(EngineTest, APauseDoesNotBringALostMonitorBack) {
  NewLink();
  monitor_speaks = false;
  Advance(absl::Seconds(10));
  now.monotonic += absl::Seconds(20);
  core->Tick(Read(), now);
  EXPECT_FALSE(status().monitor_present);
}

// ---- Faults.

// B11 B54
TEST_F(EngineTest, AFaultEndsTheChargeAtOnceAndThePointIsAvailableAgainWhenItIsCleared) {
  (void)StartCharge();
  Advance(absl::Seconds(1));
  core->InjectFault("ground fault", now);
  Settle();
  EXPECT_EQ(LastFinal().end_reason, EndReason::kFault);
  EXPECT_EQ(report().health, EngineHealth::kFaulted);
  EXPECT_EQ(report().fault, "ground fault");
  core->ClearFault(now);
  Settle();
  EXPECT_EQ(report().health, EngineHealth::kHealthy);
  EXPECT_EQ(Prepare(MakeGrant()).verdict, Verdict::kGranted);
}

TEST_F(EngineTest, AFaultReleasesAReservation) {
  NewLink();
  (void)Prepare(MakeGrant());
  core->InjectFault("", now);
  Settle();
  EXPECT_FALSE(report().occupation.has_value());
  EXPECT_FALSE(report().fault.empty());
}

// ---- What Central has not settled.

TEST_F(EngineTest, StartsAndFinalsAreListedOldestFirstUntilTheyAreSettled) {
  const Grant first = StartCharge();
  EXPECT_THAT(report().unsettled, ElementsAre(Unsettled{first.session, first.number, true, false}));
  Book(first.session, /*start=*/true, /*final=*/false);
  EXPECT_THAT(report().unsettled, IsEmpty());
  Unplug();
  const Grant second = StartCharge();
  EXPECT_THAT(report().unsettled, ElementsAre(Unsettled{first.session, first.number, false, true},
                                              Unsettled{second.session, second.number, true, false}));
  Book(first.session);
  Book(first.session);
  EXPECT_THAT(report().unsettled, ElementsAre(Unsettled{second.session, second.number, true, false}));
  EXPECT_EQ(log.Stats().starts_and_finals, 1);
}

// B203
TEST_F(EngineTest, TheOldestFactThatIsNotBookedIsTheOneWhoseTimeIsTold) {
  EXPECT_EQ(status().oldest_unsettled, std::nullopt);
  const Grant first = StartCharge();
  const absl::Time started = Facts(FactKind::kStart)[0].time;
  EXPECT_EQ(status().oldest_unsettled, started);
  Advance(absl::Minutes(10));
  Unplug();
  const absl::Time ended = LastFinal().time;
  ASSERT_GT(ended, started);
  EXPECT_EQ(status().oldest_unsettled, started) << "the start still waits";
  Book(first.session, /*start=*/true, /*final=*/false);
  EXPECT_EQ(status().oldest_unsettled, ended);
  const Grant second = StartCharge();
  EXPECT_EQ(status().oldest_unsettled, ended);
  Book(first.session);
  EXPECT_EQ(status().oldest_unsettled, Facts(FactKind::kStart)[1].time);
  Book(second.session);
  EXPECT_EQ(status().oldest_unsettled, std::nullopt);
}

TEST_F(EngineTest, ARefusedFactFreesItsRoomAndIsKeptInQuarantine) {
  const Grant grant = StartCharge();
  Unplug();
  Refuse(Facts(FactKind::kStart)[0]);
  EXPECT_THAT(report().unsettled, ElementsAre(Unsettled{grant.session, grant.number, false, true}));
  Refuse(LastFinal());
  EXPECT_EQ(report().unsettled_total, 0);
  EXPECT_EQ(log.Stats().quarantined, 2);
}

// B95
TEST_F(EngineTest, ARefusalOfAnotherFactOfTheSessionSettlesNothing) {
  const Grant grant = StartCharge();
  Unplug();
  for (Fact stranger : {Facts(FactKind::kStart)[0], LastFinal()}) {
    stranger.message_id = ids.NewMessageId(now.utc);
    Refuse(stranger);
  }
  EXPECT_THAT(report().unsettled, ElementsAre(Unsettled{grant.session, grant.number, true, true}));
  EXPECT_EQ(log.Stats().quarantined, 0);
  EXPECT_EQ(log.Stats().starts_and_finals, 2);
}

TEST_F(EngineTest, ALongListIsCutAndItsTotalIsTold) {
  for (int i = 0; i < 70; ++i) {
    (void)StartCharge();
    Unplug();
  }
  EXPECT_THAT(report().unsettled, SizeIs(kMaxUnsettledListed));
  EXPECT_EQ(report().unsettled_total, 70);
}

TEST_F(EngineTest, UnsettledFactsAreProducedAgainAtEachLinkUpAndEveryThirtySeconds) {
  (void)StartCharge();
  const int before = produced_again;
  NewLink();
  EXPECT_EQ(produced_again, before + 1);
  Configure();
  EXPECT_EQ(produced_again, before + 1) << "only a new link, not each configuration";
  Advance(absl::Seconds(29));
  EXPECT_EQ(produced_again, before + 1);
  Advance(absl::Seconds(2));
  EXPECT_EQ(produced_again, before + 2);
  Unplug();
  Book(LastFinal().session);
  Advance(absl::Seconds(60));
  EXPECT_EQ(produced_again, before + 2) << "nothing is unsettled";
}

TEST_F(EngineTest, ASessionIsAcceptedOnlyWhileItsStartAndFinalFit) {
  EngineWorld small(ManualPlug(), /*capacity=*/6);
  const Grant first = small.StartCharge();
  small.Advance(absl::Seconds(20));
  small.Unplug();
  (void)small.StartCharge();
  small.Advance(absl::Seconds(20));
  small.Unplug();
  EXPECT_EQ(small.Facts(FactKind::kFinal).size(), 2u) << "samples give way to starts and finals";
  EXPECT_EQ(small.Prepare(small.MakeGrant()).denial, DenialReason::kJournalFull);
  EXPECT_EQ(small.report().journal_room, 2) << "a start and a final would fit, but no sample";
  EXPECT_TRUE(small.report().journal_full);
  small.Book(first.session);
  EXPECT_EQ(small.Prepare(small.MakeGrant()).verdict, Verdict::kGranted);
  EXPECT_EQ(small.report().journal_room, 2) << "two kept, two reserved, two free";
}

TEST_F(EngineTest, AChargeWhoseSamplesCannotBeKeptEnds) {
  (void)StartCharge();
  log_failure = absl::DataLossError("disk on fire");
  Advance(absl::Seconds(1));
  EXPECT_EQ(LastFinal().end_reason, EndReason::kJournalFull);
}

// ---- The end and a restart.

TEST_F(EngineTest, AnEngineThatIsStoppedEndsItsChargeAndStartsNoOther) {
  (void)StartCharge();
  Advance(absl::Seconds(2));
  core->ShutDown(now);
  Settle();
  EXPECT_EQ(LastFinal().end_reason, EndReason::kEngineRestarted);
  EXPECT_EQ(LastFinal().energy_mwh, 2000);
  EXPECT_EQ(Prepare(MakeGrant()).denial, DenialReason::kPointNotReady);
}

// B51 B66
TEST_F(EngineTest, ASessionThatWasCutOffIsClosedWithTheMetersFiguresAndNotResumed) {
  const Grant grant = StartCharge();
  Advance(absl::Milliseconds(2500));
  now.monotonic = absl::Seconds(1);  // Another process, another start of its clock.
  next_beat = now.monotonic;
  Restart();
  const Fact final = LastFinal();
  EXPECT_EQ(final.session, grant.session);
  EXPECT_EQ(final.end_reason, EndReason::kEngineRestarted);
  EXPECT_EQ(final.energy_mwh, 2500);
  EXPECT_EQ(final.register_mwh, 5'002'500);
  EXPECT_EQ(final.sequence, 3);
  EXPECT_TRUE(CheckFact(final).ok()) << CheckFact(final);
  EXPECT_FALSE(report().occupation.has_value());
  EXPECT_THAT(report().unsettled, ElementsAre(Unsettled{grant.session, grant.number, true, true}));
  Restart();
  EXPECT_THAT(Facts(FactKind::kFinal), SizeIs(1)) << "closed once";
}

TEST_F(EngineTest, AMeterThatLostItsRegisterTakesNoEnergyBackThatWasAlreadyTold) {
  (void)StartCharge();
  Advance(absl::Seconds(3));
  register_mwh = 0;
  Restart();
  EXPECT_EQ(LastFinal().energy_mwh, 3000);
  EXPECT_TRUE(CheckFact(LastFinal()).ok());
}

// ---- Plugs.

TEST_F(EngineTest, TheVehicleOfTheLastChargeDoesNotChargeOnTheNextDriversBill) {
  const Grant first = StartCharge();
  (void)Stop(first.session);
  (void)Prepare(MakeGrant());
  Advance(absl::Seconds(2));
  EXPECT_FALSE(charging());
  Unplug();
  PlugIn();
  EXPECT_TRUE(charging());
}

TEST_F(EngineTest, AVehicleThatWasThereFirstStartsWithTheGrant) {
  NewLink();
  PlugIn();
  EXPECT_FALSE(charging());
  (void)Prepare(MakeGrant());
  EXPECT_TRUE(charging());
}

TEST_F(EngineTest, TheSimulatedDriverPlugsInAfterTheGrantAndUnplugsAfterTheCharge) {
  EngineWorld world((EngineOptions()));
  world.NewLink();
  const Grant grant = world.MakeGrant(EnergyTarget{.energy_mwh = 2000});
  (void)world.Prepare(grant);
  EXPECT_FALSE(world.report().plugged_in);
  world.Advance(absl::Milliseconds(1200));
  EXPECT_TRUE(world.charging());
  world.Advance(absl::Seconds(3));
  EXPECT_EQ(world.LastFinal().end_reason, EndReason::kTargetReached);
  EXPECT_FALSE(world.report().plugged_in);
  (void)world.Prepare(world.MakeGrant());
  world.Advance(absl::Milliseconds(1200));
  EXPECT_TRUE(world.charging());
}

// ---- Requests at the charging point.

class EngineRequestTest : public EngineTest {
 protected:
  void Ask(RequestToken token, std::string id) {
    core->RequestSession(
        token, {.request_id = std::move(id), .driver = DriverId("driver_9"), .target = {}, .waited = {}}, now);
    Settle();
  }
};

TEST_F(EngineRequestTest, ARequestGoesUpAndItsAnswerComesBack) {
  NewLink();
  Ask(1, "req");
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].request_id, "req");
  EXPECT_THAT(results, IsEmpty());
  core->AnswerRequest({.request_id = "req", .session = SessionId("s"), .denial = DenialReason::kNone, .text = ""}, now);
  Settle();
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].token, 1);
  EXPECT_EQ(results[0].answer.session, SessionId("s"));
}

// B156
TEST_F(EngineRequestTest, ARepeatGoesUpAlthoughThePointIsBusyWithTheFirstAndAnUnnamedRequestDoesNot) {
  StartCharge();
  Ask(1, "req");
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_THAT(results, IsEmpty());
  Ask(2, "");
  EXPECT_THAT(requests, SizeIs(1));
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].answer.denial, DenialReason::kPointBusy);
}

TEST_F(EngineRequestTest, ARequestThatCentralDoesNotAnswerIsDeniedAfterItsTimeToLive) {
  NewLink();
  Ask(1, "");
  EXPECT_FALSE(requests.at(0).request_id.empty());
  Advance(absl::Seconds(11));
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].answer.denial, DenialReason::kRequestExpired);
}

TEST_F(EngineRequestTest, ARequestIsDeniedAtOnceWhenCentralIsNotHeard) {
  NewLink();
  central_speaks = false;
  Advance(absl::Seconds(4));
  Ask(1, "req");
  EXPECT_THAT(requests, IsEmpty());
  EXPECT_EQ(results.at(0).answer.denial, DenialReason::kCentralUnreachable);
}

// B122
TEST_F(EngineRequestTest, WaitingRequestsAreBounded) {
  NewLink();
  for (int i = 0; i < 20; ++i) Ask(i, "");
  EXPECT_THAT(requests, SizeIs(16));
  EXPECT_THAT(results, SizeIs(4));
}

// ---- Reports.

TEST_F(EngineTest, AStatusIsGivenEverySecondAndAtOnceWhenSomethingChanges) {
  NewLink();
  Advance(absl::Seconds(1));
  statuses.clear();
  Advance(absl::Seconds(10));
  EXPECT_GE(statuses.size(), 9u);
  EXPECT_LE(statuses.size(), 11u);
  const std::size_t before = statuses.size();
  (void)Prepare(MakeGrant());
  EXPECT_EQ(statuses.size(), before + 1);
  EXPECT_TRUE(statuses.back().report.occupation.has_value());
}

}  // namespace
}  // namespace ev::engine
