// The SQLite store on a disk that fails, or that loses what was not synced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/id_source.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/faulty_vfs.h"
#include "tests/unit/store/records.h"

namespace ev::store {
namespace {

using absl::StatusCode;
using ::testing::Each;
using ::testing::ElementsAre;

class SqliteFaultTest : public ::testing::Test {
 protected:
  SqliteFaultTest() { Reopen(); }

  void Reopen() {
    store_.reset();
    auto store = SqliteStore::Open(folder_.File("central.db"), {kShards, nullptr}, At(0), ids_);
    EV_EXPECT_OK(store);
    store_ = *std::move(store);
    epoch_ = store_->TakeShards("o", "a").value().at(0).epoch;
  }
  ShardBatch Batch(int shard) const {
    ShardBatch batch;
    batch.shard = shard;
    batch.epoch = epoch_;
    batch.sessions = {OpenSession(shard + 1)};
    return batch;
  }

  FaultyVfs disk_;
  TempDir folder_;
  RandomIdSource ids_{1};
  std::unique_ptr<SqliteStore> store_;
  std::int64_t epoch_ = 0;
};

TEST_F(SqliteFaultTest, AFullDiskAtCommitLeavesTheOutcomeUnknownAndTheFileWhole) {
  EXPECT_THAT(store_->Commit({Batch(0)}), ElementsAre(IsOk()));
  disk_.FailWrites(SQLITE_FULL);
  EXPECT_THAT(store_->Commit({Batch(1), Batch(2)}), Each(StatusIs(StatusCode::kUnknown)));
  disk_.FailWrites(SQLITE_OK);
  EXPECT_THAT(store_->Commit({Batch(1)}), Each(StatusIs(StatusCode::kInternal)));
  Reopen();
  EV_EXPECT_OK(store_->CheckIntegrity());
  EV_EXPECT_OK(store_->FindSession(Id(1)));
  EXPECT_FALSE(store_->FindSession(Id(2)).ok());
  EXPECT_THAT(store_->Commit({Batch(1)}), ElementsAre(IsOk()));
}

TEST_F(SqliteFaultTest, ASyncThatFailsLeavesTheOutcomeUnknownForAllOrNothing) {
  disk_.FailSyncs(SQLITE_IOERR_FSYNC);
  EXPECT_THAT(store_->Commit({Batch(1), Batch(2)}), Each(StatusIs(StatusCode::kUnknown)));
  disk_.FailSyncs(SQLITE_OK);
  Reopen();
  EXPECT_EQ(store_->FindSession(Id(2)).ok(), store_->FindSession(Id(3)).ok());
}

TEST_F(SqliteFaultTest, AFullDiskBeforeTheCommitIsKnownToHaveWrittenNothing) {
  ShardBatch large = Batch(0);  // More than the cache holds, so that it is written before its COMMIT.
  for (int i = 0; i < 64; ++i) {
    large.outbox.push_back(FullOutbox(absl::StrCat(i)));
    large.outbox.back().value = std::string(1'000'000, 'x');
  }
  ShardBatch fenced = Batch(1);
  fenced.epoch += 1;
  disk_.FailWrites(SQLITE_FULL);
  EXPECT_THAT(
      store_->Commit({fenced, large, Batch(2)}),
      ElementsAre(StatusIs(StatusCode::kAborted), StatusIs(StatusCode::kInternal), StatusIs(StatusCode::kInternal)));
  disk_.FailWrites(SQLITE_OK);
  EV_EXPECT_OK(store_->CheckMedium());
  EXPECT_EQ(store_->OutboxSize().value(), 0);
  EXPECT_FALSE(store_->FindSession(Id(1)).ok());
  EXPECT_THAT(store_->Commit({large}), ElementsAre(IsOk()));
  EXPECT_EQ(store_->OutboxSize().value(), 64);
}

// B189
TEST_F(SqliteFaultTest, ADiskThatCannotBeReadOnceIsNotTrustedAnyMore) {
  disk_.FailReads(SQLITE_IOERR_READ);
  EXPECT_THAT(store_->FindSession(Id(1)), StatusIs(StatusCode::kInternal));
  disk_.FailReads(SQLITE_OK);
  EXPECT_THAT(store_->CheckMedium(), StatusIs(StatusCode::kInternal));
  EXPECT_THAT(store_->Commit({Batch(0)}), Each(StatusIs(StatusCode::kInternal)));
  Reopen();
  EXPECT_THAT(store_->Commit({Batch(0)}), ElementsAre(IsOk()));
}

TEST_F(SqliteFaultTest, WhatCommitAnsweredOkForSurvivesAPowerCut) {
  TempDir durable;
  store_.reset();  // Everything so far is in the file.
  std::filesystem::copy_file(folder_.File("central.db"), durable.File("central.db"));
  disk_.KeepDurableImages(durable.path());
  Reopen();
  for (int n = 1; n <= 5; ++n) {
    ShardBatch batch = Batch(0);
    batch.sessions[0].energy_mwh = n;
    ASSERT_THAT(store_->Commit({batch}), ElementsAre(IsOk()));

    TempDir after;
    for (const char* name : {"central.db", "central.db-wal"}) {
      std::filesystem::copy_file(durable.File(name), after.File(name));
    }
    disk_.KeepDurableImages("");
    auto store = SqliteStore::Open(after.File("central.db"), {kShards, nullptr}, At(0), ids_);
    EV_ASSERT_OK(store);
    EXPECT_EQ((*store)->FindSession(Id(1)).value().energy_mwh, n);
    disk_.KeepDurableImages(durable.path());
  }
}

}  // namespace
}  // namespace ev::store
