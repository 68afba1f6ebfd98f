#ifndef EV_KAFKA_PRODUCER_H_
#define EV_KAFKA_PRODUCER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "events/backbone_health.h"
#include "events/publisher.h"
#include "kafka/broker_watch.h"
#include "kafka/kafka_config.h"
#include "kafka/log_sink.h"

namespace ev::kafka {

struct ProducerConfig {
  KafkaConfig kafka;
  std::int64_t max_queued_messages = 100'000;         // Beyond it Publish() returns ResourceExhausted.
  std::int64_t max_queued_bytes = 256 * 1024 * 1024;  // The same for the sum of keys and values, which are held twice.
  std::int64_t max_message_bytes = 1'000'000;         // Key, value and headers of one, not compressed.
  absl::Duration linger = absl::Milliseconds(5);      // How long a message may wait for others to travel with.
  std::vector<std::string> topics;                    // Their leaders are looked up at once, not at the first message.
  WatchConfig watch;
  absl::Duration close_limit = absl::Seconds(5);
};

// Publishes to Kafka with idempotence on and all replicas asked: what is acknowledged is stored once and in order of
// its key, until the producer dies; a new one may store again what the old one had in flight.
//
// Says once `Kafka producer cannot reach its brokers`, and `Kafka producer initialized successfully` at the
// first answer and after each outage. A message waits for the broker however long it is away, within the bound of the
// queue. When the brokers were out of reach, when another cluster answers, or when librdkafka ends in a fatal error, a
// new client is built inside, with a producer id of its own; it sends what the old one had not delivered, in the order
// of publishing. What was stored and not yet acknowledged is then stored twice.
//
// Owns two threads: one serves delivery reports and runs the callbacks, one watches the brokers. The destructor gives
// up on messages in flight, tells them as Cancelled and logs how many: call Flush() first. Thread-safe.
class Producer final : public Publisher {
 public:
  // InvalidArgument names the option that librdkafka rejects. Does not wait for a broker.
  static absl::StatusOr<std::unique_ptr<Producer>> Create(ProducerConfig config, LogSink log = nullptr,
                                                          HealthCallback on_health = nullptr);
  ~Producer() override;

  absl::Status Publish(OutgoingMessage message) override;
  absl::Status Flush(absl::Duration limit) override;
  BackboneHealth Health() const override;

  // Messages taken and not done yet.
  std::int64_t queued() const;
  // How often a new client was built.
  std::int64_t replacements() const;

 private:
  class Impl;
  explicit Producer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_PRODUCER_H_
