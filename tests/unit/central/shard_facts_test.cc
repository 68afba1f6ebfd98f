// What is booked, dropped, refused, and answered.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardFactsTest = ShardTest;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
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

// B98
TEST_F(ShardFactsTest, AnAmountThatDiffersRaisesAnAlertAndTheBillIsCentrals) {
  Online();
  const Session session = Charging();
  Fact final = FinalOf(session, 1, 1'000'000);
  final.amount_micros = 350'001;
  Feed({final});
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kAmountDiffers));
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
  Feed({FinalOf(session, 4, 4000, EndReason::kFault)});
  EXPECT_EQ(Get(session.id), booked);
  EXPECT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_EQ(shard().counters().duplicates_sequence, 1);
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

// --- settlement ------------------------------------------------------------------------------------------------------

// B94
TEST_F(ShardFactsTest, AStartAndAFinalAreSettledWhenTheyAreBooked) {
  Online();
  const Session session = Grant();
  Feed({StartOf(session)});
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, true, false, false, ""}));
  Feed({SampleOf(session, 1, 1000)});
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
  Feed({FinalOf(session, 2, 2000)});
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, ""}));
}

// B94
TEST_F(ShardFactsTest, ARepeatIsSettledAgain) {
  Online();
  const Session session = Charging();
  const Fact final = FinalOf(session, 2, 2000);
  Feed({final});
  Feed({final});
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, ""}));
}

// B94
TEST_F(ShardFactsTest, WhatABeatStillListsIsSettledAgain) {
  Online();
  const Session session = Charging();
  Feed({FinalOf(session, 2, 2000)});
  Beat(Ended(session, true, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, true, true, false, ""}));
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, ""}));
  Restart();
  Online();
  Beat(Ended(session, true, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, true, true, false, ""}));
}

// B94
TEST_F(ShardFactsTest, WhatIsNotSettledIsNotAnswered) {
  Online();
  const Session session = Charging();
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
  Session stranger = session;
  stranger.id = SessionId("ffffffffffffffffffffffffffffffff");
  Beat(Ended(stranger));
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
}

// B94 B95 B63
TEST_F(ShardFactsTest, AFactOfAnUnknownSessionIsRefusedTogetherWithItsDeadLetter) {
  Online();
  Session stranger;
  stranger.id = SessionId("ffffffffffffffffffffffffffffffff");
  stranger.cp = kCp;
  stranger.number = GrantNumber(1);
  stranger.price = config_.default_price;
  auto_commit_ = false;
  const Fact final = FinalOf(stranger, 1, 1000);
  Feed({final});
  const Shard::Batch batch = Commit();
  EXPECT_THAT(Said<Settlement>(),
              ElementsAre(Settlement{stranger.id, false, true, true, "UNKNOWN_SESSION", final.message_id}));
  ASSERT_THAT(batch.rows.refusals, SizeIs(1));
  EXPECT_TRUE(batch.rows.refusals[0].final);
  ASSERT_THAT(Outbox<DeadLetter>(), SizeIs(1));
  EXPECT_EQ(Outbox<DeadLetter>()[0].body, "body of " + ToHex(final.message_id));
  EXPECT_EQ(Outbox<DeadLetter>()[0].key, kCp.value());
  EXPECT_EQ(Outbox<DeadLetter>()[0].topic, kComplete);
  EXPECT_EQ(Outbox<DeadLetter>()[0].offset, 0);
  EXPECT_EQ(Outbox<DeadLetter>()[0].reason, "UNKNOWN_SESSION");
  ASSERT_THAT(Said<DeadLettered>(), SizeIs(1));
  EXPECT_THAT(batch.rows.offsets, SizeIs(1));
}

// B94
TEST_F(ShardFactsTest, ARefusalIsAnsweredAgainAlsoAfterARestart) {
  Online();
  Session stranger;
  stranger.id = SessionId("ffffffffffffffffffffffffffffffff");
  stranger.cp = kCp;
  stranger.number = GrantNumber(1);
  stranger.price = config_.default_price;
  const Fact start = StartOf(stranger);
  const Fact final = FinalOf(stranger, 1, 1000);
  Feed({start, final});
  const auto refused_start = Settlement{stranger.id, true, false, true, "UNKNOWN_SESSION", start.message_id};
  const auto refused_final = Settlement{stranger.id, false, true, true, "UNKNOWN_SESSION", final.message_id};
  Beat(Ended(stranger));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(refused_start, refused_final));
  Restart();
  Online();
  Beat(Ended(stranger));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(refused_start, refused_final));
  Beat(Ended(stranger, false, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(refused_final));
}

