// Dedup of message ids against the obvious way, std::list + std::unordered_map: check and insert of new ids at a window
// of 1 M ids, full and evicting. The last line is the ratio of the two in this run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/id_source.h"
#include "dedup/message_id_lru.h"

namespace ev::dedup {
namespace {

constexpr std::size_t kWindow = 1'000'000;

// A million ids a second would take years to repeat one.
class IdStream {
 public:
  MessageId Next() {
    MessageId id;
    const std::uint64_t high = Mix(++counter_);
    const std::uint64_t low = Mix(~counter_);
    std::memcpy(id.bytes.data(), &high, sizeof(high));
    std::memcpy(id.bytes.data() + sizeof(high), &low, sizeof(low));
    return id;
  }

 private:
  static std::uint64_t Mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  std::uint64_t counter_ = 0;
};

std::size_t counted_bytes = 0;

// Counts what is asked for, without malloc's own overhead: in favour of the many small nodes.
template <typename T>
struct CountingAllocator {
  using value_type = T;
  CountingAllocator() = default;
  template <typename U>
  CountingAllocator(const CountingAllocator<U>&) {}  // NOLINT(google-explicit-constructor): an allocator converts.
  T* allocate(std::size_t n) {
    counted_bytes += n * sizeof(T);
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) {
    counted_bytes -= n * sizeof(T);
    std::allocator<T>().deallocate(p, n);
  }
  friend bool operator==(const CountingAllocator&, const CountingAllocator&) { return true; }
};

class ListAndMapLru {
 public:
  explicit ListAndMapLru(std::size_t window) : window_(window) { map_.reserve(window); }

  bool CheckAndInsert(const MessageId& id) {
    const auto found = map_.find(id);
    if (found != map_.end()) {
      list_.splice(list_.begin(), list_, found->second);
      return true;
    }
    if (map_.size() == window_) {
      map_.erase(list_.back());
      list_.pop_back();
    }
    list_.push_front(id);
    map_.emplace(id, list_.begin());
    return false;
  }
  std::size_t memory_bytes() const { return counted_bytes; }

 private:
  struct Hash {
    std::size_t operator()(const MessageId& id) const {
      std::uint64_t half = 0;
      std::memcpy(&half, id.bytes.data(), sizeof(half));
      return half;
    }
  };
  using List = std::list<MessageId, CountingAllocator<MessageId>>;
  using Entry = std::pair<const MessageId, List::iterator>;

  std::size_t window_;
  List list_;
  std::unordered_map<MessageId, List::iterator, Hash, std::equal_to<>, CountingAllocator<Entry>> map_;
};

template <typename Lru>
void CheckAndInsertNewIds(benchmark::State& state, Lru& lru) {
  IdStream ids;
  for (std::size_t i = 0; i < 3 * kWindow; ++i) lru.CheckAndInsert(ids.Next());
  for (auto _ : state) benchmark::DoNotOptimize(lru.CheckAndInsert(ids.Next()));
  state.counters["bytes_per_id"] = static_cast<double>(lru.memory_bytes()) / static_cast<double>(kWindow);
}

void BM_TwoGenerations(benchmark::State& state) {
  MessageIdLru lru(kWindow, /*seed=*/1);
  CheckAndInsertNewIds(state, lru);
}

void BM_ListAndMap(benchmark::State& state) {
  ListAndMapLru lru(kWindow);
  CheckAndInsertNewIds(state, lru);
}

// Whole generations, so that every run pays for as many evictions as it caused.
BENCHMARK(BM_ListAndMap)->Iterations(4 * kWindow)->Repetitions(5);
BENCHMARK(BM_TwoGenerations)->Iterations(4 * kWindow)->Repetitions(5);

// Prints as usual and keeps the best run of each for the ratio: what else runs on the machine only ever adds time.
class BestKeeper : public benchmark::ConsoleReporter {
 public:
  struct Best {
    double nanoseconds = std::numeric_limits<double>::infinity();
    double bytes_per_id = 0;
  };

  BestKeeper() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      Best& best = best_[run.run_name.function_name];
      best.nanoseconds = std::min(best.nanoseconds, run.GetAdjustedCPUTime());
      best.bytes_per_id = run.counters.at("bytes_per_id");
    }
  }
  const std::map<std::string, Best>& best() const { return best_; }

 private:
  std::map<std::string, Best> best_;
};

void PrintRatio(const std::map<std::string, BestKeeper::Best>& best) {
  const auto ours = best.find("BM_TwoGenerations");
  const auto theirs = best.find("BM_ListAndMap");
  if (ours == best.end() || theirs == best.end()) return;
  std::printf("dedup: %.1f times as fast as list + unordered_map (%.1f against %.0f ns), at %.2f of its memory\n",
              theirs->second.nanoseconds / ours->second.nanoseconds, ours->second.nanoseconds,
              theirs->second.nanoseconds, ours->second.bytes_per_id / theirs->second.bytes_per_id);
}

}  // namespace
}  // namespace ev::dedup

int main(int argc, char** argv) {
  // In turns, so that all see the same machine; what is asked for on the command line comes after it and counts.
  std::string in_turns = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, in_turns.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  ev::dedup::BestKeeper reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  ev::dedup::PrintRatio(reporter.best());
}
