#include "services/central/adapters/outbox_relay.h"

#include <algorithm>
#include <utility>

#include "base/trace.h"
#include "log/log.h"

namespace ev::central {
namespace {

constexpr std::size_t kRowsAtOnce = 500;
constexpr absl::Duration kPauseAfterFailure = absl::Seconds(1);
constexpr absl::Duration kLookAgain = absl::Seconds(5);  // In case a wake-up was missed: costs one read.

constexpr char kAcknowledged[] = "acknowledged";
constexpr char kFailed[] = "failed";
constexpr char kDropped[] = "dropped";

}  // namespace

MessagesOut::MessagesOut(const std::vector<std::string>& topics, metrics::Registry& registry) : registry_(registry) {
  for (const std::string& topic : topics) {
    for (const char* result : {kAcknowledged, kFailed, kDropped}) Of(topic, result);
  }
}

void MessagesOut::Count(const std::string& topic, const char* result) const {
  Of(topic, result).Increment();
}

metrics::Counter MessagesOut::Of(const std::string& topic, const char* result) const {
  return registry_.AddCounter("ev_messages_out_total", "Messages handed to Kafka, by topic and result.",
                              {{"topic", topic}, {"result", result}});
}

// What became of the messages of one round. Shared with the callbacks, which may come after the relay has given up.
struct OutboxRelay::Round {
  Mutex mutex;
  CondVar done;
  int waiting ABSL_GUARDED_BY(mutex) = 0;
  Outcome outcome ABSL_GUARDED_BY(mutex);
};

OutboxRelay::OutboxRelay(store::Store& store, Publisher& publisher, const MessagesOut& out)
    : store_(store), publisher_(publisher), out_(out), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void OutboxRelay::Wake() {
  MutexLock lock(mutex_);
  has_work_ = true;
  wake_.Signal();
}

void OutboxRelay::Run(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] { Wake(); });
  bool is_said = false;  // Once, until it goes on.
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      if (!has_work_) wake_.WaitFor(mutex_, kLookAgain);
      has_work_ = false;
    }
    for (;;) {
      const absl::Status relayed = RelayAll(stop);
      if (stop.stop_requested()) return;
      if (relayed.ok()) break;
      if (!std::exchange(is_said, true)) log::Warn("outbox waits", {{"reason", relayed}});
      MutexLock lock(mutex_);
      if (!stop.stop_requested()) wake_.WaitFor(mutex_, kPauseAfterFailure);
    }
    if (std::exchange(is_said, false)) log::Info("outbox goes on");
  }
}

absl::Status OutboxRelay::RelayAll(const std::stop_token& stop) {
  absl::Status failure;
  std::int64_t after = 0;
  for (;;) {
    const auto rows = store_.ReadOutbox(after, static_cast<int>(kRowsAtOnce));
    if (!rows.ok()) return rows.status();
    if (rows->empty()) return failure;
    // What fails is passed and comes again in the next pass: it must not hold up the rest.
    after = rows->back().position;
    Outcome outcome = Relay(*rows, stop);
    Count(*rows, outcome.failed, kFailed);
    if (auto status = Remove(*rows, outcome.stored, kAcknowledged); !status.ok()) return status;
    for (const std::int64_t position : outcome.refused) {
      if (stop.stop_requested()) return failure;
      if (auto status = RelayAlone(*rows, position, stop); !status.ok()) failure = status;
    }
    if (!outcome.failure.ok()) failure = outcome.failure;
    if (outcome.is_full || stop.stop_requested() || rows->size() < kRowsAtOnce) return failure;
  }
}