// B63
TEST_F(ShardFactsTest, ASampleOfAnUnknownSessionIsCountedAndDropped) {
  Online();
  Session stranger;
  stranger.id = SessionId("ffffffffffffffffffffffffffffffff");
  stranger.cp = kCp;
  Feed({SampleOf(stranger, 1, 1000)});
  EXPECT_EQ(shard().counters().unknown_samples, 1);
  EXPECT_THAT(Outbox<DeadLetter>(), IsEmpty());
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
}

// B63 B112
TEST_F(ShardFactsTest, WhatCannotBeDecodedIsPutAsideAndTheRestFlowsOn) {
  Online();
  const Session session = Charging();
  const Fact good = SampleOf(session, 1, 1000);
  const std::vector<IncomingFact> facts = {
      {.fact = nullptr, .error = "not a Fact message", .offset = 10, .key = "cp_001", .body = "\x01\x02"},
      {.fact = &good, .error = {}, .offset = 11, .key = "cp_001", .body = "x"},
  };
  Run([&](Effects& out) {
    shard().ApplyFacts(now_, {.topic = kData, .partition = 0, .base = 10, .next = 12, .facts = facts}, out);
  });
  ASSERT_THAT(Outbox<DeadLetter>(), SizeIs(1));
  EXPECT_EQ(Outbox<DeadLetter>()[0].reason, "UNDECODABLE");
  EXPECT_EQ(Outbox<DeadLetter>()[0].detail, "not a Fact message");
  EXPECT_EQ(Outbox<DeadLetter>()[0].offset, 10);
  EXPECT_EQ(Outbox<DeadLetter>()[0].body, "\x01\x02");
  EXPECT_EQ(Get(session.id).energy_mwh, 1000);
  EXPECT_EQ(shard().next_offset(kData, 0), 12);
}

// B63
TEST_F(ShardFactsTest, AFactUnderAnotherPointsKeyIsPutAsideAndNobodyIsTold) {
  Online();
  const Session session = Charging();
  FeedAt(kComplete, 0, FinalOf(session, 1, 1000), "cp_002");
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "WRONG_KEY");
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
  EXPECT_EQ(Get(session.id).state, SessionState::kCharging);
}

// B63
TEST_F(ShardFactsTest, NonsenseIsPutAsideAndRefused) {
  Online();
  const Session session = Charging();
  Fact sample = SampleOf(session, 1, 1000);
  sample.energy_mwh = -1;
  Fact final = FinalOf(session, 2, 2000);
  final.end_reason = EndReason::kNone;
  Feed({sample, final});
  EXPECT_THAT(Outbox<DeadLetter>(), SizeIs(2));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, true, "NONSENSE", final.message_id}));
  EXPECT_EQ(Get(session.id).state, SessionState::kCharging);
}

// B95 B65
TEST_F(ShardFactsTest, NonsenseDoesNotSettleTheTrueFinal) {
  Online();
  const Session session = Charging();
  const Fact truth = FinalOf(session, 2, 2000);  // In its Engine's log, not yet in Kafka.
  Fact negative = FinalOf(session, 2, 2000);
  negative.energy_mwh = -1;
  Fact wrong_grant = FinalOf(session, 2, 2000);
  wrong_grant.grant.number = GrantNumber(99);
  for (const Fact& nonsense : {negative, wrong_grant}) {
    Feed({nonsense});
    Beat(Ended(session, false, true));
    ASSERT_THAT(Said<Settlement>(), SizeIs(1));
    EXPECT_TRUE(Said<Settlement>()[0].refused);
    EXPECT_EQ(Said<Settlement>()[0].message_id, nonsense.message_id);
  }
  Feed({truth});
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, ""}));
  EXPECT_EQ(Tickets(session.id).at(0).energy_mwh, 2000);
}

// B95
TEST_F(ShardFactsTest, ANonsenseStartDoesNotSettleTheTrueStart) {
  Online();
  const Session session = Grant();
  const Fact truth = StartOf(session);
  Fact nonsense = StartOf(session);
  nonsense.energy_mwh = 7;
  Feed({nonsense});
  Beat(Ended(session, true, false));
  EXPECT_THAT(Said<Settlement>(),
              ElementsAre(Settlement{session.id, true, false, true, "NONSENSE", nonsense.message_id}));
  Feed({truth});
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, true, false, false, ""}));
}

