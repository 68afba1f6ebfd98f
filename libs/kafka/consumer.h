#ifndef EV_KAFKA_CONSUMER_H_
#define EV_KAFKA_CONSUMER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "events/backbone_health.h"
#include "events/subscriber.h"
#include "kafka/broker_watch.h"
#include "kafka/kafka_config.h"
#include "kafka/log_sink.h"
#include "kafka/mark.h"

namespace ev::kafka {

// When the consumer says that reading does not go on: see StallWatch.
struct StallConfig {
  absl::Duration interval = absl::Seconds(1);  // Between two looks at where the partitions end.
  int looks = 10;                              // In a row, without progress.
};

struct ConsumerConfig {
  KafkaConfig kafka;
  std::string group_id;                                 // Names the marks of CommitBehind(); no group is joined.
  int max_batch = 2000;                                 // Messages in one call of the handler.
  std::int64_t max_prefetch_bytes = 128 * 1024 * 1024;  // Read ahead while the handler presses back; whole KiB.
  absl::Duration fetch_wait = absl::Milliseconds(100);  // How long a broker holds a question when it has nothing new.
  absl::Duration commit_interval = absl::Milliseconds(500);
  WatchConfig watch;
  StallConfig stall;
  absl::Duration close_limit = absl::Seconds(5);
};

// Told every change, from a thread of the library, after the line was logged: why reading does not go on, empty when it
// goes on again. Must not block.
using StallCallback = std::function<void(absl::string_view reason)>;

// Reads the partitions that its owner names, by assign(): nobody else decides who reads what.
//
// Says `Kafka consumer cannot reach its brokers` once for each outage and `Kafka consumers initialized
// successfully` at the first answer and after each outage. Neither an absent broker nor a missing topic ends it: it
// reads on when they are there.
//
// Another cluster at the same address is noticed by its id before its messages are handed on. A topic that was deleted
// and made again in the same cluster is noticed only while its log is shorter than what is wanted.
//
// A partition that stays where it is although the log holds more is said once, `Kafka consumer stands still: <where>`,
// and so is `Kafka consumer goes on` after it: whether the handler hangs or refuses, or librdkafka has given up.
//
// Owns three threads: one reads and calls the handler, one watches the brokers, one the progress. Thread-safe.
class Consumer final : public Subscriber {
 public:
  // InvalidArgument names the option that librdkafka rejects. Does not wait for a broker.
  static absl::StatusOr<std::unique_ptr<Consumer>> Create(ConsumerConfig config, LogSink log = nullptr,
                                                          HealthCallback on_health = nullptr,
                                                          StallCallback on_stall = nullptr);
  ~Consumer() override;

  absl::Status Start(std::vector<TopicPartitionOffset> positions, BatchHandler& handler) override;
  absl::StatusOr<std::int64_t> Rewind(const TopicPartition& partition, std::optional<std::int64_t> next) override;
  void CommitBehind(const TopicPartition& partition, std::int64_t next, absl::string_view metadata) override;
  // Sends the last marks too, if the broker takes them within a second.
  void Stop() override;
  BackboneHealth Health() const override;

  // The marks that the log holds for this group; partitions without one are left out. Waits for a broker, at most
  // `limit`. May be called before Start().
  absl::StatusOr<std::vector<Mark>> Marks(const std::vector<TopicPartition>& partitions, absl::Duration limit);

 private:
  class Impl;
  explicit Consumer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_CONSUMER_H_
