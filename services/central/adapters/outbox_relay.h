#ifndef EV_CENTRAL_ADAPTERS_OUTBOX_RELAY_H_
#define EV_CENTRAL_ADAPTERS_OUTBOX_RELAY_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
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

// ev_messages_out_total of Central: every topic and result is there at 0 from the start.
class MessagesOut {
 public:
  MessagesOut(const std::vector<std::string>& topics, metrics::Registry& registry);

  // `result`: acknowledged, failed (and tried again, unless it is a live figure), dropped (it can never be published).
  void Count(const std::string& topic, const char* result) const;

 private:
  metrics::Counter Of(const std::string& topic, const char* result) const;

  metrics::Registry& registry_;
};

// Carries outbox rows to Kafka: in order of writing, at least once, each removed when the broker has it. While the
// broker is away the rows stay where they are. A row that fails does not hold up those behind it and comes again; one
// that the broker refuses, also alone, can never be published: it is said, counted and removed.
//
// Owns one thread. The destructor leaves what is not acknowledged to the next start. Thread-safe.
class OutboxRelay {
 public:
  // All must outlive the relay.
  OutboxRelay(store::Store& store, Publisher& publisher, const MessagesOut& out);

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
    std::vector<std::int64_t> failed;  // In another way.
    absl::Status failure;              // One of these, or why the publisher took no more.
    bool is_full = false;              // It took no more.
  };

  // One pass over all rows. An error when some were not relayed.
  absl::Status RelayAll(const std::stop_token& stop);
  absl::Status RelayAlone(absl::Span<const store::StoredOutboxRecord> rows, std::int64_t position,
                          const std::stop_token& stop);
  // Publishes them and waits for what becomes of them.
  Outcome Relay(absl::Span<const store::StoredOutboxRecord> rows, const std::stop_token& stop);
  // Removes them from the store, and counts them.
  absl::Status Remove(absl::Span<const store::StoredOutboxRecord> rows, std::vector<std::int64_t> positions,
                      const char* result);
  void Count(absl::Span<const store::StoredOutboxRecord> rows, std::vector<std::int64_t> positions,
             const char* result) const;

  store::Store& store_;
  Publisher& publisher_;
  const MessagesOut& out_;

  Mutex mutex_;
  CondVar wake_;
  bool has_work_ ABSL_GUARDED_BY(mutex_) = true;
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

// Sends live figures, once a second for each charge, past the outbox: no promise, the next replaces a lost one.
class ProgressPublisher final : public Observer {
 public:
  // All must outlive it, and `out` the publisher too.
  ProgressPublisher(const OutboxCodec& codec, Publisher& publisher, const MessagesOut& out)
      : codec_(codec), publisher_(publisher), out_(out) {}

  void OnSession(const SessionChanged& change) override;
  void OnPoint(const PointChanged&) override {}
  void OnDeadLetter(const DeadLettered&) override {}

 private:
  const OutboxCodec& codec_;
  Publisher& publisher_;
  const MessagesOut& out_;
};

}  // namespace ev::central

#endif  // EV_CENTRAL_ADAPTERS_OUTBOX_RELAY_H_
