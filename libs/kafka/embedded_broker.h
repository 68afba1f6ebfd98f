#ifndef EV_KAFKA_EMBEDDED_BROKER_H_
#define EV_KAFKA_EMBEDDED_BROKER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "events/topics.h"

namespace ev::kafka {

// A Kafka broker inside this process (librdkafka's mock cluster), served on 127.0.0.1 to anyone: for the demo and for
// tests. It knows producers, idempotent ones too, consumers, groups and their commits.
//
// Nothing is durable: everything is in memory, ends with the object, and of each partition only the newest 5 MiB (or
// 100,000 batches) are kept, without a word about the rest. It has no admin requests: whoever makes the broker makes
// the topics; a topic that is merely asked for may appear with 4 partitions. Do not measure its speed. Thread-safe.
class EmbeddedBroker {
 public:
  // Port 0 takes a free one. Nobody is let in before the topics are there. Unavailable when the port is taken;
  // InvalidArgument for a topic that cannot be made.
  static absl::StatusOr<std::unique_ptr<EmbeddedBroker>> Start(int port = 0, absl::Span<const TopicConfig> topics = {});
  ~EmbeddedBroker();

  const std::string& bootstrap() const;  // "127.0.0.1:port"
  int port() const;

  // Replication and retention are not kept to. FailedPrecondition when the topic exists.
  absl::Status CreateTopic(const TopicConfig& topic);

  // Breaks every connection and lets nobody in until SetUp(). What is stored stays.
  void SetDown();
  void SetUp();
  // Every answer comes so much later.
  void SetRoundTrip(absl::Duration delay);

  // The next produce requests, one for each code, are answered with this Kafka error code, and not carried out.
  void FailProduce(const std::vector<int>& kafka_error_codes);
  // Until HealReading() requests of one kind are answered with this Kafka error code: those for messages, or those for
  // where partitions begin and end.
  void FailFetch(int kafka_error_code);
  void FailListOffsets(int kafka_error_code);
  void HealReading();
  // Says this Kafka error code (0: none) of the topic to whoever asks where it is; 3: there is none.
  void SetTopicError(const std::string& topic, int kafka_error_code);
  // The next produce request is carried out and its answer comes so late: a client with a shorter timeout sends it
  // again, and it is stored twice.
  void DelayProduceAnswer(absl::Duration delay);

 private:
  class Impl;
  static absl::StatusOr<std::unique_ptr<EmbeddedBroker>> TryStart(int port, absl::Span<const TopicConfig> topics);
  explicit EmbeddedBroker(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_EMBEDDED_BROKER_H_