// B94 B95
TEST_F(ShardFactsTest, OfManyRefusalsTheNewestIsKept) {
  Online();
  const Session session = Charging();
  Advance(absl::Seconds(4));
  WriteOff(session.id);
  Online();
  const Fact truth = FinalOf(session, 2, 2000);
  for (int i = 0; i < 10; ++i) Feed({FinalOf(session, 2, 2000)});
  Feed({truth});
  const auto refused = Settlement{session.id, false, true, true, "WRITTEN_OFF", truth.message_id};
  EXPECT_THAT(Said<Settlement>(), ElementsAre(refused));
  EXPECT_THAT(store_.FindRefusals(session.id).value(), SizeIs(1));
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(refused));
  Restart();
  Online();
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(refused));
}

// B63
TEST_F(ShardFactsTest, AFinalThatStartsInTheYearOneIsNonsense) {
  Online();
  const Session session = Charging();
  Fact final = FinalOf(session, 2, 2000);
  final.start = absl::FromUnixSeconds(-62'135'596'800);
  Feed({final});
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "NONSENSE");
  EXPECT_THAT(Tickets(session.id), IsEmpty());
}

// B63
TEST_F(ShardFactsTest, EnergyThatFallsIsPutAside) {
  Online();
  const Session session = Charging();
  Feed({SampleOf(session, 1, 5000), SampleOf(session, 2, 4000)});
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "NONSENSE");
  EXPECT_EQ(Get(session.id).energy_mwh, 5000);
  EXPECT_EQ(Get(session.id).sequence, 1);
}

// B95
TEST_F(ShardFactsTest, TheIdOfASampleThatWasPutAsideIsNotRemembered) {
  Online();
  const Session session = Charging();
  const Fact falling = SampleOf(session, 2, 4000);
  Feed({SampleOf(session, 1, 5000), falling, falling});
  EXPECT_EQ(shard().counters().duplicates_lru, 0);
  EXPECT_THAT(Said<DeadLettered>(), SizeIs(2));
}

// B95 B110
TEST_F(ShardFactsTest, WhatWasPutAsideAndIsSentAgainCorrectedIsBooked) {
  Online();
  const Session session = Charging();
  Fact final = FinalOf(session, 2, 2000);
  final.end_reason = EndReason::kNone;
  Feed({final});
  ASSERT_THAT(Tickets(session.id), IsEmpty());
  final.end_reason = EndReason::kUnplugged;  // The same id.
  Feed({final});
  ASSERT_THAT(Tickets(session.id), SizeIs(1));
  // From now on booked is the answer.
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, ""}));
}

// B95
TEST_F(ShardFactsTest, AnIdThatWasRefusedIsNotRemembered) {
  Online();
  const Session session = Charging();
  Advance(absl::Seconds(4));
  WriteOff(session.id);
  const Fact final = FinalOf(session, 2, 2000);
  Feed({final, final});
  EXPECT_EQ(shard().counters().duplicates_lru, 0);
  EXPECT_THAT(Said<DeadLettered>(), SizeIs(2));
}

// B126
TEST_F(ShardFactsTest, AnotherPointsFactOfASessionIsRefusedToThatPointOnly) {
  const CpId other("cp_002");
  Online(other);
  Online();
  const Session session = Charging();
  Fact forged = FinalOf(session, 1, 1);
  forged.cp = other;
  forged.grant.cp = other;
  Feed({forged});
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "WRONG_CHARGING_POINT");
  ASSERT_THAT(Said<LinkMessage>(), SizeIs(1));
  EXPECT_EQ(Said<LinkMessage>()[0].cp, other);
  EXPECT_EQ(Get(session.id).state, SessionState::kCharging);
  // The session's own point is told nothing, and is booked when its final comes.
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
  Feed({FinalOf(session, 2, 2000)});
  EXPECT_EQ(Tickets(session.id).at(0).energy_mwh, 2000);
}

// B126
TEST_F(ShardFactsTest, AnotherPointsBeatThatListsASessionIsAnsweredNothing) {
  const CpId other("cp_002");
  Online(other);
  Online();
  const Session session = Charging();
  Feed({FinalOf(session, 2, 2000)});
  EngineReport report = Idle(0, other);
  report.unsettled = {{.session = session.id, .number = session.number, .start = true, .final = true}};
  report.unsettled_total = 1;
  Beat(report, other);
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
}

