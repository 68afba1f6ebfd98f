#ifndef EV_EVENTS_TOPICS_H_
#define EV_EVENTS_TOPICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace ev {

inline constexpr int kBrokerDefaultReplication = -1;
// More than a broker takes as one fact (1 MiB unless told otherwise, after compression) with its headers; below what it
// takes as one request (100 MiB).
inline constexpr std::int64_t kMaxDeadLetterBytes = 64 << 20;

struct TopicConfig {
  std::string name;
  int partitions = 1;
  absl::Duration retention = absl::Hours(24 * 7);  // Used only when the topic is created.
  int replication = kBrokerDefaultReplication;     // Used only when the topic is created.
  std::int64_t max_message_bytes = 0;              // Used only when the topic is created; 0: the broker's default.
};

// Every topic of the system. Keys: the charging point id, but the driver id in `status_updates`. docs/events.md says
// what travels on each.
struct Topics {
  TopicConfig session_data{.name = "charging_session_data", .partitions = 12};
  TopicConfig session_complete{.name = "charging_session_complete", .partitions = 12};
  TopicConfig status_updates{.name = "charging_status_updates", .partitions = 3};
  TopicConfig alerts{.name = "system_alerts", .partitions = 1};
  TopicConfig dead_letter{.name = "charging_dead_letter", .partitions = 1, .max_message_bytes = kMaxDeadLetterBytes};

  std::vector<TopicConfig> All() const;
};

// InvalidArgument, naming the topic: a name that Kafka refuses (1 to 249 of A-Z a-z 0-9 . _ -) or that is used twice,
// partitions outside 1 to 10000, a retention that is not positive, a replication that is neither positive nor the
// broker's default, or two fact topics with different numbers of partitions (a shard owns the same partition of both).
absl::Status ValidateTopics(const Topics& topics);

}  // namespace ev

#endif  // EV_EVENTS_TOPICS_H_
