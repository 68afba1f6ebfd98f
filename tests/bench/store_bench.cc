// Group commit of the SQLite store: upserts of live sessions (what telemetry does every second), each commit synced.
// BatchRatio compares batches of 1000 with batches of one in the same run; the files are in $TMPDIR.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/id_source.h"
#include "store/sqlite/sqlite_store.h"

namespace ev::store {
namespace {

constexpr int kSessions = 20'000;  // Live at once.

class Ledger {
 public:
  Ledger() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ev_bench_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    store_ = SqliteStore::Open(folder_ + "/central.db", {}, absl::Now(), ids_).value();
    batch_.epoch = store_->TakeShards("bench", "").value().at(0).epoch;
    for (int n = 0; n < kSessions; ++n) {
      Session session;
      session.id = SessionId(ids_.NewRandomHex());
      session.cp = CpId(absl::StrCat("cp_", n));
      session.driver = DriverId(absl::StrCat("driver_", n % 997));
      session.number = GrantNumber(n);
      session.price = {350'000, "EUR"};
      session.state = SessionState::kCharging;
      session.requested = absl::Now();
      sessions_.push_back(std::move(session));
    }
    batch_.sessions = sessions_;
    Commit();
  }
  ~Ledger() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // One commit of the next `rows` sessions.
  void Advance(int rows) {
    batch_.sessions.clear();
    for (int i = 0; i < rows; ++i) {
      Session& session = sessions_[static_cast<std::size_t>(next_++ % kSessions)];
      session.energy_mwh += 3055;
      session.amount_micros += 1069;
      session.updated += absl::Seconds(1);
      session.sequence += 1;
      session.revision.counter += 1;
      batch_.sessions.push_back(session);
    }
    batch_.offsets = {{"charging_session_data", 0, offset_, offset_ + rows}};
    offset_ += rows;
    Commit();
  }

 private:
  void Commit() {
    if (!store_->Commit({batch_}).at(0).ok()) std::abort();
  }

  RandomIdSource ids_{1};
  std::string folder_;
  std::unique_ptr<SqliteStore> store_;
  std::vector<Session> sessions_;
  ShardBatch batch_;
  std::int64_t next_ = 0;
  std::int64_t offset_ = 0;
};

void CommitLiveSessions(benchmark::State& state) {
  Ledger ledger;
  const int rows = static_cast<int>(state.range(0));
  for (auto _ : state) ledger.Advance(rows);
  state.SetItemsProcessed(state.iterations() * rows);
}
BENCHMARK(CommitLiveSessions)->Arg(1)->Arg(10)->Arg(100)->Arg(1000)->Arg(5000)->UseRealTime();

void BatchRatio(benchmark::State& state) {
  Ledger ledger;
  constexpr int kSingles = 50;
  constexpr int kRows = 1000;
  double single_seconds = 0;
  double batch_seconds = 0;
  const auto timed = [](auto&& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::int64_t rounds = 0;
  for (auto _ : state) {  // In turns, so that both see the same machine.
    single_seconds += timed([&] {
      for (int i = 0; i < kSingles; ++i) ledger.Advance(1);
    });
    batch_seconds += timed([&] { ledger.Advance(kRows); });
    ++rounds;
  }
  const auto total = static_cast<double>(rounds);
  state.counters["rows_per_s_batch_1"] = kSingles * total / single_seconds;
  state.counters["rows_per_s_batch_1000"] = kRows * total / batch_seconds;
  state.counters["ratio"] = (kRows / batch_seconds) / (kSingles / single_seconds);
}
BENCHMARK(BatchRatio)->UseRealTime();

}  // namespace
}  // namespace ev::store
