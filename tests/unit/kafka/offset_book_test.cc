#include "kafka/offset_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/support/status_matchers.h"

namespace ev::kafka {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

const TopicPartition kP0{.topic = "t", .partition = 0};
const TopicPartition kP1{.topic = "t", .partition = 1};
const TopicPartition kP2{.topic = "t", .partition = 2};

class OffsetBookTest : public ::testing::Test {
 protected:
  OffsetBookTest() {
    EXPECT_TRUE(book_.Add({.topic = "t", .partition = 0, .next = 10}).ok());
    EXPECT_TRUE(book_.Add({.topic = "t", .partition = 1, .next = std::nullopt}).ok());
  }

  std::optional<std::int64_t> Read(const TopicPartition& partition) const {
    for (const OffsetBook::Move& position : book_.Positions()) {
      if (position.partition == partition) return position.next;
    }
    ADD_FAILURE() << "no position of partition " << partition.partition;
    return std::nullopt;
  }

  OffsetBook book_;
};

TEST_F(OffsetBookTest, EveryPartitionMovesToItsStartOnce) {
  EXPECT_TRUE(book_.HasMoves());
  EXPECT_FALSE(book_.Accepts(kP0, 10));
  EXPECT_THAT(book_.TakeMoves(), SizeIs(2));
  EXPECT_FALSE(book_.HasMoves());
  EXPECT_THAT(book_.TakeMoves(), IsEmpty());
  EXPECT_TRUE(book_.Accepts(kP0, 10));
  EXPECT_TRUE(book_.Accepts(kP1, 0));
}

TEST_F(OffsetBookTest, WhatIsBelowTheWantedOffsetDoesNotCount) {
  book_.TakeMoves();
  EXPECT_FALSE(book_.Accepts(kP0, 9));
  EXPECT_TRUE(book_.Accepts(kP0, 10));
  EXPECT_TRUE(book_.Accepts(kP0, 15));  // A hole is no reason to refuse.
  book_.Taken(kP0, 0, 15);
  EXPECT_FALSE(book_.Accepts(kP0, 15));
  EXPECT_TRUE(book_.Accepts(kP0, 16));
}

TEST_F(OffsetBookTest, ARewindMakesANewGenerationAndNothingCountsUntilItIsDone) {
  book_.TakeMoves();
  book_.Taken(kP0, 0, 99);
  EXPECT_EQ(*book_.Rewind(kP0, 50), 1);
  EXPECT_EQ(book_.GenerationOf(kP0), 1);
  EXPECT_EQ(book_.GenerationOf(kP1), 0);
  EXPECT_FALSE(book_.Accepts(kP0, 100));
  const std::vector<OffsetBook::Move> moves = book_.TakeMoves();
  ASSERT_THAT(moves, SizeIs(1));
  EXPECT_EQ(moves[0].partition, kP0);
  EXPECT_EQ(moves[0].next, 50);
  EXPECT_TRUE(book_.Accepts(kP0, 50));
  EXPECT_EQ(*book_.Rewind(kP0, std::nullopt), 2);
}

TEST_F(OffsetBookTest, WhatWasTakenInAnOlderGenerationMovesNothing) {
  book_.TakeMoves();
  EXPECT_TRUE(book_.Rewind(kP0, 20).ok());
  book_.TakeMoves();
  book_.Taken(kP0, 0, 500);
  EXPECT_TRUE(book_.Accepts(kP0, 20));
}

TEST_F(OffsetBookTest, ALostPartitionWaitsForItsOwnersDecision) {
  book_.TakeMoves();
  book_.Lose(kP0);
  EXPECT_FALSE(book_.Accepts(kP0, 10));
  EXPECT_FALSE(book_.HasMoves());
  const std::vector<Gap> lost = book_.Lost();
  ASSERT_THAT(lost, SizeIs(1));
  EXPECT_EQ(lost[0].partition, kP0);
  EXPECT_EQ(lost[0].wanted_next, 10);
  book_.Decide(kP0, 0, 3);
  EXPECT_THAT(book_.Lost(), IsEmpty());
  EXPECT_EQ(book_.TakeMoves()[0].next, 3);
  EXPECT_TRUE(book_.Accepts(kP0, 3));
  EXPECT_EQ(book_.GenerationOf(kP0), 0);
}

TEST_F(OffsetBookTest, ALostPartitionOfWhichNothingWasTakenMovesAgainToWhereItBegan) {
  EXPECT_TRUE(book_.Add({.topic = "t", .partition = 2, .next = kLogEnd}).ok());
  book_.TakeMoves();
  EXPECT_FALSE(book_.MoveAgain(kP1, 0)) << "it is not lost";
  for (const TopicPartition& partition : {kP0, kP1, kP2}) book_.Lose(partition);
  EXPECT_FALSE(book_.MoveAgain(kP0, 0)) << "an offset is wanted: its owner decides";
  EXPECT_FALSE(book_.MoveAgain(kP1, 1)) << "it was lost in another generation";
  EXPECT_TRUE(book_.MoveAgain(kP1, 0));
  EXPECT_TRUE(book_.MoveAgain(kP2, 0));
  for (const OffsetBook::Move& move : book_.TakeMoves()) {
    EXPECT_EQ(move.next, move.partition == kP1 ? std::nullopt : std::optional(kLogEnd));
  }
  EXPECT_THAT(book_.Lost(), SizeIs(1));
}

TEST_F(OffsetBookTest, ARewindOverridesALossAndItsDecision) {
  book_.TakeMoves();
  book_.Lose(kP0);
  EXPECT_TRUE(book_.Rewind(kP0, 7).ok());
  book_.Decide(kP0, 0, 3);
  EXPECT_THAT(book_.Lost(), IsEmpty());
  EXPECT_EQ(book_.TakeMoves()[0].next, 7);
}

TEST_F(OffsetBookTest, ALossWhileMovingIsAboutThePast) {
  book_.Lose(kP0);
  EXPECT_THAT(book_.Lost(), IsEmpty());
  EXPECT_THAT(book_.TakeMoves(), SizeIs(2));
}

TEST_F(OffsetBookTest, WrongPositionsAreRefused) {
  EXPECT_THAT(book_.Add({.topic = "t", .partition = 0, .next = 1}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(book_.Add({.topic = "", .partition = 0, .next = 1}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(book_.Add({.topic = "u", .partition = -1, .next = 1}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(book_.Add({.topic = "u", .partition = 0, .next = -2}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(book_.Add({.topic = "u", .partition = 0, .next = kLogEnd}).ok());
  EXPECT_THAT(book_.Rewind({.topic = "u", .partition = 9}, 1), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OffsetBookTest, HowFarAPartitionWasReadIsKnownFromItsMessagesOrItsEnd) {
  EV_ASSERT_OK(book_.Add({.topic = "t", .partition = 2, .next = kLogEnd}));
  book_.TakeMoves();
  EXPECT_EQ(Read(kP0), 10);
  EXPECT_EQ(Read(kP1), std::nullopt);
  EXPECT_EQ(Read(kP2), std::nullopt);
  book_.Taken(kP0, 0, 12);
  book_.AtEnd(kP1, 0);
  book_.AtEnd(kP2, 7);
  EXPECT_EQ(Read(kP0), 13);
  EXPECT_EQ(Read(kP1), 0);
  EXPECT_EQ(Read(kP2), 7);
}

TEST_F(OffsetBookTest, AnEndIsOfTheReadingThatSawItAndChangesNothingThatCounts) {
  book_.TakeMoves();
  book_.AtEnd(kP0, 20);
  EXPECT_EQ(Read(kP0), 20);
  EXPECT_TRUE(book_.Accepts(kP0, 10));
  EV_ASSERT_OK(book_.Rewind(kP0, 3));
  book_.AtEnd(kP0, 20);
  EXPECT_EQ(Read(kP0), 3);
}

}  // namespace
}  // namespace ev::kafka
