#ifndef EV_KAFKA_ADMIN_H_
#define EV_KAFKA_ADMIN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "events/subscriber.h"
#include "events/topics.h"
#include "kafka/kafka_config.h"
#include "kafka/log_sink.h"

namespace ev::kafka {

struct TopicState {
  std::string name;
  int partitions = 0;
  bool is_new = false;  // Created by this call.
};

struct Watermarks {
  std::int64_t low = 0;   // The first offset that the log holds.
  std::int64_t high = 0;  // One past the last.
};

// Questions and orders to the cluster that are no traffic. Every call waits for a broker, at most the given time, and
// returns DeadlineExceeded or Unavailable when none answers in it. Thread-safe.
class Admin {
 public:
  // InvalidArgument names the option that librdkafka rejects. Does not contact a broker.
  static absl::StatusOr<std::unique_ptr<Admin>> Create(const KafkaConfig& config, LogSink log = nullptr);
  ~Admin();

  // Creates the topics that do not exist and says so (`Topic <name> created successfully`); existing ones are left as
  // they are. Returns all with the number of partitions they have, which may differ from the wanted one.
  // PermissionDenied, InvalidArgument (more replicas than brokers, say), Unimplemented (the embedded broker, whose
  // topics are made by its owner): naming the topic.
  absl::StatusOr<std::vector<TopicState>> EnsureTopics(absl::Span<const TopicConfig> topics, absl::Duration limit);

  // The topic's number of partitions; NotFound when there is none. Never creates it.
  absl::StatusOr<int> PartitionCount(const std::string& topic, absl::Duration limit);

  absl::StatusOr<std::string> ClusterId(absl::Duration limit);

  absl::StatusOr<Watermarks> QueryWatermarks(const TopicPartition& partition, absl::Duration limit);

 private:
  class Impl;
  explicit Admin(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_ADMIN_H_
