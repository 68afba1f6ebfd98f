// What becomes of a charge, by what Central tells.

#include "tests/unit/driver/drivers_test_base.h"

namespace ev::driver {
namespace {

using DriversChargesTest = DriversTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(DriversChargesTest, AnUnconfirmedSessionIsToldAndFollowedToItsEnd) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, Session(1, SessionState::kUnconfirmed, 1), out_);
  EV_EXPECT_OK(Drain<Answered>().at(0).result);
  EXPECT_THAT(Drain<Concluded>(), IsEmpty());
  News(Session(1, SessionState::kCharging, 2));
  EXPECT_THAT(Drain<Concluded>(), IsEmpty());
  News(Session(1, SessionState::kCompleted, 3));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kUnconfirmed, SessionState::kCharging, SessionState::kCompleted));
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_EQ(concluded[0].call, call);
  EXPECT_TRUE(IsSuccess(concluded[0].conclusion));
  EXPECT_TRUE(core_.View(kDriver).last_ticket.has_value());
}

TEST_F(DriversChargesTest, WhatIsNotNewerIsDropped) {
  Connect();
  News(Session(1, SessionState::kCharging, 5));
  News(Session(1, SessionState::kGranted, 5));
  News(Session(1, SessionState::kGranted, 4));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kCharging));
  Charge restored = Session(1, SessionState::kAwaitingFinal, 1);
  restored.revision.incarnation = 2;
  News(restored);
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kAwaitingFinal));
}

TEST_F(DriversChargesTest, ALateSampleDoesNotOpenAFinishedSessionAgain) {
  Connect();
  News(Session(1, SessionState::kCharging, 1));
  News(Session(1, SessionState::kCompleted, 3));
  News(Session(1, SessionState::kCharging, 2));
  News(Session(1, SessionState::kCharging, 9));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kCharging, SessionState::kCompleted));
  EXPECT_THAT(core_.View(kDriver).open, IsEmpty());
}

TEST_F(DriversChargesTest, ADeniedSessionThatDeliveredEnergyAfterAllGetsItsTicket) {
  Connect();
  News(Session(1, SessionState::kDenied, 1));
  News(Session(1, SessionState::kCompleted, 2));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kDenied, SessionState::kCompleted));
}

TEST_F(DriversChargesTest, AnAnswerOlderThanTheStreamConcludesAtOnce) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  News(Session(1, SessionState::kCompleted, 7));
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 2), out_);
  EXPECT_THAT(Drain<Answered>(), SizeIs(1));
  EXPECT_THAT(Drain<Concluded>(), SizeIs(1));
  EXPECT_THAT(ToldStates(), ElementsAre(SessionState::kCompleted));
}

TEST_F(DriversChargesTest, ASessionThatEndedWhileNobodyListenedIsAskedFor) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 1), out_);
  News(Session(2, SessionState::kCharging, 1));
  core_.OnWatchClosed(Now(), kDriver, watch_, kRefused, out_);
  Pass(absl::Seconds(1));
  watch_ = Watch();
  News(Session(2, SessionState::kCharging, 2));
  core_.OnWatchSnapshot(Now(), kDriver, watch_, out_);
  const auto gets = Drain<SendGet>();
  ASSERT_THAT(gets, SizeIs(1)) << "the one that the snapshot has is not asked for";
  EXPECT_EQ(gets[0].session, Id(1));
  core_.OnFetched(Now(), kDriver, Id(1), Session(1, SessionState::kCompleted, 9), out_);
  EXPECT_THAT(Drain<Concluded>(), SizeIs(1));
}

TEST_F(DriversChargesTest, ASessionWithoutNewsIsAskedForUntilThereIsAnAnswer) {
  Connect();
  News(Session(1, SessionState::kAwaitingFinal, 1));
  for (int i = 0; i < 2; ++i) {
    core_.OnWatchHeartbeat(Now(), kDriver, watch_, out_);
    Pass(absl::Seconds(14));
  }
  EXPECT_THAT(Drain<SendGet>(), IsEmpty());
  core_.OnWatchHeartbeat(Now(), kDriver, watch_, out_);
  Pass(absl::Seconds(3));
  EXPECT_THAT(Drain<SendGet>(), SizeIs(1)) << "one at a time";
  core_.OnFetched(Now(), kDriver, Id(1), absl::DeadlineExceededError("slow"), out_);
  Pass(absl::Seconds(6));
  EXPECT_THAT(Drain<SendGet>(), SizeIs(1));
}

TEST_F(DriversChargesTest, ASessionThatCentralDoesNotKnowAnyMoreIsAFailureAndNotWaitedFor) {
  Connect();
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, Session(1, SessionState::kGranted, 1), out_);
  core_.OnFetched(Now(), kDriver, Id(1), absl::NotFoundError("no"), out_);
  const auto concluded = Drain<Concluded>();
  ASSERT_THAT(concluded, SizeIs(1));
  EXPECT_FALSE(IsSuccess(concluded[0].conclusion));
  EXPECT_THAT(core_.View(kDriver).open, IsEmpty());
}

TEST_F(DriversChargesTest, ASessionOfAnotherDriverIsNotTaken) {
  Connect();
  Charge foreign = Session(1, SessionState::kCharging, 1);
  foreign.driver = DriverId("driver_002");
  News(foreign);
  EXPECT_THAT(ToldStates(), IsEmpty());
  const CallId call = Start(/*to_the_end=*/true);
  core_.OnAnswer(Now(), call, foreign, out_);
  EXPECT_THAT(Drain<Concluded>(), SizeIs(1)) << "nobody waits for ever";
}

TEST_F(DriversChargesTest, NewsFromTheLogKeepsWhatItDoesNotTell) {
  Connect();
  Charge full = Session(1, SessionState::kGranted, 1);
  full.target = EnergyTarget{10};
  full.requested = absl::FromUnixSeconds(7);
  News(full);
  Charge update = Session(1, SessionState::kCharging, 2);
  update.energy_mwh = 5;
  core_.OnNews(Now(), update, out_);
  const auto open = core_.View(kDriver).open;
  ASSERT_THAT(open, SizeIs(1));
  EXPECT_EQ(open[0].state, SessionState::kCharging);
  EXPECT_EQ(open[0].energy_mwh, 5);
  EXPECT_EQ(open[0].target, full.target);
  EXPECT_EQ(open[0].requested, full.requested);

  core_.OnNews(Now(), Session(1, SessionState::kCompleted, 3), out_);
  Charge adjusted = Session(1, SessionState::kCompleted, 4);
  adjusted.adjustment = Ticket{.session = Id(1), .kind = TicketKind::kAdjustment};
  adjusted.ticket.reset();
  Drain<Told>();
  core_.OnNews(Now(), adjusted, out_);
  const auto told = Drain<Told>();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_TRUE(std::get<ChargeChange>(told[0].event).charge.ticket.has_value());
  EXPECT_TRUE(std::get<ChargeChange>(told[0].event).charge.adjustment.has_value());
}

TEST_F(DriversChargesTest, NewsOfADriverWhoIsNotFollowedIsNothing) {
  core_.OnNews(Now(), Session(1, SessionState::kCharging, 2), out_);
  EXPECT_THAT(out_, IsEmpty());
}

}  // namespace
}  // namespace ev::driver
