#include "services/central/adapters/fact_ingest.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "log/log.h"

namespace ev::central {
namespace {

constexpr char kCondition[] = "kafka_consumer";
constexpr absl::Duration kBehindLinePause = absl::Seconds(10);
constexpr absl::Duration kCommitLimit = absl::Seconds(1);

// Positions whose commit is waited for. Shared with the callbacks, which may come after the wait has ended.
struct Positions {
  Mutex mutex;
  CondVar changed;
  int waiting ABSL_GUARDED_BY(mutex) = 0;
};

bool IsEmbedded(absl::string_view cluster_id) {
  return absl::StartsWith(cluster_id, "mockCluster");
}

}  // namespace

FactIngest::FactIngest(const Topics& topics, ShardHost& host, Subscriber& subscriber, const Clock& clock,
                       metrics::Registry& registry, metrics::Readiness& readiness)
    : topics_(topics), host_(host), subscriber_(subscriber), clock_(clock), readiness_(readiness) {
  const char* help = "Messages read from Kafka by topic and result.";
  for (const std::string& topic : {topics.session_data.name, topics.session_complete.name}) {
    counters_[topic] = {
        registry.AddCounter("ev_messages_in_total", help, {{"topic", topic}, {"result", "decoded"}}),
        registry.AddCounter("ev_messages_in_total", help, {{"topic", topic}, {"result", "undecodable"}}),
    };
  }
  collect_ = registry.OnCollect(
      [this, gauge = registry.AddGauge(
                 "ev_lag_seconds", "Now minus the timestamp of the last applied fact, 0 when caught up.")]() mutable {
        gauge.Set(absl::ToDoubleSeconds(lag()));
      });
  host_.OnOffsets([this](const std::vector<store::OffsetAdvance>& offsets) {
    for (const store::OffsetAdvance& offset : offsets) {
      subscriber_.CommitBehind({offset.topic, offset.partition}, offset.next, host_.store().id());
    }
  });
}

absl::Status FactIngest::Start() {
  std::vector<TopicPartitionOffset> positions;
  for (int i = 0; i < host_.shards(); ++i) {
    const absl::Status applied = host_.Apply(i, [&](Shard& shard, const Moment&, Effects&) {
      for (const std::string& topic : {topics_.session_data.name, topics_.session_complete.name}) {
        positions.push_back({topic, i, shard.next_offset(topic, i)});
      }
    });
    if (!applied.ok()) return applied;
  }
  const absl::Status started = subscriber_.Start(std::move(positions), *this);
  if (started.ok()) ClusterIsTaken();  // A wrong cluster shows itself as soon as the brokers tell their id.
  return started;
}

void FactIngest::Stop() {
  subscriber_.Stop();
}

std::string FactIngest::waiting_cluster() const {
  MutexLock lock(mutex_);
  return waiting_cluster_;
}

std::vector<absl::Duration> FactIngest::lags() const {
  const absl::Time now = clock_.Now().utc;
  std::vector<absl::Duration> lags(static_cast<std::size_t>(host_.shards()), absl::ZeroDuration());
  MutexLock lock(mutex_);
  for (const auto& [partition, time] : behind_) {
    absl::Duration& lag = lags.at(static_cast<std::size_t>(partition.partition));
    lag = std::max(lag, now - time);
  }
  return lags;
}

absl::Duration FactIngest::lag() const {
  const std::vector<absl::Duration> all = lags();
  return *std::max_element(all.begin(), all.end());
}

absl::Status FactIngest::AcceptCluster(absl::string_view id) {
  MutexLock lock(mutex_);
  if (id.empty() || waiting_cluster_ != id) {
    return absl::FailedPreconditionError(waiting_cluster_.empty()
                                             ? "no other Kafka cluster waits to be accepted"
                                             : absl::StrCat("the cluster that waits is ", waiting_cluster_));
  }
  accepted_cluster_ = std::string(id);  // The subscriber asks again within a second.
  return absl::OkStatus();
}

absl::Status FactIngest::OnCluster(absl::string_view cluster_id) {
  const absl::StatusOr<std::string> known = host_.store().KafkaClusterId();
  if (!known.ok()) return known.status();
  if (known->empty() || *known == cluster_id) {
    ClusterIsTaken();
    return known->empty() ? host_.store().SetKafkaClusterId(cluster_id) : absl::OkStatus();
  }
  if (!IsEmbedded(cluster_id)) {
    if (auto status = AskConsent(cluster_id, *known); !status.ok()) return status;
  }
  if (topic_check_) {
    if (auto status = topic_check_(); !status.ok()) return status;
  }
  if (auto status = StartOver(cluster_id); !status.ok()) return status;
  log::Warn("reading another Kafka cluster from its start", {{"cluster_id", cluster_id}, {"known_cluster_id", *known}});
  ClusterIsTaken();
  return absl::OkStatus();
}

absl::Status FactIngest::AskConsent(absl::string_view cluster_id, absl::string_view known) {
  const std::string reason =
      absl::StrCat("Kafka cluster ", cluster_id, " is not the known ", known, ": see AcceptCluster");
  {
    MutexLock lock(mutex_);
    if (accepted_cluster_ == cluster_id) return absl::OkStatus();
    const bool is_said = waiting_cluster_ == cluster_id;
    waiting_cluster_ = std::string(cluster_id);
    cluster_problem_ = reason;
    ShowReadiness();
    if (is_said) return absl::FailedPreconditionError(reason);
  }
  // Of no charging point: any shard can say it. Its alert stands in the log, too.
  const absl::Status said = host_.Apply(
      0, [&](Shard& shard, const Moment& now, Effects& out) { shard.OnUnknownCluster(now, cluster_id, known, out); });
  return said.ok() ? absl::FailedPreconditionError(reason) : said;
}

void FactIngest::Hold(absl::string_view reason) {
  MutexLock lock(mutex_);
  hold_ = std::string(reason);
}

absl::Status FactIngest::MayTake() {
  {
    MutexLock lock(mutex_);
    if (!hold_.empty()) {
      was_held_ = true;
      return absl::FailedPreconditionError(hold_);
    }
  }
  // What was held comes from topics that were not as they must be.
  if (was_held_) return ReadAnew();
  if (!host_.is_behind()) return absl::OkStatus();
  SayBehind();
  return absl::UnavailableError("the commit is behind");
}

absl::Status FactIngest::ReadAnew() {
  for (int i = 0; i < host_.shards(); ++i) {
    for (const std::string& topic : {topics_.session_data.name, topics_.session_complete.name}) {
      std::optional<std::int64_t> next;
      const absl::Status looked =
          host_.Apply(i, [&](Shard& shard, const Moment&, Effects&) { next = shard.next_offset(topic, i); });
      if (!looked.ok()) return looked;
      auto generation = subscriber_.Rewind({topic, i}, next);
      if (!generation.ok()) return generation.status();
      generations_[{topic, i}] = *generation;
    }
  }
  was_held_ = false;
  return absl::UnavailableError("what was held is read anew");
}

void FactIngest::SayBehind() {
  const absl::Duration now = clock_.Now().monotonic;
  if (now < next_behind_line_) return;
  next_behind_line_ = now + kBehindLinePause;
  log::Warn("facts wait in Kafka: too much waits for the store already");
}

void FactIngest::Leave(const IncomingBatch& batch) {
  const absl::Time first = batch.messages.front().broker_time;
  if (first == absl::InfinitePast()) return;
  MutexLock lock(mutex_);
  behind_.try_emplace({std::string(batch.topic), batch.partition}, first);
}

void FactIngest::OnStall(absl::string_view reason) {
  MutexLock lock(mutex_);
  stall_ = std::string(reason);
  ShowReadiness();
}

// None waits any more.
void FactIngest::ClusterIsTaken() {
  MutexLock lock(mutex_);
  cluster_problem_.clear();
  waiting_cluster_.clear();
  accepted_cluster_.clear();
  ShowReadiness();
}

// A cluster that waits is why nothing is read then: it comes first.
void FactIngest::ShowReadiness() {
  const std::string& reason = cluster_problem_.empty() ? stall_ : cluster_problem_;
  if (reason.empty()) {
    readiness_.SetReady(kCondition);
  } else {
    readiness_.SetDegraded(kCondition, reason);
  }
}

// Another log: what the store holds as offsets means nothing there. Facts carry ids and sequences, so reading from the
// start books nothing twice. The store names the log only when it holds the new positions: a process that dies in
// between must not look for the old ones in the new log.
absl::Status FactIngest::StartOver(absl::string_view cluster_id) {
  auto positions = std::make_shared<Positions>();
  for (int i = 0; i < host_.shards(); ++i) {
    {
      MutexLock lock(positions->mutex);
      ++positions->waiting;
    }
    const CallId durable = host_.Await([positions](const CallResult& result) {
      if (!std::holds_alternative<Done>(result)) return;  // Central is stopping.
      MutexLock lock(positions->mutex);
      --positions->waiting;
      positions->changed.SignalAll();
    });
    const absl::Status applied = host_.Apply(i, [&](Shard& shard, const Moment& now, Effects& out) {
      for (const std::string& topic : {topics_.session_data.name, topics_.session_complete.name}) {
        const std::int64_t stored = shard.next_offset(topic, i).value_or(0);
        if (stored > 0) shard.OnGap(now, {topic, i, stored, 0, store::kAnotherLog, now.utc}, 0, out);
      }
      out.push_back(Reply{durable, Done{}});
    });
    if (!applied.ok()) {
      host_.Forget(durable);
      return applied;
    }
    for (const std::string& topic : {topics_.session_data.name, topics_.session_complete.name}) {
      auto generation = subscriber_.Rewind({topic, i}, std::nullopt);
      if (!generation.ok()) return generation.status();
      generations_[{topic, i}] = *generation;
    }
  }
  {
    MutexLock lock(positions->mutex);
    while (positions->waiting > 0) {
      if (positions->changed.WaitFor(positions->mutex, kCommitLimit)) continue;
      return absl::UnavailableError("the store has not taken the new positions yet");
    }
  }
  return host_.store().SetKafkaClusterId(cluster_id);
}

absl::Status FactIngest::OnBatch(const IncomingBatch& batch) {
  const std::string topic(batch.topic);
  const TopicPartition partition{topic, batch.partition};
  if (const auto it = generations_.find(partition); it != generations_.end() && batch.generation < it->second) {
    return absl::OkStatus();  // Read before the rewind.
  }
  if (auto status = MayTake(); !status.ok()) {
    Leave(batch);
    return status;
  }
  const std::size_t count = batch.messages.size();
  if (facts_.size() < count) facts_.resize(count);
  errors_.assign(count, absl::OkStatus());
  std::vector<IncomingFact> facts(count);
  RowKeys rows;
  absl::Time newest = absl::InfinitePast();
  std::int64_t undecodable = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const IncomingMessage& message = batch.messages[i];
    facts[i] = {.fact = nullptr,
                .error = {},
                .offset = message.offset,
                .key = message.key,
                .body = message.value,
                .headers = message.headers,
                .written = message.broker_time};
    errors_[i] = decoder_.Decode(message.value, facts_[i]);
    if (!errors_[i].ok()) {
      facts[i].error = errors_[i].message();
      ++undecodable;
      continue;
    }
    facts[i].fact = &facts_[i];
    newest = std::max(newest, facts_[i].time);
    facts[i].is_misplaced = host_.ShardOf(facts_[i].cp) != batch.partition;
    if (facts[i].is_misplaced) continue;  // Its rows are another shard's.
    if (rows.sessions.empty() || rows.sessions.back() != facts_[i].session) rows.sessions.push_back(facts_[i].session);
  }
  std::sort(rows.sessions.begin(), rows.sessions.end());
  rows.sessions.erase(std::unique(rows.sessions.begin(), rows.sessions.end()), rows.sessions.end());