// A broker refuses a batch for one message in it: only what is refused alone can never be published, and would be tried
// for ever.
absl::Status OutboxRelay::RelayAlone(absl::Span<const store::StoredOutboxRecord> rows, std::int64_t position,
                                     const std::stop_token& stop) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.position == position; });
  const Outcome outcome = Relay(absl::MakeConstSpan(&*row, 1), stop);
  Count(rows, outcome.failed, kFailed);
  if (outcome.refused.empty()) {
    if (auto status = Remove(rows, outcome.stored, kAcknowledged); !status.ok()) return status;
    return outcome.failure;
  }
  Trace trace;
  for (const auto& [name, text] : row->record.headers) {
    if (name == kTraceparent) trace = ParseTraceparent(text);
  }
  const log::TraceScope scope(trace);
  log::Error("outbox message dropped: it can never be published",
             {{"id", row->record.id}, {"topic", row->record.topic}, {"reason", outcome.refusal}});
  return Remove(rows, outcome.refused, kDropped);
}

absl::Status OutboxRelay::Remove(absl::Span<const store::StoredOutboxRecord> rows, std::vector<std::int64_t> positions,
                                 const char* result) {
  if (positions.empty()) return absl::OkStatus();
  if (auto status = store_.DeleteOutbox(positions); !status.ok()) return status;
  Count(rows, std::move(positions), result);
  return absl::OkStatus();
}

void OutboxRelay::Count(absl::Span<const store::StoredOutboxRecord> rows, std::vector<std::int64_t> positions,
                        const char* result) const {
  std::sort(positions.begin(), positions.end());
  for (const store::StoredOutboxRecord& row : rows) {
    if (std::binary_search(positions.begin(), positions.end(), row.position)) out_.Count(row.record.topic, result);
  }
}

OutboxRelay::Outcome OutboxRelay::Relay(absl::Span<const store::StoredOutboxRecord> rows, const std::stop_token& stop) {
  auto round = std::make_shared<Round>();
  const std::stop_callback on_stop(stop, [&round] {
    MutexLock lock(round->mutex);
    round->done.SignalAll();
  });
  for (const store::StoredOutboxRecord& row : rows) {
    {
      MutexLock lock(round->mutex);
      ++round->waiting;
    }
    const absl::Status taken =
        publisher_.Publish({.topic = row.record.topic,
                            .key = row.record.key,
                            .value = row.record.value,
                            .headers = row.record.headers,
                            .done = [round, position = row.position](const absl::Status& status) {
                              MutexLock lock(round->mutex);
                              --round->waiting;
                              round->outcome.Add(position, status);
                              if (round->waiting == 0) round->done.SignalAll();
                            }});
    if (taken.ok()) continue;
    MutexLock lock(round->mutex);
    --round->waiting;
    if (absl::IsInvalidArgument(taken)) {
      round->outcome.Add(row.position, taken);
      continue;
    }
    round->outcome.failure = taken;
    round->outcome.is_full = true;
    break;
  }
  // The publisher keeps what it took however long the broker is away: wait for it, do not hand it over again.
  MutexLock lock(round->mutex);
  while (round->waiting > 0 && !stop.stop_requested()) round->done.WaitFor(round->mutex, absl::Seconds(1));
  return round->outcome;
}

void OutboxRelay::Outcome::Add(std::int64_t position, const absl::Status& status) {
  if (status.ok()) {
    stored.push_back(position);
  } else if (absl::IsInvalidArgument(status)) {
    refused.push_back(position);
    refusal = status;
  } else {
    failed.push_back(position);
    failure = status;
  }
}

void ProgressPublisher::OnSession(const SessionChanged& change) {
  if (change.session.state != SessionState::kCharging || change.previous != SessionState::kCharging) return;
  store::OutboxRecord record = codec_.Encode(OutboxItem(StatusUpdate{change.session, change.point}));
  std::string topic = record.topic;
  // A full queue means that the broker is away: the next figures replace these.
  const absl::Status taken = publisher_.Publish({.topic = std::move(record.topic),
                                                 .key = std::move(record.key),
                                                 .value = std::move(record.value),
                                                 .headers = std::move(record.headers),
                                                 .done = [&out = out_, topic](const absl::Status& done) {
                                                   out.Count(topic, done.ok() ? kAcknowledged : kFailed);
                                                 }});
  if (!taken.ok()) out_.Count(topic, kFailed);
}

}  // namespace ev::central
