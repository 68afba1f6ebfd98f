// What is booked, and what is dropped because it is known.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardFactsTest = ShardTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// B10
TEST_F(ShardFactsTest, ASampleIsSeenByWatchersWithCentralsOwnAmount) {
  Online();
  const Session session = Charging();
  Fact sample = SampleOf(session, 1, 2'000'000);
  sample.amount_micros = 1;  // Whatever the charging point shows.
  Feed({sample});
  const auto changes = Said<SessionChanged>();
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].session.energy_mwh, 2'000'000);
  EXPECT_EQ(changes[0].session.power_w, 11'000);
  EXPECT_EQ(changes[0].session.amount_micros, 700'000);
  EXPECT_EQ(changes[0].point, PointState::kCharging);
  ASSERT_THAT(Said<PointChanged>(), SizeIs(1));
  EXPECT_EQ(Said<PointChanged>()[0].point.session->energy_mwh, 2'000'000);
  // A live figure is no promise: only transitions go through the outbox.
  EXPECT_EQ(Outbox<StatusUpdate>().back().session.energy_mwh, 0);
}

// B15 B20
TEST_F(ShardFactsTest, TheFinalIsBookedOnceAndMakesOneTicket) {
  Online();
  const Session session = Charging();
  const Fact final = FinalOf(session, 3, 1'234'567);
  Feed({SampleOf(session, 1, 400'000), final});
  const auto tickets = Tickets(session.id);
  ASSERT_THAT(tickets, SizeIs(1));
  EXPECT_EQ(tickets[0].energy_mwh, 1'234'567);
  EXPECT_EQ(tickets[0].amount_micros, 432'098);  // 432098.45
  EXPECT_EQ(tickets[0].driver, kDriver);
  EXPECT_EQ(tickets[0].cp, kCp);
  EXPECT_EQ(tickets[0].number, session.number);
  EXPECT_EQ(tickets[0].price, session.price);
  EXPECT_EQ(tickets[0].start, final.start);
  EXPECT_EQ(tickets[0].end, final.end);
  EXPECT_EQ(tickets[0].issued, now_.utc);
  EXPECT_EQ(tickets[0].end_reason, EndReason::kUnplugged);
  EXPECT_FALSE(tickets[0].estimated);
  EXPECT_FALSE(tickets[0].recovered);
  const Session booked = Get(session.id);
  EXPECT_EQ(booked.state, SessionState::kCompleted);
  EXPECT_EQ(booked.amount_micros, tickets[0].amount_micros);
  EXPECT_EQ(booked.power_w, 0);
  EXPECT_EQ(Outbox<StatusUpdate>().back().ticket, tickets[0]);
  EXPECT_THAT(store_.CheckIntegrity(), IsOk());
}

// B19 B2
TEST_F(ShardFactsTest, ThePriceOfTheSessionIsTheOneOfItsGrantWhateverComesLater) {
  Online();
  const Session session = Charging();
  Run([&](Effects& out) {
    shard().UpdatePoint(now_,
                        {.call = NewCall(),
                         .cp = kCp,
                         .location = std::nullopt,
                         .site = std::nullopt,
                         .price = Price{.micros_per_kwh = 999'000, .currency = "EUR"}},
                        out);
  });
  Fact final = FinalOf(session, 1, 1'000'000);
  final.grant.price.micros_per_kwh = 1;  // A charging point that would set its own price.
  final.amount_micros = 1;
  Feed({final});
  EXPECT_EQ(Tickets(session.id)[0].amount_micros, 350'000);
  EXPECT_EQ(Tickets(session.id)[0].price.micros_per_kwh, 350'000);
}

// B125
TEST_F(ShardFactsTest, TheDriverOfTheGrantIsBilledWhateverAFactSays) {
  Online();
  const Session session = Charging(DriverId("a"));
  Fact final = FinalOf(session, 1, 1'000'000);
  final.grant.driver = DriverId("b");
  Feed({final});
  EXPECT_EQ(Tickets(session.id)[0].driver, DriverId("a"));
}

// B98 B223
TEST_F(ShardFactsTest, AnAmountThatDiffersRaisesAnAlertAndTheBillIsCentrals) {
  Online();
  const Session session = Charging();
  Fact final = FinalOf(session, 1, 1'000'000);
  final.amount_micros = 350'001;
  Feed({final});
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kAmountDiffers));
  ASSERT_FALSE(session.trace.empty());
  EXPECT_EQ(Outbox<Alert>()[0].trace, session.trace);
  EXPECT_EQ(Tickets(session.id)[0].amount_micros, 350'000);
}

TEST_F(ShardFactsTest, AFinalBelowASampleIsBookedAndRaisesAnAlert) {
  Online();
  const Session session = Charging();
  Feed({SampleOf(session, 1, 2000), FinalOf(session, 2, 1000)});
  EXPECT_EQ(Tickets(session.id)[0].energy_mwh, 1000);
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kAmountDiffers));
}

// --- repeats ---------------------------------------------------------------------------------------------------------

// B91 B15
TEST_F(ShardFactsTest, ARepeatIsDroppedByItsId) {
  Online();
  const Session session = Charging();
  const Fact sample = SampleOf(session, 1, 1000);
  const Fact final = FinalOf(session, 2, 2000);
  Feed({sample, sample, final, final, sample});
  EXPECT_EQ(shard().counters().duplicates_lru, 3);
  EXPECT_EQ(shard().counters().facts_applied, 3);
  EXPECT_THAT(Tickets(session.id), SizeIs(1));
}

// B91 B65
TEST_F(ShardFactsTest, AnIdOfAnotherFactHidesNoStartAndNoFinal) {
  Online();
  const Session first = Charging();
  const Fact sample = SampleOf(first, 1, 1000);
  Fact final = FinalOf(first, 2, 2000);
  final.message_id = sample.message_id;
  Feed({sample, final});
  EXPECT_THAT(Tickets(first.id), SizeIs(1));
  EXPECT_EQ(shard().counters().duplicates_lru, 0);
  Feed({final});
  EXPECT_EQ(shard().counters().duplicates_lru, 1);
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{first.id, false, true, false, ""}));

  Beat(Idle(first.number.value()));
  const Session second = Grant();
  Fact start = StartOf(second);
  start.message_id = sample.message_id;
  Feed({start});
  EXPECT_EQ(Get(second.id).state, SessionState::kCharging);
  EXPECT_TRUE(Get(second.id).start_booked);
}

// B91 B113
TEST_F(ShardFactsTest, WhatTheIdsHaveForgottenTheLedgerStillRefuses) {
  Online();
  const Session session = Charging();
  const Fact start = StartOf(session);
  const Fact sample = SampleOf(session, 1, 1000);
  Feed({sample});
  Restart();  // The ids are gone.
  Feed({start, sample});
  EXPECT_EQ(shard().counters().duplicates_lru, 0);
  EXPECT_EQ(shard().counters().duplicates_sequence, 2);
  const Fact final = FinalOf(session, 2, 2000);
  Feed({final});
  Restart();
  Feed({start, sample, final});
  EXPECT_EQ(shard().counters().duplicates_lru, 0);
  EXPECT_EQ(shard().counters().facts_applied, 0);
  ASSERT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_EQ(Tickets(session.id)[0].energy_mwh, 2000);
}

// B114 B91
TEST_F(ShardFactsTest, AnIdThatWasPushedOutByOthersIsRefusedByTheLedger) {
  config_.dedup_window = 2;
  Load();
  Online();
  const Session session = Charging();
  const Fact first = SampleOf(session, 1, 1000);
  Feed({first});
  for (int i = 2; i < 12; ++i) Feed({SampleOf(session, i, 1000 * i)});
  Feed({first});
  EXPECT_EQ(shard().counters().duplicates_lru, 0);
  EXPECT_EQ(shard().counters().duplicates_sequence, 1);
  EXPECT_EQ(Get(session.id).energy_mwh, 11'000);
}

// B92
TEST_F(ShardFactsTest, ALostSampleChangesNoBill) {
  Online();
  const Session session = Charging();
  Feed({SampleOf(session, 7, 7000), FinalOf(session, 9, 9000)});
  EXPECT_EQ(Tickets(session.id)[0].energy_mwh, 9000);
}

// B92
TEST_F(ShardFactsTest, AnOlderSampleDoesNotTakeEnergyBack) {
  Online();
  const Session session = Charging();
  Feed({SampleOf(session, 5, 5000), SampleOf(session, 3, 3000)});
  EXPECT_EQ(Get(session.id).energy_mwh, 5000);
  EXPECT_EQ(shard().counters().duplicates_sequence, 1);
}

// B92 B119
TEST_F(ShardFactsTest, ALateSampleReopensNothing) {
  Online();
  const Session session = Charging();
  Feed({FinalOf(session, 3, 3000)});
  const Session booked = Get(session.id);
  Feed({SampleOf(session, 2, 2000), SampleOf(session, 9, 9000)});
  EXPECT_EQ(Get(session.id), booked);
  EXPECT_EQ(shard().counters().late_samples, 2);
  Restart();
  Feed({SampleOf(session, 10, 9000)});
  EXPECT_EQ(Get(session.id), booked);
}

// B92
TEST_F(ShardFactsTest, ALateSampleReopensNoDeniedSession) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kDenied, 1, DenialReason::kPointFaulted);
  const Session session = Get(ReplyTo<Failure>(call).session);
  Feed({SampleOf(session, 1, 1000), StartOf(session)});
  EXPECT_EQ(Get(session.id).state, SessionState::kDenied);
}

// B92
TEST_F(ShardFactsTest, ASampleThatComesWhileTheFinalIsAwaitedUpdatesTheFiguresOnly) {
  Online();
  const Session session = Charging();
  Beat(Ended(session, false, true));
  Feed({SampleOf(session, 1, 1000)});
  EXPECT_EQ(Get(session.id).state, SessionState::kAwaitingFinal);
  EXPECT_EQ(Get(session.id).energy_mwh, 1000);
  EXPECT_EQ(Get(session.id).power_w, 0);
}

// B93
TEST_F(ShardFactsTest, AStartAfterItsFinalChangesNothingThatIsBilled) {
  Online();
  const Session session = Grant();
  Feed({FinalOf(session, 3, 3000)});
  const Session booked = Get(session.id);
  const auto ticket = Tickets(session.id).at(0);
  Feed({StartOf(session)});
  const Session after = Get(session.id);
  EXPECT_EQ(after.state, SessionState::kCompleted);
  EXPECT_EQ(after.energy_mwh, booked.energy_mwh);
  EXPECT_EQ(after.start, booked.start);
  EXPECT_TRUE(after.start_booked);
  EXPECT_THAT(Tickets(session.id), ElementsAre(ticket));
}

// B119
TEST_F(ShardFactsTest, ASecondFinalWithOtherFiguresOverwritesNothing) {
  Online();
  const Session session = Charging();
  Feed({FinalOf(session, 3, 3000)});
  const Session booked = Get(session.id);
  const Fact another = FinalOf(session, 4, 4000, EndReason::kFault);
  Feed({another});
  EXPECT_EQ(Get(session.id), booked);
  EXPECT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kAmountDiffers));
  EXPECT_EQ(Said<DeadLettered>().at(0).reason, "FINAL_DIFFERS");
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, {}, {}}));
  EXPECT_EQ(shard().counters().duplicates_sequence, 0);
  // The same figures again, whatever their id: a repeat.
  Feed({FinalOf(session, 3, 3000)});
  EXPECT_EQ(shard().counters().duplicates_sequence, 1);
  EXPECT_THAT(Alerts(), SizeIs(1));
}

