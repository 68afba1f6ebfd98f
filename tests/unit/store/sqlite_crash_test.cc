// What a process that was killed leaves in the SQLite store's file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/id_source.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/child.h"
#include "tests/unit/store/faulty_vfs.h"
#include "tests/unit/store/records.h"

namespace ev::store {
namespace {

class SqliteCrashTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<SqliteStore>> Open() {
    return SqliteStore::Open(path_, {kShards, nullptr}, At(0), ids_);
  }

  TempDir folder_;
  const std::string path_ = folder_.File("central.db");
  RandomIdSource ids_{1};
};

constexpr int kLive = 5;

// Commit n: in every shard the sessions, the offset, a ticket and an outbox row that say n.
std::vector<ShardBatch> BatchesOf(std::int64_t n, std::int64_t epoch) {
  std::vector<ShardBatch> batches;
  for (int shard = 0; shard < kShards; ++shard) {
    ShardBatch batch;
    batch.shard = shard;
    batch.epoch = epoch;
    for (int i = 0; i < kLive; ++i) {
      batch.sessions.push_back(OpenSession(shard * 100 + i));
      batch.sessions.back().energy_mwh = n;
    }
    const int ticket = static_cast<int>(1000 + n * kShards + shard);
    batch.sessions.push_back(OpenSession(ticket, SessionState::kCompleted));
    batch.tickets = {FullTicket(ticket)};
    batch.outbox = {FullOutbox(absl::StrCat("o", ticket))};
    batch.offsets = {{"data", shard, n - 1, n}};
    batches.push_back(std::move(batch));
  }
  return batches;
}

// The number of commits in the store, which is the same wherever one looks.
std::int64_t WholeCommits(Store& store) {
  const std::vector<ShardState> states = store.TakeShards("parent", "").value();
  const std::int64_t n = states[0].offsets.empty() ? 0 : states[0].offsets[0].next;
  for (int shard = 0; n > 0 && shard < kShards; ++shard) {
    EXPECT_EQ(states[static_cast<std::size_t>(shard)].offsets.at(0).next, n);
    for (int i = 0; i < kLive; ++i) EXPECT_EQ(store.FindSession(Id(shard * 100 + i)).value().energy_mwh, n);
    for (std::int64_t k = 1; k <= n + 1; ++k) {
      const std::string ticket = FullTicket(static_cast<int>(1000 + k * kShards + shard)).id;
      EXPECT_EQ(store.FindTicket(ticket).ok(), k <= n) << k;
    }
  }
  EXPECT_EQ(store.OutboxSize().value(), n * kShards);
  EV_EXPECT_OK(store.CheckIntegrity());
  return n;
}

TEST_F(SqliteCrashTest, AKilledProcessLeavesWholeCommitsAndEveryOneThatWasAnswered) {
  std::int64_t before = 0;
  for (int round = 0; round < 10; ++round) {
    int answered = 0;
    {
      Child child([&](int out) {
        auto store = Open();
        if (!store.ok()) return;
        const std::int64_t epoch = (*store)->TakeShards("child", "").value().at(0).epoch;
        for (std::int64_t n = before + 1;; ++n) {
          for (const absl::Status& status : (*store)->Commit(BatchesOf(n, epoch))) {
            if (!status.ok()) return;
          }
          Tell(out, static_cast<int>(n));
        }
      });
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(child.Read(answered));
      child.Kill();  // In the midst of the next.
      while (child.Read(answered)) {
      }
    }
    auto store = Open();
    EV_ASSERT_OK(store);
    const std::int64_t n = WholeCommits(**store);
    EXPECT_GE(n, answered);
    EXPECT_LE(n, answered + 1);
    before = n;
  }
}

TEST_F(SqliteCrashTest, AKillAtAnyWriteOfACommitOrACheckpointLeavesWholeCommits) {
  std::int64_t before = 0;
  int committed_before_the_kill = 0;
  for (int kill_at = 1;; ++kill_at) {
    ASSERT_LT(kill_at, 1000);
    int answered = 0;
    int closed = 0;
    {
      Child child([&](int out) {
        FaultyVfs disk;
        auto store = Open();
        if (!store.ok()) return;
        const std::int64_t epoch = (*store)->TakeShards("child", "").value().at(0).epoch;
        disk.KillAt(kill_at);
        for (const absl::Status& status : (*store)->Commit(BatchesOf(before + 1, epoch))) {
          if (!status.ok()) return;
        }
        Tell(out, 1);
        store->reset();  // The last connection copies the log into the file.
        Tell(out, 1);
      });
      child.Read(answered);
      child.Read(closed);
    }
    auto store = Open();
    EV_ASSERT_OK(store);
    const std::int64_t n = WholeCommits(**store);
    EXPECT_GE(n, before + answered);
    EXPECT_LE(n, before + 1);
    before = n;
    if (closed == 1) break;
    committed_before_the_kill += answered;
  }
  EXPECT_GT(committed_before_the_kill, 3);  // It was killed in checkpoints too.
}

TEST_F(SqliteCrashTest, AKillAtAnyWriteOfTheFirstStartLeavesNoHalfMadeFile) {
  for (int kill_at = 1;; ++kill_at) {
    ASSERT_LT(kill_at, 1000);
    int opened = 0;
    {
      Child child([&](int out) {
        FaultyVfs disk;
        disk.KillAt(kill_at);
        Tell(out, Open().ok() ? 1 : 2);
      });
      child.Read(opened);
    }
    {
      auto store = Open();
      EV_ASSERT_OK(store) << kill_at;
      EXPECT_EQ(WholeCommits(**store), 0);
    }
    if (opened != 0) break;
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }
}

}  // namespace
}  // namespace ev::store
