#include "services/central/adapters/outbox_relay.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "log/log.h"

namespace ev::central {
namespace {

constexpr int kRowsAtOnce = 500;
constexpr absl::Duration kPauseAfterFailure = absl::Seconds(1);
constexpr absl::Duration kLookAgain = absl::Seconds(5);  // In case a wake-up was missed: costs one read.

// What became of the messages of one round. Shared with the callbacks, which may come after the relay has given up.
struct Round {
  Mutex mutex;
  CondVar done;
  int waiting ABSL_GUARDED_BY(mutex) = 0;
  std::vector<std::int64_t> stored ABSL_GUARDED_BY(mutex);
  // Can never be stored: they would stand in the way of all others for ever.
  std::vector<std::pair<std::int64_t, absl::Status>> dropped ABSL_GUARDED_BY(mutex);
  absl::Status failure ABSL_GUARDED_BY(mutex);
};

}  // namespace

OutboxRelay::OutboxRelay(store::Store& store, Publisher& publisher, metrics::Registry& registry)
    : store_(store),
      publisher_(publisher),
      relayed_(registry.AddCounter("ev_outbox_relayed_total", "Outbox messages by result.", {{"result", "stored"}})),
      failed_(registry.AddCounter("ev_outbox_relayed_total", "Outbox messages by result.", {{"result", "failed"}})),
      dropped_(registry.AddCounter("ev_outbox_relayed_total", "Outbox messages by result.", {{"result", "dropped"}})),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void OutboxRelay::Wake() {
  MutexLock lock(mutex_);
  has_work_ = true;
  wake_.Signal();
}

void OutboxRelay::Run(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] { Wake(); });
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      if (!has_work_) wake_.WaitFor(mutex_, kLookAgain);
      has_work_ = false;
    }
    for (;;) {
      const absl::StatusOr<int> relayed = RelayOnce(stop);
      if (stop.stop_requested()) return;
      if (!relayed.ok()) {
        log::Debug("outbox waits", {{"reason", relayed.status()}});
        MutexLock lock(mutex_);
        wake_.WaitFor(mutex_, kPauseAfterFailure);
      } else if (*relayed < kRowsAtOnce) {
        break;
      }
    }
  }
}

absl::StatusOr<int> OutboxRelay::RelayOnce(const std::stop_token& stop) {
  auto rows = store_.ReadOutbox(0, kRowsAtOnce);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return 0;
  auto round = std::make_shared<Round>();
  const std::stop_callback on_stop(stop, [&round] {
    MutexLock lock(round->mutex);
    round->done.SignalAll();
  });
  for (store::StoredOutboxRecord& row : *rows) {
    {
      MutexLock lock(round->mutex);
      ++round->waiting;
    }
    const absl::Status taken =
        publisher_.Publish({.topic = std::move(row.record.topic),
                            .key = std::move(row.record.key),
                            .value = std::move(row.record.value),
                            .headers = std::move(row.record.headers),
                            .done = [round, position = row.position](const absl::Status& status) {
                              MutexLock lock(round->mutex);
                              --round->waiting;
                              if (status.ok()) {
                                round->stored.push_back(position);
                              } else if (absl::IsInvalidArgument(status)) {
                                round->dropped.emplace_back(position, status);
                              } else {
                                round->failure = status;
                              }
                              if (round->waiting == 0) round->done.SignalAll();
                            }});
    if (taken.ok()) continue;
    MutexLock lock(round->mutex);
    --round->waiting;
    if (absl::IsInvalidArgument(taken)) {
      round->dropped.emplace_back(row.position, taken);
      continue;
    }
    round->failure = taken;
    break;
  }
  std::vector<std::int64_t> stored;
  std::vector<std::pair<std::int64_t, absl::Status>> dropped;
  absl::Status failure;
  {
    // The publisher keeps what it took however long the broker is away: wait for it, do not hand it over again.
    MutexLock lock(round->mutex);
    while (round->waiting > 0 && !stop.stop_requested()) round->done.WaitFor(round->mutex, absl::Seconds(1));
    stored.swap(round->stored);
    dropped.swap(round->dropped);
    failure = round->failure;
  }
  const std::size_t relayed = stored.size();
  for (const auto& drop : dropped) {
    const auto row = std::find_if(rows->begin(), rows->end(), [&](const auto& r) { return r.position == drop.first; });
    log::Error("outbox message dropped: it can never be published", {{"id", row->record.id}, {"reason", drop.second}});
    stored.push_back(drop.first);
  }
  if (!stored.empty()) {
    if (auto status = store_.DeleteOutbox(stored); !status.ok()) return status;
    relayed_.Increment(static_cast<double>(relayed));
    dropped_.Increment(static_cast<double>(dropped.size()));
  }
  if (!failure.ok()) {
    failed_.Increment();
    return failure;
  }
  return static_cast<int>(stored.size());
}

void ProgressPublisher::OnSession(const SessionChanged& change) {
  if (change.session.state != SessionState::kCharging || change.previous != SessionState::kCharging) return;
  store::OutboxRecord record = codec_.Encode(OutboxItem(StatusUpdate{change.session, change.point}));
  // A full queue means that the broker is away: the next figures replace these.
  (void)publisher_.Publish({.topic = std::move(record.topic),
                            .key = std::move(record.key),
                            .value = std::move(record.value),
                            .headers = {},
                            .done = {}});
}

}  // namespace ev::central