// B126
TEST_F(ShardFactsTest, AFactWithAnotherGrantNumberIsRefused) {
  Online();
  const Session session = Charging();
  Fact final = FinalOf(session, 2, 2000);
  final.grant.number = GrantNumber(99);
  Feed({final});
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "WRONG_GRANT");
  EXPECT_THAT(Said<Settlement>(),
              ElementsAre(Settlement{session.id, false, true, true, "WRONG_GRANT", final.message_id}));
}

// B126
TEST_F(ShardFactsTest, AFactInAPartitionOfAnotherShardIsBookedByNeither) {
  // A session of the network whose charging point belongs to another shard.
  Session elsewhere;
  elsewhere.id = SessionId("ffffffffffffffffffffffffffffffff");
  elsewhere.cp = CpId("cp_far");
  elsewhere.driver = kDriver;
  elsewhere.number = GrantNumber(1);
  elsewhere.price = config_.default_price;
  elsewhere.state = SessionState::kCharging;
  ASSERT_THAT(store_.Commit({{.shard = 0, .epoch = shard().epoch(), .network_causes = {}, .sessions = {elsewhere}}})[0],
              IsOk());
  const Fact final = FinalOf(elsewhere, 1, 1000);
  const IncomingFact in{
      .fact = &final, .error = {}, .is_misplaced = true, .offset = 0, .key = final.cp.value(), .body = "body"};
  Fetch({.sessions = {elsewhere.id}, .requests = {}});
  FeedIncoming(kComplete, in);
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "WRONG_PARTITION");
  EXPECT_THAT(Tickets(elsewhere.id), IsEmpty());
  EXPECT_THAT(store_.FindRefusals(elsewhere.id).value(), IsEmpty());
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

// --- written off -----------------------------------------------------------------------------------------------------

// B97
TEST_F(ShardFactsTest, WhatIsWrittenOffGetsAnEstimatedTicketAtItsLastSample) {
  Online();
  const Session session = Charging();
  Pass(absl::Seconds(5));
  Feed({SampleOf(session, 5, 1'000'000)});
  const absl::Time last_sample = now_.utc;
  Advance(absl::Seconds(1));
  Beat(Idle(1));  // A transition, by Central's clock.
  ASSERT_EQ(Get(session.id).state, SessionState::kAwaitingFinal);
  EXPECT_EQ(Get(session.id).measured, last_sample);
  Advance(absl::Seconds(10));
  const CallId call = WriteOff(session.id);
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kCompleted);
  EXPECT_TRUE(ReplyTo<Session>(call).written_off);
  EXPECT_EQ(Get(session.id).written_off_by, "ana");
  EXPECT_EQ(Get(session.id).written_off_reason, "scrapped");
  ASSERT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_TRUE(Tickets(session.id)[0].estimated);
  EXPECT_EQ(Tickets(session.id)[0].energy_mwh, 1'000'000);
  EXPECT_EQ(Tickets(session.id)[0].amount_micros, 350'000);
  EXPECT_EQ(Tickets(session.id)[0].end_reason, EndReason::kWrittenOff);
  EXPECT_EQ(Tickets(session.id)[0].end, last_sample);
  EXPECT_THAT(store_.CheckIntegrity(), IsOk());
}

// B97
TEST_F(ShardFactsTest, AFinalOfWhatWasWrittenOffIsRefusedAndMakesNoSecondTicket) {
  Online();
  const Session session = Charging();
  Advance(absl::Seconds(4));
  WriteOff(session.id);
  Online();
  const Fact final = FinalOf(session, 5, 5000);
  const auto refused = Settlement{session.id, false, true, true, "WRITTEN_OFF", final.message_id};
  outbox_.clear();
  Feed({final});
  EXPECT_THAT(Said<Settlement>(), ElementsAre(refused));
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kDeadLetter));
  Restart();
  Online();
  Feed({final});
  EXPECT_THAT(Tickets(session.id), SizeIs(1));
  Beat(Ended(session, false, true));
  EXPECT_THAT(Said<Settlement>(), ElementsAre(refused));
}

