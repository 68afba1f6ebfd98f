#include "kafka/stall_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace ev::kafka {
namespace {

constexpr int kPatience = 3;

class StallWatchTest : public ::testing::Test {
 protected:
  static StallWatch::Position At(int partition, std::optional<std::int64_t> next, std::int64_t log_end) {
    return {.partition = {.topic = "facts", .partition = partition}, .next = next, .log_end = log_end};
  }
  // So many looks that see the same; returns the reason after the last.
  std::string Look(int times, const std::vector<StallWatch::Position>& positions) {
    for (int i = 0; i < times; ++i) watch_.Look(positions);
    return watch_.Reason();
  }

  StallWatch watch_{kPatience};
};

// B117
TEST_F(StallWatchTest, APartitionThatStaysBehindIsNamedAfterEnoughLooksAndUntilItMoves) {
  Look(1, {At(0, 5, 5)});
  EXPECT_EQ(Look(kPatience - 1, {At(0, 5, 6)}), "");
  EXPECT_EQ(Look(1, {At(0, 5, 9)}), "facts[0] stays at offset 5 although the log holds more");
  EXPECT_EQ(Look(1, {At(0, 6, 9)}), "");
}

TEST_F(StallWatchTest, APartitionThatIsBehindAndMovesIsNotStalled) {
  for (int next = 0; next < 10 * kPatience; ++next) EXPECT_EQ(Look(1, {At(0, next, 1000)}), "");
}

TEST_F(StallWatchTest, APartitionThatIsAtItsEndIsNotStalled) {
  EXPECT_EQ(Look(10 * kPatience, {At(0, 5, 5)}), "");
  EXPECT_EQ(Look(10 * kPatience, {At(0, 5, 4)}), "") << "what the log has lost is a gap, and said elsewhere";
}

TEST_F(StallWatchTest, APartitionThatWasNeverReadIsStalledEvenWhenItIsEmpty) {
  EXPECT_EQ(Look(kPatience, {At(0, std::nullopt, 0)}), "facts[0] was never read");
  EXPECT_EQ(Look(1, {At(0, 0, 0)}), "");
}

TEST_F(StallWatchTest, OfSeveralTheFirstIsNamedAndTheOthersAreCounted) {
  Look(1, {At(2, 7, 7), At(1, 7, 7), At(0, 7, 7)});
  EXPECT_EQ(Look(kPatience, {At(2, 7, 8), At(1, 7, 8), At(0, 7, 7)}),
            "facts[1] stays at offset 7 although the log holds more (and 1 more)");
}

TEST_F(StallWatchTest, EndsThatCannotBeLearnedAreAStallToo) {
  for (int i = 0; i < kPatience - 1; ++i) watch_.LookFailed("not allowed");
  EXPECT_EQ(watch_.Reason(), "");
  watch_.LookFailed("not allowed");
  EXPECT_EQ(watch_.Reason(), "the ends of the partitions cannot be learned: not allowed");
  EXPECT_EQ(Look(1, {At(0, std::nullopt, 0)}), "facts[0] was never read") << "seeing again is not reading again";
  EXPECT_EQ(Look(1, {At(0, 0, 0)}), "");
}

TEST_F(StallWatchTest, AnOutageIsNoStallAndHealsNone) {
  Look(1, {At(0, 5, 5)});
  Look(kPatience - 1, {At(0, 5, 6)});
  watch_.Pause();
  EXPECT_EQ(Look(kPatience - 1, {At(0, 5, 6)}), "");
  EXPECT_NE(Look(1, {At(0, 5, 6)}), "");
  watch_.Pause();
  EXPECT_NE(watch_.Reason(), "");
}

}  // namespace
}  // namespace ev::kafka