// B96
TEST_F(ShardFactsTest, AFinalOfADeniedSessionIsBookedAsRecovered) {
  Online();
  const CallId call = Start();
  Answer(TheCommand(), Verdict::kDenied, 1, DenialReason::kPointFaulted);
  const Session session = Get(ReplyTo<Failure>(call).session);
  Feed({FinalOf(session, 3, 3000)});
  EXPECT_EQ(Get(session.id).state, SessionState::kCompleted);
  ASSERT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_TRUE(Tickets(session.id)[0].recovered);
  EXPECT_EQ(Tickets(session.id)[0].energy_mwh, 3000);
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kRecovered));
}

// B96
TEST_F(ShardFactsTest, AFinalOfAnExpiredSessionIsBookedAsRecoveredAlsoAfterARestart) {
  Online();
  const Session session = Grant();
  Beat(Idle(1));
  ASSERT_EQ(Get(session.id).state, SessionState::kExpired);
  Restart();
  Online();
  Feed({FinalOf(session, 3, 3000)});
  ASSERT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_TRUE(Tickets(session.id)[0].recovered);
}

// B96
TEST_F(ShardFactsTest, AFinalIsBookedBySessionWhateverBecameOfItsPoint) {
  Online();
  const Session session = Grant();
  Beat(Idle(1));
  ASSERT_EQ(Get(session.id).state, SessionState::kExpired);
  Close(EpochOf());
  ReplyTo<Done>(Delete());
  const Fact final = FinalOf(session, 1, 1000);
  Feed({final, final});
  EXPECT_THAT(Outbox<DeadLetter>(), IsEmpty());
  ASSERT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_TRUE(Tickets(session.id)[0].recovered);
  EXPECT_EQ(Tickets(session.id)[0].energy_mwh, 1000);
  // The charging point comes back, registered anew, and lists what it has not heard of.
  Connect();
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, ""}));
}