  const std::int64_t next = batch.messages.back().offset + 1;
  const absl::Status applied = host_.Apply(batch.partition, rows, [&](Shard& shard, const Moment& now, Effects& out) {
    shard.ApplyFacts(now,
                     {.topic = batch.topic,
                      .partition = batch.partition,
                      .base = batch.messages.front().offset,
                      .next = next,
                      .facts = facts},
                     out);
  });
  if (!applied.ok()) return applied;
  const Counters& counters = counters_.at(topic);
  counters.messages.Increment(static_cast<double>(count) - static_cast<double>(undecodable));
  counters.undecodable.Increment(static_cast<double>(undecodable));
  {
    MutexLock lock(mutex_);
    if (next >= batch.log_end || newest == absl::InfinitePast()) {
      behind_.erase(partition);
    } else {
      behind_[partition] = newest;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> FactIngest::OnGap(const Gap& gap) {
  if (topic_check_) {
    if (auto status = topic_check_(); !status.ok()) return status;
  }
  if (auto status = MayTake(); !status.ok()) return status;
  std::optional<std::int64_t> elsewhere;  // The position was left meanwhile, for another log's start.
  const absl::Status applied = host_.Apply(gap.partition.partition, [&](Shard& shard, const Moment& now, Effects& out) {
    const auto position = shard.next_offset(gap.partition.topic, gap.partition.partition);
    if (position.has_value() && *position != gap.wanted_next) {
      elsewhere = position;
      return;
    }
    shard.OnGap(now, {gap.partition.topic, gap.partition.partition, gap.wanted_next, gap.low, gap.high, now.utc},
                gap.low, out);
  });
  if (!applied.ok()) return applied;
  if (elsewhere.has_value()) return *elsewhere;
  log::Error("the log does not hold the next offset; reading goes on at its start",
             {{"topic", gap.partition.topic},
              {"partition", gap.partition.partition},
              {"next", gap.wanted_next},
              {"log_start", gap.low},
              {"log_end", gap.high}});
  return gap.low;
}

}  // namespace ev::central
