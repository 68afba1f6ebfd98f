#include "kafka/assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace ev::kafka {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What librdkafka would do: it refuses to take out what it does not read, and to take in what it reads already.
class AssignmentTest : public ::testing::Test {
 protected:
  absl::Status Move(const std::vector<int>& partitions) {
    std::vector<OffsetBook::Move> moves;
    moves.reserve(partitions.size());
    for (const int partition : partitions) moves.push_back({.partition = {"t", partition}, .next = 7});
    return assignment_.Move(
        moves, [this](Assignment::Moves leaving) { return Change(leaving, "-", /*is_read=*/true); },
        [this](Assignment::Moves coming) { return Change(coming, "+", /*is_read=*/false); });
  }

  absl::Status Change(Assignment::Moves moves, const std::string& sign, bool is_read) {
    if (sign == fails_) return absl::InternalError(sign);
    for (const OffsetBook::Move& move : moves) {
      if (read_.contains(move.partition) != is_read) return absl::FailedPreconditionError("conflict");
    }
    for (const OffsetBook::Move& move : moves) {
      is_read ? (void)read_.erase(move.partition) : (void)read_.insert(move.partition);
      done_.push_back(absl::StrCat(sign, move.partition.partition));
    }
    return absl::OkStatus();
  }
  std::vector<std::string> Done() { return std::exchange(done_, {}); }

  std::string fails_;
  absl::flat_hash_set<TopicPartition> read_;
  std::vector<std::string> done_;
  Assignment assignment_;
};

TEST_F(AssignmentTest, WhatIsReadIsTakenOutBeforeItIsAssignedAnew) {
  EV_ASSERT_OK(Move({0, 1}));
  EXPECT_THAT(Done(), ElementsAre("+0", "+1"));
  EV_ASSERT_OK(Move({1, 2}));
  EXPECT_THAT(Done(), ElementsAre("-1", "+1", "+2"));
  EV_ASSERT_OK(Move({}));
  EXPECT_THAT(Done(), IsEmpty());
}

// B112 B117
TEST_F(AssignmentTest, AfterAFailedAssignNothingIsBelievedToBeRead) {
  fails_ = "+";
  EXPECT_THAT(Move({0}), StatusIs(absl::StatusCode::kInternal));
  fails_.clear();
  EV_EXPECT_OK(Move({0})) << "nothing is taken out that was never assigned";
  EXPECT_THAT(Done(), ElementsAre("+0"));

  fails_ = "+";
  EXPECT_THAT(Move({0, 1}), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(Done(), ElementsAre("-0"));
  fails_.clear();
  EV_EXPECT_OK(Move({0, 1}));
  EXPECT_THAT(Done(), ElementsAre("+0", "+1"));
}

// B112
TEST_F(AssignmentTest, AfterAFailedUnassignEverythingIsReadAsBefore) {
  EV_ASSERT_OK(Move({0}));
  fails_ = "-";
  EXPECT_THAT(Move({0, 1}), StatusIs(absl::StatusCode::kInternal));
  fails_.clear();
  EXPECT_THAT(Done(), ElementsAre("+0"));
  EV_EXPECT_OK(Move({0, 1}));
  EXPECT_THAT(Done(), ElementsAre("-0", "+0", "+1"));
}

}  // namespace
}  // namespace ev::kafka
