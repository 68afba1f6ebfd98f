// What is put aside and refused.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardDeadLettersTest = ShardTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// B63 B112
TEST_F(ShardDeadLettersTest, WhatCannotBeDecodedIsPutAsideAndTheRestFlowsOn) {
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

// B63 B223
TEST_F(ShardDeadLettersTest, AFactUnderAnotherPointsKeyIsPutAsideAndNobodyIsTold) {
  Online();
  const Session session = Charging();
  FeedAt(kComplete, 0, FinalOf(session, 1, 1000), "cp_002");
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "WRONG_KEY");
  ASSERT_FALSE(session.trace.empty());
  EXPECT_EQ(Outbox<DeadLetter>().at(0).trace, session.trace);
  EXPECT_EQ(Said<DeadLettered>().at(0).trace, session.trace);
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
  EXPECT_EQ(Get(session.id).state, SessionState::kCharging);
}

// B63
TEST_F(ShardDeadLettersTest, NonsenseIsPutAsideAndRefused) {
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
TEST_F(ShardDeadLettersTest, NonsenseDoesNotSettleTheTrueFinal) {
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
TEST_F(ShardDeadLettersTest, ANonsenseStartDoesNotSettleTheTrueStart) {
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
TEST_F(ShardDeadLettersTest, OfManyRefusalsTheNewestIsKept) {
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
TEST_F(ShardDeadLettersTest, AFinalThatStartsInTheYearOneIsNonsense) {
  Online();
  const Session session = Charging();
  Fact final = FinalOf(session, 2, 2000);
  final.start = absl::FromUnixSeconds(-62'135'596'800);
  Feed({final});
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "NONSENSE");
  EXPECT_THAT(Tickets(session.id), IsEmpty());
}

// B63
TEST_F(ShardDeadLettersTest, EnergyThatFallsIsPutAside) {
  Online();
  const Session session = Charging();
  Feed({SampleOf(session, 1, 5000), SampleOf(session, 2, 4000)});
  EXPECT_EQ(Outbox<DeadLetter>().at(0).reason, "NONSENSE");
  EXPECT_EQ(Get(session.id).energy_mwh, 5000);
  EXPECT_EQ(Get(session.id).sequence, 1);
}

// B95
TEST_F(ShardDeadLettersTest, TheIdOfASampleThatWasPutAsideIsNotRemembered) {
  Online();
  const Session session = Charging();
  const Fact falling = SampleOf(session, 2, 4000);
  Feed({SampleOf(session, 1, 5000), falling, falling});
  EXPECT_EQ(shard().counters().duplicates_lru, 0);
  EXPECT_THAT(Said<DeadLettered>(), SizeIs(2));
}

// B95 B110
TEST_F(ShardDeadLettersTest, WhatWasPutAsideAndIsSentAgainCorrectedIsBooked) {
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
TEST_F(ShardDeadLettersTest, AnIdThatWasRefusedIsNotRemembered) {
  Online();
  const Session session = Charging();
  Advance(absl::Seconds(4));
  WriteOff(session.id);
  const std::size_t remembered = shard().dedup().size();
  const Fact final = FinalOf(session, 2, 2000);
  Feed({final, final});
  EXPECT_THAT(Said<DeadLettered>(), SizeIs(2));
  EXPECT_EQ(shard().dedup().size(), remembered);
}

// B126
TEST_F(ShardDeadLettersTest, AnotherPointsFactOfASessionIsRefusedToThatPointOnly) {
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
TEST_F(ShardDeadLettersTest, AnotherPointsBeatThatListsASessionIsAnsweredNothing) {
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
TEST_F(ShardDeadLettersTest, AFactWithAnotherGrantNumberIsRefused) {
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
TEST_F(ShardDeadLettersTest, AFactInAPartitionOfAnotherShardIsBookedByNeither) {
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

}  // namespace
}  // namespace ev::central
