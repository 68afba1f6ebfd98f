#ifndef EV_SERVICES_CENTRAL_ADAPTERS_BACKBONE_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_BACKBONE_H_

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "events/topics.h"
#include "kafka/admin.h"
#include "kafka/consumer.h"
#include "kafka/kafka_config.h"
#include "kafka/producer.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/central/adapters/fact_ingest.h"
#include "services/central/adapters/outbox_codec.h"
#include "services/central/adapters/outbox_relay.h"
#include "services/central/adapters/shard_host.h"

namespace ev::central {

// Central's connection to Kafka: makes missing topics (also those of a broker that came back empty, within 10 s), reads
// facts, relays the outbox, sends live figures.
//
// The broker may be absent at any time: readiness condition `kafka` then says degraded with the reason, and everything
// goes on by itself when it is there. Reading that stands still although the broker answers makes condition
// `kafka_consumer` degraded, and ev_kafka_consumer_stalled 1.
//
// Topics may go, or be made anew by others, at any time: they are looked at again and again. Fact topics whose number
// of partitions is not the store's number of shards make Central not ready: nothing is taken from them then.
//
// Thread-safe. Create() before ShardHost::Start(), Start() after it.
class Backbone {
 public:
  struct Config {
    kafka::KafkaConfig kafka;
    Topics topics;
    std::string group_id = "central_charging_data_group";
    kafka::StallConfig stall;
    absl::Duration look_again = absl::Seconds(10);  // At the topics, when all was well with them.
  };

  // InvalidArgument names the option that is wrong. Everything given must outlive the backbone.
  static absl::StatusOr<std::unique_ptr<Backbone>> Create(const Config& config, const OutboxCodec& codec,
                                                          ShardHost& host, const Clock& clock,
                                                          metrics::Registry& registry, metrics::Readiness& readiness);
  ~Backbone();

  void Start();
  // No more facts come in.
  void StopReading();
  // Hands the outbox over for at most `limit`, then ends.
  void Stop(absl::Duration limit);

  absl::Status AcceptCluster(absl::string_view id) { return ingest_->AcceptCluster(id); }
  std::string waiting_cluster() const { return ingest_->waiting_cluster(); }
  std::vector<absl::Duration> lags() const { return ingest_->lags(); }

 private:
  Backbone(Config config, ShardHost& host, metrics::Readiness& readiness);

  void SetUp(const std::stop_token& stop);
  // Makes missing topics and judges all of them. FailedPrecondition: somebody must change them.
  absl::Status LookAtTopics();
  absl::Status ReadTopics(std::string& wrong_count);

  const Config config_;
  ShardHost& host_;
  metrics::Readiness& readiness_;
  std::unique_ptr<MessagesOut> messages_out_;  // Before the producer, whose callbacks count here.
  std::unique_ptr<kafka::Admin> admin_;
  std::unique_ptr<kafka::Producer> producer_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::unique_ptr<ProgressPublisher> progress_;
  std::unique_ptr<FactIngest> ingest_;
  std::unique_ptr<OutboxRelay> relay_;
  metrics::Registry::Token collect_;
  std::atomic<bool> is_reading_ = false;
  Mutex look_mutex_;  // One look at a time: by the thread below, or for the ingest. Each is limited in time.
  std::string said_ ABSL_GUARDED_BY(look_mutex_);
  std::jthread set_up_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_BACKBONE_H_
