#ifndef EV_SERVICES_CENTRAL_ADAPTERS_FACT_INGEST_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_FACT_INGEST_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "events/subscriber.h"
#include "events/topics.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/central/adapters/fact_decoder.h"
#include "services/central/adapters/shard_host.h"

namespace ev::central {

// Brings facts from Kafka into the shards: decodes a batch, gives it to the shard whose number is its partition, and
// tells the log behind what the store holds. A batch is in the shard's memory when OnBatch returns, and with its
// offsets in the store at the next commit: what is lost in between is read again.
//
// Guards the log's identity: the offsets in the store belong to one Kafka cluster. Another cluster is refused until the
// operator accepts it; embedded brokers (ids that begin with `mockCluster`) are accepted without asking.
//
// Presses back while the host is behind with its commits, and while it is on hold.
//
// Start() and Stop() by the owner, AcceptCluster(), Hold() and OnStall() from any thread, the rest by the subscriber's
// thread.
class FactIngest final : public BatchHandler {
 public:
  // All must outlive it; the host is not started yet. Sets readiness condition `kafka_consumer`: degraded before
  // Start(), while another cluster waits to be accepted, and while reading does not go on.
  FactIngest(const Topics& topics, ShardHost& host, Subscriber& subscriber, const Clock& clock,
             metrics::Registry& registry, metrics::Readiness& readiness);

  // Asked before another log is read and before a gap is decided, which is when topics may have been made anew: whether
  // they are as they must be. May wait for a limited time. To be set before Start().
  void SetTopicCheck(std::function<absl::Status()> check) { topic_check_ = std::move(check); }

  // Begins to read where the store says.
  absl::Status Start();
  void Stop();

  // Until an empty reason comes nothing is taken; after that what was read meanwhile is read anew.
  void Hold(absl::string_view reason);
  // The operator's consent to the cluster that waits. FailedPrecondition when no cluster with that id waits.
  absl::Status AcceptCluster(absl::string_view id);
  // Why reading does not go on; empty when it goes on again.
  void OnStall(absl::string_view reason);
  // Empty: none waits.
  std::string waiting_cluster() const;
  // By partition: now minus the timestamp of its last applied fact, or of the first that waits when none was applied;
  // zero when caught up, as far as the broker was heard.
  std::vector<absl::Duration> lags() const;
  // The longest of them.
  absl::Duration lag() const;

  absl::Status OnCluster(absl::string_view cluster_id) override;
  absl::Status OnBatch(const IncomingBatch& batch) override;
  absl::StatusOr<std::int64_t> OnGap(const Gap& gap) override;

 private:
  struct Counters {
    metrics::Counter messages;
    metrics::Counter undecodable;
  };

  // OK: messages and gaps may be taken. Otherwise why not.
  absl::Status MayTake();
  absl::Status ReadAnew();
  void SayBehind();
  // The batch is not taken now: its partition is behind.
  void Leave(const IncomingBatch& batch);
  // Unavailable while the store does not hold the new positions.
  absl::Status StartOver(absl::string_view cluster_id);
  // FailedPrecondition: it waits for the operator's consent, which is said once.
  absl::Status AskConsent(absl::string_view cluster_id, absl::string_view known);
  void ClusterIsTaken();
  void ShowReadiness() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Topics topics_;
  ShardHost& host_;
  Subscriber& subscriber_;
  const Clock& clock_;
  metrics::Readiness& readiness_;
  absl::flat_hash_map<std::string, Counters> counters_;
  std::function<absl::Status()> topic_check_;

  // Of the subscriber's thread.
  FactDecoder decoder_;
  std::vector<Fact> facts_;  // Reused from batch to batch.
  std::vector<absl::Status> errors_;
  absl::flat_hash_map<TopicPartition, std::int64_t> generations_;
  bool was_held_ = false;
  absl::Duration next_behind_line_ = -absl::InfiniteDuration();

  mutable Mutex mutex_;
  std::string waiting_cluster_ ABSL_GUARDED_BY(mutex_);
  std::string accepted_cluster_ ABSL_GUARDED_BY(mutex_);
  // Two causes, set and cleared each on its own; empty: none.
  std::string cluster_problem_ ABSL_GUARDED_BY(mutex_);
  std::string stall_ ABSL_GUARDED_BY(mutex_);
  std::string hold_ ABSL_GUARDED_BY(mutex_);  // Empty: none.
  absl::flat_hash_map<TopicPartition, absl::Time> behind_
      ABSL_GUARDED_BY(mutex_);        // Last fact of partitions not caught up.
  metrics::Registry::Token collect_;  // Last: its callback uses what stands above.
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_FACT_INGEST_H_
