#ifndef EV_SERVICES_CENTRAL_ADAPTERS_OUTBOX_RELAY_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_OUTBOX_RELAY_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "events/publisher.h"
#include "metrics/registry.h"
#include "services/central/adapters/outbox_codec.h"
#include "services/central/adapters/shard_host.h"
#include "store/store.h"

namespace ev::central {

// Carries outbox rows to Kafka: in order of writing, at least once, each removed when the broker has it. While the
// broker is away the rows stay where they are. A row that fails does not hold up those behind it and comes again; one
// that the broker refuses, also alone, can never be published: it is said, counted and removed.
//
// Owns one thread. The destructor leaves what is not acknowledged to the next start. Thread-safe.
class OutboxRelay {
 public:
  // `store` and `publisher` must outlive the relay.
  OutboxRelay(store::Store& store, Publisher& publisher, metrics::Registry& registry);

  // There are new rows.
  void Wake();

 private:
  void Run(const std::stop_token& stop);
  struct Round;
  struct Outcome {
    void Add(std::int64_t position, const absl::Status& status);

    std::vector<std::int64_t> stored;
    std::vector<std::int64_t> refused;  // With InvalidArgument; `refusal` is one of these.
    absl::Status refusal;
    absl::Status failure;  // One of the others.
    bool is_full = false;  // The publisher took no more.
  };

  // One pass over all rows. An error when some were not relayed.
  absl::Status RelayAll(const std::stop_token& stop);
  absl::Status RelayAlone(absl::Span<const store::StoredOutboxRecord> rows, std::int64_t position,
                          const std::stop_token& stop);
  // Publishes them and waits for what becomes of them.
  Outcome Relay(absl::Span<const store::StoredOutboxRecord> rows, const std::stop_token& stop);
  absl::Status Remove(const std::vector<std::int64_t>& positions, metrics::Counter& counter);

  store::Store& store_;
  Publisher& publisher_;
  metrics::Counter relayed_;
  metrics::Counter failed_;
  metrics::Counter dropped_;

  Mutex mutex_;
  CondVar wake_;
  bool has_work_ ABSL_GUARDED_BY(mutex_) = true;
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

// Sends live figures, once a second for each charge, past the outbox: no promise, the next replaces a lost one.
class ProgressPublisher final : public Observer {
 public:
  // Both must outlive it.
  ProgressPublisher(const OutboxCodec& codec, Publisher& publisher) : codec_(codec), publisher_(publisher) {}

  void OnSession(const SessionChanged& change) override;
  void OnPoint(const PointChanged&) override {}
  void OnDeadLetter(const DeadLettered&) override {}

 private:
  const OutboxCodec& codec_;
  Publisher& publisher_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_OUTBOX_RELAY_H_