// B97
TEST_F(ShardFactsTest, AWriteOffIsRepeatableAndOnlyForWhatMayHaveDelivered) {
  Online();
  const Session granted = Grant();
  EXPECT_EQ(ReasonOf(WriteOff(granted.id)), "SESSION_NOT_STARTED");
  Feed({StartOf(granted)});
  Beat(Idle(1));  // A new disk: the charging point knows nothing of it.
  WriteOff(granted.id);
  EXPECT_EQ(ReplyTo<Session>(WriteOff(granted.id)).state, SessionState::kCompleted);
  EXPECT_THAT(Tickets(granted.id), SizeIs(1));
  EXPECT_EQ(ReasonOf(WriteOff(SessionId("ffffffffffffffffffffffffffffffff"))), "SESSION_UNKNOWN");
  const Session booked = Charging();
  Feed({FinalOf(booked, 1, 1)});
  EXPECT_EQ(ReasonOf(WriteOff(booked.id)), "SESSION_CLOSED");
}

// B106
TEST_F(ShardFactsTest, WhatHasNotStartedIsWrittenOffWithoutATicketWhenItsPointIsGone) {
  Online();
  const Session granted = Grant();
  EXPECT_EQ(ReasonOf(WriteOff(granted.id)), "SESSION_NOT_STARTED");
  Close(EpochOf());
  EXPECT_EQ(ReasonOf(WriteOff(granted.id)), "SESSION_NOT_STARTED");  // Silence is not yet certain.
  Advance(absl::Seconds(3));
  const CallId call = WriteOff(granted.id);
  EXPECT_EQ(ReplyTo<Session>(call).state, SessionState::kExpired);
  EXPECT_EQ(ReplyTo<Session>(call).denial, DenialReason::kCancelled);
  EXPECT_EQ(ReplyTo<Session>(WriteOff(granted.id)).state, SessionState::kExpired);  // A repeat.
  EXPECT_THAT(Tickets(granted.id), IsEmpty());
  ReplyTo<Done>(Delete());
}

// B106
TEST_F(ShardFactsTest, WhatIsUnconfirmedIsWrittenOffWhenItsPointIsGone) {
  Online();
  const CallId asked = Start();
  Close(EpochOf());
  Advance(absl::Seconds(3));
  const auto session = ReplyTo<Session>(asked);
  ASSERT_EQ(session.state, SessionState::kUnconfirmed);
  EXPECT_EQ(ReplyTo<Session>(WriteOff(session.id)).state, SessionState::kDenied);
  // Should the charging point come back, what it may have taken is cancelled before anything is offered.
  Connect();
  Beat(Idle(0));
  EXPECT_EQ(DenialOf(Start()), DenialReason::kPointNotReady);
  Tick();
  ASSERT_THAT(Said<CancelGrant>(), SizeIs(1));
  EXPECT_EQ(Said<CancelGrant>()[0].number, session.number);
}

// B106 B96
TEST_F(ShardFactsTest, AFinalOfWhatWasWrittenOffBeforeItHadStartedIsBookedAsRecovered) {
  Online();
  const Session session = Grant();
  Advance(absl::Seconds(3));
  WriteOff(session.id);
  outbox_.clear();
  Feed({StartOf(session), SampleOf(session, 1, 500), FinalOf(session, 2, 1000)});
  EXPECT_EQ(Get(session.id).state, SessionState::kCompleted);
  ASSERT_THAT(Tickets(session.id), SizeIs(1));
  EXPECT_TRUE(Tickets(session.id)[0].recovered);
  EXPECT_FALSE(Tickets(session.id)[0].estimated);
  EXPECT_EQ(Tickets(session.id)[0].energy_mwh, 1000);
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kRecovered));
  EXPECT_THAT(Outbox<DeadLetter>(), IsEmpty());
  EXPECT_THAT(store_.CheckIntegrity(), IsOk());
}

// B97 B94
TEST_F(ShardFactsTest, ATruncatedListExpiresNothing) {
  Online();
  const Session session = Charging();
  EngineReport report = Idle(session.number.value());
  for (int i = 0; i < kMaxUnsettledListed; ++i) {
    report.unsettled.push_back(
        {.session = SessionId(ids_.NewRandomHex()), .number = GrantNumber(1), .start = true, .final = true});
  }
  report.unsettled_total = kMaxUnsettledListed + 1;
  Beat(report);
  ASSERT_EQ(Get(session.id).state, SessionState::kAwaitingFinal);
  EXPECT_EQ(ReasonOf(WriteOff(session.id)), "SESSION_LIVE");
  Feed({FinalOf(session, 2, 50'000'000)});
  EXPECT_EQ(Tickets(session.id).at(0).energy_mwh, 50'000'000);
}

