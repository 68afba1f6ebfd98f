// Group commit of the SQLite store: upserts of live sessions (what telemetry does every second), each commit synced.
// BatchRatio compares batches of 1000 with batches of one in the same run, CommitWhileCopied commits beside a copy of
// the store with commits alone; the files are in $TMPDIR.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
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

  // Closed sessions that nobody looks at, to make the file large.
  void Fill(int sessions) {
    batch_.offsets.clear();
    for (int n = 0; n < sessions; n += kSessions) {
      batch_.sessions.clear();
      for (int i = 0; i < kSessions; ++i) {
        Session session = sessions_[static_cast<std::size_t>(i)];
        session.id = SessionId(ids_.NewRandomHex());
        session.state = SessionState::kDenied;
        batch_.sessions.push_back(std::move(session));
      }
      Commit();
    }
  }

  std::int64_t Copy() {
    const auto copy = store_->Copy([] { return absl::OkStatus(); });
    if (!copy.ok()) std::abort();
    return (*copy)->size();
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

// Commits of 100 rows, 10 ms apart: alone, then beside copies of a large store that follow each other.
void CommitWhileCopied(benchmark::State& state) {
  Ledger ledger;
  ledger.Fill(200'000);
  constexpr int kCommits = 300;
  const auto commit_times = [&] {
    std::vector<double> ms;
    for (int i = 0; i < kCommits; ++i) {
      const auto start = std::chrono::steady_clock::now();
      ledger.Advance(100);
      ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::sort(ms.begin(), ms.end());
    return ms;
  };
  for (auto _ : state) {
    const std::vector<double> alone = commit_times();
    std::atomic<bool> is_over = false;
    std::int64_t bytes = 0;
    double copied = 0;
    double seconds = 0;
    std::jthread copier([&] {
      while (!is_over) {
        const auto start = std::chrono::steady_clock::now();
        bytes = ledger.Copy();
        copied += static_cast<double>(bytes);
        seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      }
    });
    const std::vector<double> beside = commit_times();
    is_over = true;
    copier.join();
    state.counters["store_MB"] = static_cast<double>(bytes) / 1e6;
    state.counters["copied_MB_per_s"] = copied / seconds / 1e6;
    state.counters["alone_p50_ms"] = alone[kCommits / 2];
    state.counters["beside_p50_ms"] = beside[kCommits / 2];
    state.counters["alone_p99_ms"] = alone[kCommits * 99 / 100];
    state.counters["beside_p99_ms"] = beside[kCommits * 99 / 100];
    state.counters["ratio_p50"] = beside[kCommits / 2] / alone[kCommits / 2];
    state.counters["ratio_p99"] = beside[kCommits * 99 / 100] / alone[kCommits * 99 / 100];
  }
}
BENCHMARK(CommitWhileCopied)->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace ev::store