// B127
TEST_F(ShardFactsTest, AMeterThatSaysOtherwiseThanTheFinalEnergyRaisesAnAlertInWhateverOrderTheyCome) {
  Online();
  for (const bool start_first : {true, false}) {
    outbox_.clear();
    const Session session = Grant();
    const Fact start = StartOf(session);
    Fact final = FinalOf(session, 1, 1000);
    final.register_mwh += 1;
    if (start_first) {
      Feed({start, final});
    } else {
      Feed({final, start});
    }
    EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kAmountDiffers));
    EXPECT_EQ(Outbox<Alert>().at(0).text, "the meter went from 5000 to 6001 mWh, the final energy is 1000 mWh");
    EXPECT_EQ(Tickets(session.id).at(0).energy_mwh, 1000);
    Beat(Idle(session.number.value()));
  }
}

// B127
TEST_F(ShardFactsTest, AMeterThatAgreesRaisesNothing) {
  Online();
  const Session session = Charging();
  Feed({FinalOf(session, 1, 1000)});
  EXPECT_THAT(Alerts(), IsEmpty());
}

// B127
TEST_F(ShardFactsTest, EnergyBeyondTheTargetIsBookedAndRaisesAnAlert) {
  Online();
  const Target targets[] = {EnergyTarget{1000}, AmountTarget{350}};  // The same, at the price of the network.
  for (const Target& target : targets) {
    for (const std::int64_t energy_mwh : {1000, 1003}) {
      outbox_.clear();
      const CallId call = Start({.driver = kDriver, .cp = kCp, .target = target});
      Answer(TheCommand(), Verdict::kGranted, Said<PrepareSession>().at(0).grant.number.value());
      const auto session = ReplyTo<Session>(call);
      Feed({FinalOf(session, 1, energy_mwh)});
      EXPECT_EQ(Tickets(session.id).at(0).energy_mwh, energy_mwh);
      EXPECT_THAT(Alerts(), SizeIs(energy_mwh > 1000 ? 1 : 0));
      Beat(Idle(session.number.value()));
    }
  }
}

}  // namespace
}  // namespace ev::central
