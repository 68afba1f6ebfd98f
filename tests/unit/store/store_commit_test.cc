// Identity, ownership, offsets, group commit.

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/store/store_contract.h"

namespace ev::store {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StoreCommitTest : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(Stores, StoreCommitTest, AllStores(), NameOf);

// Identity.

TEST_P(StoreCommitTest, ItsIdAndShardsSurviveARestart) {
  const std::string id = store().id();
  EXPECT_THAT(id, ::testing::MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(store().shards(), kShards);
  RestartAndTake();
  EXPECT_EQ(store().id(), id);
  EXPECT_EQ(store().shards(), kShards);
}

TEST_P(StoreCommitTest, TheIncarnationIsTheTimeOfTheStart) {
  EXPECT_EQ(store().incarnation(), absl::ToUnixSeconds(At(0)));
  bench_->Restart(At(100));
  EXPECT_EQ(store().incarnation(), absl::ToUnixSeconds(At(100)));
}

TEST_P(StoreCommitTest, TheIncarnationGrowsEvenWhenTheClockStandsOrGoesBack) {
  std::int64_t before = store().incarnation();
  for (const double second : {0.0, 0.0, -1000.0, 0.0}) {
    bench_->Restart(At(second));
    EXPECT_EQ(store().incarnation(), before + 1);
    before = store().incarnation();
  }
}

TEST_P(StoreCommitTest, TheKafkaClusterIdIsEmptyUntilItIsSetAndSurvivesARestart) {
  EXPECT_EQ(store().KafkaClusterId().value(), "");
  EV_ASSERT_OK(store().SetKafkaClusterId("cluster-1"));
  EXPECT_EQ(store().KafkaClusterId().value(), "cluster-1");
  RestartAndTake();
  EXPECT_EQ(store().KafkaClusterId().value(), "cluster-1");
}

// Ownership.

TEST_P(StoreCommitTest, TakingTheShardsRaisesEveryEpochByOne) {
  for (const ShardState& state : Take()) EXPECT_EQ(state.epoch, 2);
  const std::vector<ShardState> states = RestartAndTake();
  ASSERT_THAT(states, SizeIs(kShards));
  for (int shard = 0; shard < kShards; ++shard) {
    EXPECT_EQ(states[static_cast<std::size_t>(shard)].shard, shard);
    EXPECT_EQ(states[static_cast<std::size_t>(shard)].epoch, 3);
  }
}

TEST_P(StoreCommitTest, AnOwnerOfAnOlderEpochWritesNothing) {
  ShardBatch old = Batch();
  old.sessions = {FullSession(1)};
  old.offsets = {{"data", 0, 0, 5}};
  old.outbox = {FullOutbox("a")};
  Take();
  EXPECT_THAT(CommitOne(old), StatusIs(StatusCode::kAborted, HasSubstr("epoch 1")));
  EXPECT_THAT(store().FindSession(Id(1)), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(store().OutboxSize().value(), 0);
  EXPECT_THAT(Take()[0].offsets, IsEmpty());
}

TEST_P(StoreCommitTest, ABatchWithoutRowsStillChecksTheEpoch) {
  ShardBatch empty = Batch();
  EV_EXPECT_OK(CommitOne(empty));
  empty.epoch += 1;
  EXPECT_THAT(CommitOne(empty), StatusIs(StatusCode::kAborted));
}

TEST_P(StoreCommitTest, AShardThatDoesNotExistIsRefused) {
  EXPECT_THAT(CommitOne(Batch(kShards)), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(CommitOne(Batch(-1)), StatusIs(StatusCode::kAborted));
}

// Offsets.

TEST_P(StoreCommitTest, TheFirstAdvanceOfAPartitionSaysWhereReadingBegan) {
  EV_ASSERT_OK(CommitOffset(500, 510));
  EXPECT_THAT(RestartAndTake()[0].offsets, ElementsAre(Offset{"data", 0, 510}));
}

// B99 B111
TEST_P(StoreCommitTest, AnAdvanceFromAnotherOffsetThanTheStoredOneIsRefused) {
  EV_ASSERT_OK(CommitOffset(0, 10));
  for (const std::int64_t base : {0, 9, 11}) {
    EXPECT_THAT(CommitOffset(base, 20), StatusIs(StatusCode::kAborted, HasSubstr("offset")));
  }
  EV_ASSERT_OK(CommitOffset(10, 20));
  EXPECT_THAT(Take()[0].offsets, ElementsAre(Offset{"data", 0, 20}));
}

// B99 B111
TEST_P(StoreCommitTest, WhatCameWithARefusedOffsetIsNotWritten) {
  EV_ASSERT_OK(CommitOffset(0, 10));
  ShardBatch batch = Batch();
  batch.points = {FullPoint("cp_001")};
  batch.deleted_points = {CpId("cp_002")};
  batch.sessions = {FullSession(1)};
  batch.tickets = {FullTicket(1)};
  batch.requests = {{"key", "f", Id(1), DenialReason::kNone, "", At(1)}};
  batch.refusals = {{Id(1), true, "why", At(1), {}}};
  batch.outbox = {FullOutbox("a")};
  batch.gaps = {{"data", 0, 1, 2, 3, At(1)}};
  batch.network_causes = {{{Cause::kOperator, "ana", "all", At(1)}}};
  batch.offsets = {{"complete", 0, 0, 1}, {"data", 0, 9, 20}};  // The first would do.
  EXPECT_THAT(CommitOne(batch), StatusIs(StatusCode::kAborted));

  EXPECT_THAT(store().FindSession(Id(1)), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(store().FindTicket(Id(1).value()), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(store().FindRequest("key"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(store().FindRefusals(Id(1)).value(), IsEmpty());
  EXPECT_EQ(store().OutboxSize().value(), 0);
  EXPECT_THAT(store().ListGaps().value(), IsEmpty());
  const ShardState state = Take()[0];
  EXPECT_THAT(state.points, IsEmpty());
  EXPECT_THAT(state.network_causes, IsEmpty());
  EXPECT_THAT(state.offsets, ElementsAre(Offset{"data", 0, 10}));
}

TEST_P(StoreCommitTest, AnOffsetMayGoBackWhenKafkaStartsAnew) {
  EV_ASSERT_OK(CommitOffset(0, 1000));
  EV_ASSERT_OK(CommitOffset(1000, 3));
  EXPECT_THAT(Take()[0].offsets, ElementsAre(Offset{"data", 0, 3}));
}

TEST_P(StoreCommitTest, APartitionAdvancesStepByStepWithinABatch) {
  ShardBatch batch = Batch();
  batch.offsets = {{"data", 0, 0, 5}, {"data", 0, 5, 8}};
  EV_ASSERT_OK(CommitOne(batch));
  batch.offsets = {{"data", 0, 8, 9}, {"data", 0, 8, 10}};
  EXPECT_THAT(CommitOne(batch), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(Take()[0].offsets, ElementsAre(Offset{"data", 0, 8}));
}

TEST_P(StoreCommitTest, AShardCannotAdvanceAnothersPartition) {
  EV_ASSERT_OK(CommitOffset(0, 10, /*shard=*/1));
  ShardBatch batch = Batch(0);
  batch.offsets = {{"data", 1, 10, 20}};
  EXPECT_THAT(CommitOne(batch), StatusIs(StatusCode::kAborted));
}

// Group commit.

TEST_P(StoreCommitTest, EachShardHasItsOwnStatus) {
  EV_ASSERT_OK(CommitOffset(0, 10, /*shard=*/1));
  EV_ASSERT_OK(CommitTickets({FullTicket(30)}));
  std::vector<ShardBatch> batches;
  for (int shard = 0; shard < kShards; ++shard) {
    batches.push_back(Batch(shard));
    batches.back().sessions = {OpenSession(shard + 1)};
  }
  batches[0].epoch += 1;
  batches[1].offsets = {{"data", 1, 7, 20}};
  batches[2].tickets = {FullTicket(30)};
  batches[2].tickets[0].energy_mwh += 1;
  const std::vector<absl::Status> statuses = store().Commit(batches);
  ASSERT_THAT(statuses, SizeIs(kShards));
  EXPECT_THAT(statuses[0], StatusIs(StatusCode::kAborted, HasSubstr("shard 0")));
  EXPECT_THAT(statuses[1], StatusIs(StatusCode::kAborted, HasSubstr("shard 1")));
  EXPECT_THAT(statuses[2], StatusIs(StatusCode::kInvalidArgument));
  EV_EXPECT_OK(statuses[3]);
  for (const int refused : {1, 2, 3}) EXPECT_FALSE(store().FindSession(Id(refused)).ok()) << refused;
  EV_EXPECT_OK(store().FindSession(Id(4)));
}

TEST_P(StoreCommitTest, TwoBatchesOfOneShardAreWrittenInOrder) {
  ShardBatch first = Batch();
  first.sessions = {OpenSession(1)};
  first.offsets = {{"data", 0, 0, 5}};
  ShardBatch second = first;
  second.sessions[0].energy_mwh = 17;
  second.offsets = {{"data", 0, 5, 6}};
  EXPECT_THAT(store().Commit({first, second}), ElementsAre(IsOk(), IsOk()));
  EXPECT_EQ(store().FindSession(Id(1)).value().energy_mwh, 17);
}

TEST_P(StoreCommitTest, NothingToCommitIsNoError) {
  EXPECT_THAT(store().Commit({}), IsEmpty());
}

TEST_P(StoreCommitTest, AnUnknownOutcomeIsUnknownForAllAndEndsWriting) {
  EV_ASSERT_OK(CommitSessions({OpenSession(1)}));
  bench_->FailNextCommit();
  ShardBatch refused = Batch(1);
  refused.epoch += 1;
  EXPECT_THAT(store().Commit({Batch(0), refused}),
              ElementsAre(StatusIs(StatusCode::kUnknown), StatusIs(StatusCode::kUnknown)));
  EXPECT_THAT(CommitOne(Batch()), StatusIs(StatusCode::kInternal));
  EXPECT_FALSE(store().SetKafkaClusterId("c").ok());
  EXPECT_FALSE(store().TakeShards("o", "a").ok());
  EXPECT_FALSE(store().DeleteOutbox({1}).ok());
  EXPECT_FALSE(store().DeleteRequestsBefore(At(0)).ok());
  RestartAndTake();
  EV_EXPECT_OK(store().FindSession(Id(1)));
  EV_EXPECT_OK(CommitOne(Batch()));
}

// B189
TEST_P(StoreCommitTest, AMediumIsSoundUntilACommitFailsForGood) {
  EV_EXPECT_OK(store().CheckMedium());
  ShardBatch refused = Batch();
  refused.epoch += 1;
  EXPECT_THAT(CommitOne(refused), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(store().FindSession(Id(1)), StatusIs(StatusCode::kNotFound));
  EV_EXPECT_OK(store().CheckMedium());
  bench_->FailNextCommit();
  EXPECT_FALSE(CommitOne(Batch()).ok());
  EXPECT_THAT(store().CheckMedium(), StatusIs(StatusCode::kInternal));
  RestartAndTake();
  EV_EXPECT_OK(store().CheckMedium());
}

// B189
TEST_P(StoreCommitTest, DamageThatAnyReadFindsIsKeptAndEndsWriting) {
  bench_->Damage();
  EXPECT_THAT(store().OutboxSize(), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(store().CheckMedium(), StatusIs(StatusCode::kDataLoss));
  EXPECT_FALSE(CommitOne(Batch()).ok());
  EXPECT_FALSE(store().SetKafkaClusterId("c").ok());
  EXPECT_THAT(store().CheckMedium(), StatusIs(StatusCode::kDataLoss));
}

// Threads.

TEST_P(StoreCommitTest, ReadersSeeWholeCommitsWhileOthersWrite) {
  const auto commit = [&](int n) {
    ShardBatch batch = Batch();
    for (const int id : {1, 2}) {
      batch.sessions.push_back(OpenSession(id));
      batch.sessions.back().energy_mwh = n;
      batch.sessions.back().requested = At(id);
    }
    batch.outbox = {FullOutbox(absl::StrCat(n))};
    EV_EXPECT_OK(CommitOne(batch));
  };
  commit(0);
  std::atomic<bool> stop = false;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        const std::vector<Session> both = store().ListSessions({}).value().items;
        ASSERT_THAT(both, SizeIs(2));
        EXPECT_EQ(both[0].energy_mwh, both[1].energy_mwh);
        EV_EXPECT_OK(store().FindSession(Id(1)));
      }
    });
  }
  threads.emplace_back([&] {  // The relay.
    while (!stop) {
      std::vector<std::int64_t> positions;
      const auto rows = store().ReadOutbox(0, 10);
      for (const StoredOutboxRecord& row : *rows) positions.push_back(row.position);
      EV_EXPECT_OK(store().DeleteOutbox(positions));
    }
  });
  for (int n = 1; n <= 100; ++n) {
    commit(n);
    EXPECT_EQ(store().FindSession(Id(2)).value().energy_mwh, n);  // What was answered OK is seen.
  }
  stop = true;
}

}  // namespace
}  // namespace ev::store
