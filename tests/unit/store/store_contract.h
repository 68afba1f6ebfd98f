#ifndef EV_TESTS_UNIT_STORE_STORE_CONTRACT_H_
#define EV_TESTS_UNIT_STORE_STORE_CONTRACT_H_

// What every store promises: each suite derives from StoreTest, and is instantiated for AllStores().

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/id_source.h"
#include "store/inmemory/inmemory_store.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/records.h"

namespace ev::store {

// As a stray dd would.
inline void OverwriteStart(const std::string& path, std::streamsize bytes) {
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out) << std::string(bytes, '\x5a');
}

// One store and the disk below it.
class Bench {
 public:
  virtual ~Bench() = default;
  virtual Store& store() = 0;
  virtual void Restart(absl::Time now) = 0;
  virtual void FailNextCommit() = 0;
  // What is stored is no store any more. No reads before it: they may be answered from memory.
  virtual void Damage() = 0;
};

class InMemoryBench final : public Bench {
 public:
  Store& store() override { return store_; }
  void Restart(absl::Time now) override { store_.Restart(now); }
  void FailNextCommit() override { store_.FailNextCommit(/*written=*/false); }
  void Damage() override { store_.Damage(); }

 private:
  InMemoryStore store_{kShards, "0123456789abcdef0123456789abcdef", At(0)};
};

class SqliteBench final : public Bench {
 public:
  SqliteBench() { Restart(At(0)); }
  Store& store() override { return *store_; }
  void Restart(absl::Time now) override {
    store_.reset();
    fail_ = false;
    const auto before_commit = [this] { return fail_ ? absl::InternalError("disk full") : absl::OkStatus(); };
    auto store = SqliteStore::Open(folder_.File("central.db"), {kShards, before_commit}, now, ids_);
    if (!store.ok()) throw std::runtime_error(store.status().ToString());
    store_ = *std::move(store);
  }
  void FailNextCommit() override { fail_ = true; }
  void Damage() override { OverwriteStart(folder_.File("central.db"), 16384); }

 private:
  TempDir folder_;
  RandomIdSource ids_{1};
  std::atomic<bool> fail_ = false;
  std::unique_ptr<SqliteStore> store_;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Bench>()> make;
};

class StoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  StoreTest() { Take(); }

  Store& store() { return bench_->store(); }
  std::vector<ShardState> Take() {
    auto states = store().TakeShards("central-1", "localhost:50051");
    EV_EXPECT_OK(states);
    epoch_ = states->at(0).epoch;
    return *std::move(states);
  }
  ShardBatch Batch(int shard = 0) {
    ShardBatch batch;
    batch.shard = shard;
    batch.epoch = epoch_;
    return batch;
  }
  absl::Status CommitOne(const ShardBatch& batch) {
    const std::vector<absl::Status> statuses = store().Commit({batch});
    EXPECT_EQ(statuses.size(), 1u);
    return statuses.at(0);
  }
  absl::Status CommitSessions(std::vector<Session> sessions) {
    ShardBatch batch = Batch();
    batch.sessions = std::move(sessions);
    return CommitOne(batch);
  }
  absl::Status CommitTickets(std::vector<Ticket> tickets) {
    ShardBatch batch = Batch();
    batch.tickets = std::move(tickets);
    return CommitOne(batch);
  }
  absl::Status CommitOffset(std::int64_t base, std::int64_t next, int shard = 0) {
    ShardBatch batch = Batch(shard);
    batch.offsets = {{"data", shard, base, next}};
    return CommitOne(batch);
  }
  // The next start of Central.
  std::vector<ShardState> RestartAndTake(absl::Time now = At(0)) {
    bench_->Restart(now);
    return Take();
  }

  std::unique_ptr<Bench> bench_ = GetParam().make();
  std::int64_t epoch_ = 0;
};

inline auto AllStores() {
  return ::testing::Values(Kind{"InMemory", [] { return std::make_unique<InMemoryBench>(); }},
                           Kind{"Sqlite", [] { return std::make_unique<SqliteBench>(); }});
}
inline std::string NameOf(const ::testing::TestParamInfo<Kind>& kind) {
  return kind.param.name;
}

}  // namespace ev::store

#endif  // EV_TESTS_UNIT_STORE_STORE_CONTRACT_H_
