// How far the log is read.

#include "tests/unit/central/shard_test_base.h"

namespace ev::central {
namespace {

using ShardOffsetsTest = ShardTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// B99 B111
TEST_F(ShardOffsetsTest, OffsetsAreInTheBatchOfWhatTheyCaused) {
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
TEST_F(ShardOffsetsTest, WhatWasNotCommittedIsReadAgainFromTheStoredOffset) {
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
TEST_F(ShardOffsetsTest, MessagesBelowTheStoredOffsetArePassedOver) {
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
TEST_F(ShardOffsetsTest, AnEmptyStretchOfTheLogMovesTheOffset) {
  Run([&](Effects& out) {
    shard().ApplyFacts(now_, {.topic = kData, .partition = 0, .base = 0, .next = 40, .facts = {}}, out);
  });
  Restart();
  EXPECT_EQ(shard().next_offset(kData, 0), 40);
}

// B60
TEST_F(ShardOffsetsTest, AGapIsWrittenDownSaidAndReadingGoesOnWhereItsSays) {
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
