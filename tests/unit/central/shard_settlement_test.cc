// What a charging point is told of its facts.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardSettlementTest = ShardTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// B94
TEST_F(ShardSettlementTest, AStartAndAFinalAreSettledWhenTheyAreBooked) {
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
TEST_F(ShardSettlementTest, ARepeatIsSettledAgain) {
  Online();
  const Session session = Charging();
  const Fact final = FinalOf(session, 2, 2000);
  Feed({final});
  Feed({final});
  EXPECT_THAT(Said<Settlement>(), ElementsAre(Settlement{session.id, false, true, false, ""}));
}

// B94
TEST_F(ShardSettlementTest, WhatABeatStillListsIsSettledAgain) {
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
TEST_F(ShardSettlementTest, WhatIsNotSettledIsNotAnswered) {
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
TEST_F(ShardSettlementTest, AFactOfAnUnknownSessionIsRefusedTogetherWithItsDeadLetter) {
  Online();
  const Session stranger = Stranger();
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
TEST_F(ShardSettlementTest, ARefusalIsAnsweredAgainAlsoAfterARestart) {
  Online();
  const Session stranger = Stranger();
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
TEST_F(ShardSettlementTest, ASampleOfAnUnknownSessionIsCountedAndDropped) {
  Online();
  const Session stranger = Stranger();
  Feed({SampleOf(stranger, 1, 1000)});
  EXPECT_EQ(shard().counters().unknown_samples, 1);
  EXPECT_THAT(Outbox<DeadLetter>(), IsEmpty());
  EXPECT_THAT(Said<Settlement>(), IsEmpty());
}

}  // namespace
}  // namespace ev::central