// B97
TEST_F(ShardFactsTest, WhatItsPointStillReportsIsNotWrittenOff) {
  Online();
  const Session session = Charging();
  EXPECT_EQ(ReasonOf(WriteOff(session.id)), "SESSION_LIVE");
  Beat(Ended(session, false, true));
  EXPECT_EQ(ReasonOf(WriteOff(session.id)), "SESSION_LIVE");
  Advance(absl::Seconds(3));
  EXPECT_EQ(ReplyTo<Session>(WriteOff(session.id)).state, SessionState::kCompleted);
}

// B97
TEST_F(ShardFactsTest, WhatIsWrittenOffWithoutAnyFactHasATimeSpanAllTheSame) {
  Online();
  const Session session = Grant();
  Beat(Busy(session, Phase::kCharging));  // The start has not come through Kafka.
  Advance(absl::Seconds(3));
  WriteOff(session.id);
  const Ticket ticket = Tickets(session.id).at(0);
  EXPECT_EQ(ticket.energy_mwh, 0);
  EXPECT_GT(ticket.start, absl::InfinitePast());
  EXPECT_GE(ticket.end, ticket.start);
}

// --- offsets ---------------------------------------------------------------------------------------------------------

// B99 B111
TEST_F(ShardFactsTest, OffsetsAreInTheBatchOfWhatTheyCaused) {
  Online();
  const Session session = Charging();
  auto_commit_ = false;
  Feed({FinalOf(session, 1, 1000)});
  const Shard::Batch batch = Commit();
  ASSERT_THAT(batch.rows.offsets, SizeIs(1));
  EXPECT_EQ(batch.rows.offsets[0].topic, kComplete);
  EXPECT_EQ(batch.rows.offsets[0].partition, 0);
  EXPECT_EQ(batch.rows.offsets[0].base, 0);
  EXPECT_EQ(batch.rows.offsets[0].next, 1);
  EXPECT_THAT(batch.rows.tickets, SizeIs(1));
  EXPECT_THAT(Commit().rows.offsets, IsEmpty());
}

// B99 B110 B111
TEST_F(ShardFactsTest, WhatWasNotCommittedIsReadAgainFromTheStoredOffset) {
  Online();
  const Session session = Charging();
  const Fact final = FinalOf(session, 1, 1000);
  auto_commit_ = false;
  Feed({final});
  Restart();  // Before the commit.
  EXPECT_EQ(shard().next_offset(kComplete, 0), std::nullopt);
  EXPECT_EQ(shard().next_offset(kData, 0), 1);
  auto_commit_ = true;
  FeedAt(kComplete, 0, final);
  EXPECT_THAT(Tickets(session.id), SizeIs(1));
}

// B99
TEST_F(ShardFactsTest, MessagesBelowTheStoredOffsetArePassedOver) {
  Online();
  const Session session = Charging();
  Fact final = FinalOf(session, 1, 1000);
  Feed({final});
  const ShardCounters before = shard().counters();
  FeedAt(kComplete, 0, final);
  EXPECT_EQ(shard().counters().duplicates_lru, before.duplicates_lru);
  EXPECT_EQ(shard().next_offset(kComplete, 0), 1);
}

// B99
TEST_F(ShardFactsTest, AnEmptyStretchOfTheLogMovesTheOffset) {
  Run([&](Effects& out) {
    shard().ApplyFacts(now_, {.topic = kData, .partition = 0, .base = 0, .next = 40, .facts = {}}, out);
  });
  Restart();
  EXPECT_EQ(shard().next_offset(kData, 0), 40);
}

// B60
TEST_F(ShardFactsTest, AGapIsWrittenDownSaidAndReadingGoesOnWhereItsSays) {
  Online();
  const Session session = Charging();
  Feed({SampleOf(session, 1, 1000)});
  Run([&](Effects& out) {
    shard().OnGap(now_,
                  {.topic = kData, .partition = 0, .stored_next = 2, .log_start = 0, .log_end = 1, .found = now_.utc},
                  0, out);
  });
  EXPECT_THAT(store_.ListGaps().value(), SizeIs(1));
  EXPECT_THAT(Alerts(), ElementsAre(AlertKind::kGap));
  EXPECT_EQ(shard().next_offset(kData, 0), 0);
  // The log was made anew: offset 0 holds something else now.
  FeedAt(kData, 0, SampleOf(session, 2, 2000));
  EXPECT_EQ(Get(session.id).energy_mwh, 2000);
  Restart();
  EXPECT_EQ(shard().next_offset(kData, 0), 1);
}

}  // namespace
}  // namespace ev::central
