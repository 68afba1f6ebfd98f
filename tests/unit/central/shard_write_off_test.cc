// What an operator closes without its final.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardWriteOffTest = ShardTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// B97
TEST_F(ShardWriteOffTest, WhatIsWrittenOffGetsAnEstimatedTicketAtItsLastSample) {
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
TEST_F(ShardWriteOffTest, AFinalOfWhatWasWrittenOffIsRefusedAndMakesNoSecondTicket) {
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
TEST_F(ShardWriteOffTest, AWriteOffIsRepeatableAndOnlyForWhatMayHaveDelivered) {
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
TEST_F(ShardWriteOffTest, WhatHasNotStartedIsWrittenOffWithoutATicketWhenItsPointIsGone) {
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
TEST_F(ShardWriteOffTest, WhatIsUnconfirmedIsWrittenOffWhenItsPointIsGone) {
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
TEST_F(ShardWriteOffTest, AFinalOfWhatWasWrittenOffBeforeItHadStartedIsBookedAsRecovered) {
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
TEST_F(ShardWriteOffTest, ATruncatedListExpiresNothing) {
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
TEST_F(ShardWriteOffTest, WhatItsPointStillReportsIsNotWrittenOff) {
  Online();
  const Session session = Charging();
  EXPECT_EQ(ReasonOf(WriteOff(session.id)), "SESSION_LIVE");
  Beat(Ended(session, false, true));
  EXPECT_EQ(ReasonOf(WriteOff(session.id)), "SESSION_LIVE");
  Advance(absl::Seconds(3));
  EXPECT_EQ(ReplyTo<Session>(WriteOff(session.id)).state, SessionState::kCompleted);
}

// B97
TEST_F(ShardWriteOffTest, WhatIsWrittenOffWithoutAnyFactHasATimeSpanAllTheSame) {
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

}  // namespace
}  // namespace ev::central
