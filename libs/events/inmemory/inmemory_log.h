#ifndef EV_EVENTS_INMEMORY_INMEMORY_LOG_H_
#define EV_EVENTS_INMEMORY_INMEMORY_LOG_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "events/publisher.h"
#include "events/subscriber.h"
#include "events/topics.h"

namespace ev {

// One stored message.
struct StoredMessage {
  std::int64_t offset = 0;
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
  absl::Time time;
};

struct StoredMark {
  std::int64_t next = 0;
  std::string metadata;
};

// What a broker is to its clients, in memory and without a bound: topics of partitions, marks, a cluster id. Can go
// away and come back, lose the beginning of a partition, or come back as another cluster. Thread-safe.
class InMemoryLog {
 public:
  struct Slice {
    std::vector<StoredMessage> messages;
    std::int64_t low = 0;
    std::int64_t high = 0;
  };

  // FailedPrecondition when it exists.
  absl::Status CreateTopic(const TopicConfig& topic);

  void SetDown();
  void SetUp();
  // Comes back empty, with the same topics, under another id.
  void Recreate(std::string cluster_id);
  // Forgets what is below `low`.
  void Truncate(const TopicPartition& partition, std::int64_t low);

  // Stores at the partition of the key (an empty key: partition 0) and returns the offset. Unavailable while down,
  // NotFound without the topic.
  absl::StatusOr<std::int64_t> Append(const OutgoingMessage& message);
  // At most `max` messages from `next` on; none when it lies outside low..high. Errors as Append().
  absl::StatusOr<Slice> Read(const TopicPartition& partition, std::int64_t next, std::size_t max) const;
  // Unavailable while down.
  absl::StatusOr<std::string> ClusterId() const;

  void PutMark(const TopicPartition& partition, StoredMark mark);
  std::map<TopicPartition, StoredMark> Marks() const;

  // Waits for a change of any kind since `version`, at most `limit`; returns the version now.
  std::int64_t WaitForChange(std::int64_t version, absl::Duration limit) const;
  // Wakes everyone who waits.
  void Touch();

 private:
  struct Partition {
    std::deque<StoredMessage> messages;
    std::int64_t low = 0;
    std::int64_t high = 0;
  };

  void Change() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::map<std::string, std::vector<Partition>> topics_ ABSL_GUARDED_BY(mutex_);
  std::map<TopicPartition, StoredMark> marks_ ABSL_GUARDED_BY(mutex_);
  std::string cluster_id_ ABSL_GUARDED_BY(mutex_) = "inmemory-1";
  bool is_down_ ABSL_GUARDED_BY(mutex_) = false;
  std::int64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ev

#endif  // EV_EVENTS_INMEMORY_INMEMORY_LOG_H_
