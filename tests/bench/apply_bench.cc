// One telemetry message in Central: from its bytes to the shard's memory, beside what cannot be saved, protobuf's own
// parsing of the same bytes. In batches, as the consumer brings them, every message of another running session. Commits
// are not in it: many messages share one. The last line gives the figures of this run.
//
// apply_bench --rounds N does N rounds of each without measuring: for tools/bench --instructions.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/id_source.h"
#include "evcharging/events/v1/facts.pb.h"
#include "services/central/adapters/fact_decoder.h"
#include "services/central/core/shard.h"
#include "store/inmemory/inmemory_store.h"
#include "wire/fact_encoder.h"

namespace ev::central {
namespace {

constexpr int kSessions = 1000;  // Running at once in the shard; also the messages of a batch.
constexpr char kTopic[] = "charging_session_data";

// A shard with running sessions, and the next second's telemetry of all of them.
class RunningSessions {
 public:
  RunningSessions() {
    store::ShardBatch rows;
    rows.epoch = store_.TakeShards("bench", "").value().at(0).epoch;
    for (int n = 1; n <= kSessions; ++n) {
      ChargingPoint point;
      point.id = CpId(absl::StrCat("cp_", n));
      point.price = {350'000, "EUR"};
      point.highest_grant = GrantNumber(1);
      Session session;
      session.id = SessionId(ids_.NewRandomHex());
      session.cp = point.id;
      session.driver = DriverId(absl::StrCat("driver_", n));
      session.number = GrantNumber(1);
      session.price = point.price;
      session.state = SessionState::kCharging;
      session.start_booked = true;
      session.requested = session.start = session.updated = now_.utc;
      rows.points.push_back(std::move(point));
      rows.sessions.push_back(std::move(session));
    }
    if (!store_.Commit({rows}).at(0).ok()) std::abort();
    shard_ = std::make_unique<Shard>(ShardConfig{}, store_.TakeShards("bench", "").value().at(0), store_.incarnation(),
                                     ids_);
    for (const Session& session : rows.sessions) {
      samples_.push_back({.kind = FactKind::kSample, .cp = session.cp, .session = session.id, .power_w = 11'000});
    }
    bodies_.resize(kSessions);
    facts_.resize(kSessions);
    incoming_.resize(kSessions);
    Advance();
  }

  // Everybody's next sample; what the round before changed is taken as the committer does.
  void Advance() {
    shard_->OnDurable(shard_->TakeBatch().version);
    effects_.clear();
    now_.utc += absl::Seconds(1);
    now_.monotonic += absl::Seconds(1);
    ++sequence_;
    for (std::size_t i = 0; i < kSessions; ++i) {
      Fact& sample = samples_[i];
      sample.message_id = ids_.NewMessageId(now_.utc);
      sample.sequence = sequence_;
      sample.time = now_.utc;
      sample.energy_mwh = sequence_ * 3055;
      sample.amount_micros = sequence_ * 1069;
      bodies_[i] = wire::EncodeFact(sample);
    }
  }

  void Parse() {
    for (const std::string& body : bodies_) {
      if (!message_.ParseFromArray(body.data(), static_cast<int>(body.size()))) std::abort();
      benchmark::DoNotOptimize(message_);
    }
  }
  void Decode() {
    for (std::size_t i = 0; i < kSessions; ++i) {
      if (!decoder_.Decode(bodies_[i], facts_[i]).ok()) std::abort();
    }
  }
  void DecodeAndApply() {
    Decode();
    const std::int64_t base = offset_;
    for (std::size_t i = 0; i < kSessions; ++i) {
      incoming_[i] = {
          .fact = &facts_[i], .error = {}, .offset = offset_++, .key = facts_[i].cp.value(), .body = bodies_[i]};
    }
    shard_->ApplyFacts(now_, {.topic = kTopic, .partition = 0, .base = base, .next = offset_, .facts = incoming_},
                       effects_);
  }

  std::int64_t applied() const { return shard_->counters().facts_applied; }

 private:
  Moment now_{absl::FromUnixSeconds(1'700'000'000), absl::Seconds(100)};
  RandomIdSource ids_{17};
  store::InMemoryStore store_{1, "0123456789abcdef0123456789abcdef", now_.utc};
  std::unique_ptr<Shard> shard_;
  std::vector<Fact> samples_;
  std::vector<std::string> bodies_;
  std::int64_t sequence_ = 0;
  std::int64_t offset_ = 0;

  evcharging::events::v1::Fact message_;
  FactDecoder decoder_;
  std::vector<Fact> facts_;  // Kept from batch to batch, as the adapter does.
  std::vector<IncomingFact> incoming_;
  Effects effects_;
};

}  // namespace

// What callgrind counts apart: by these names, one round of kSessions messages a call.
extern "C" __attribute__((noinline)) void ev_bench_parse(RunningSessions& world) {
  world.Parse();
}
extern "C" __attribute__((noinline)) void ev_bench_decode(RunningSessions& world) {
  world.Decode();
}
extern "C" __attribute__((noinline)) void ev_bench_decode_and_apply(RunningSessions& world) {
  world.DecodeAndApply();
}

namespace {

template <void (*kRound)(RunningSessions&)>
void Measure(benchmark::State& state) {
  RunningSessions world;
  for (auto _ : state) {
    state.PauseTiming();
    world.Advance();
    state.ResumeTiming();
    kRound(world);
  }
  state.SetItemsProcessed(state.iterations() * kSessions);
}
void BM_Parse(benchmark::State& state) {
  Measure<ev_bench_parse>(state);
}
void BM_Decode(benchmark::State& state) {
  Measure<ev_bench_decode>(state);
}
void BM_DecodeAndApply(benchmark::State& state) {
  Measure<ev_bench_decode_and_apply>(state);
}
BENCHMARK(BM_Parse)->Iterations(300)->Repetitions(7);
BENCHMARK(BM_Decode)->Iterations(300)->Repetitions(7);
BENCHMARK(BM_DecodeAndApply)->Iterations(300)->Repetitions(7);

// Prints as usual and keeps the best run of each: what else runs on the machine only ever adds time.
class BestKeeper : public benchmark::ConsoleReporter {
 public:
  BestKeeper() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      auto [best, is_new] = best_.try_emplace(run.run_name.function_name, std::numeric_limits<double>::infinity());
      best->second = std::min(best->second, run.GetAdjustedCPUTime() / kSessions);
    }
  }
  void PrintSummary() const {
    if (best_.size() != 3) return;
    const double parse = best_.at("BM_Parse");
    const double apply = best_.at("BM_DecodeAndApply");
    std::printf(
        "apply: %.0f ns for one telemetry message (decode %.0f ns), %.1f times protobuf's parsing alone (%.0f ns)\n",
        apply, best_.at("BM_Decode"), apply / parse, parse);
  }

 private:
  std::map<std::string, double> best_;
};

int RunRounds(int rounds) {
  RunningSessions world;
  for (int i = 0; i < rounds; ++i) {
    world.Advance();
    ev_bench_parse(world);
    ev_bench_decode(world);
    ev_bench_decode_and_apply(world);
  }
  std::printf("messages=%d\n", rounds * kSessions);
  return world.applied() == static_cast<std::int64_t>(rounds) * kSessions ? 0 : 1;
}

}  // namespace
}  // namespace ev::central

int main(int argc, char** argv) {
  int rounds = 0;
  if (argc == 3 && std::string(argv[1]) == "--rounds" && absl::SimpleAtoi(argv[2], &rounds)) {
    return ev::central::RunRounds(rounds);
  }
  // In turns, so that all see the same machine; what is asked for on the command line comes after it and counts.
  std::string in_turns = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, in_turns.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  ev::central::BestKeeper reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  reporter.PrintSummary();
}
