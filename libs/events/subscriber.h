#ifndef EV_EVENTS_SUBSCRIBER_H_
#define EV_EVENTS_SUBSCRIBER_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "events/backbone_health.h"

namespace ev {

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;

  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TopicPartition& p) {
    return H::combine(std::move(h), p.topic, p.partition);
  }
};

// As `next` of a position: wherever the log ends when the subscriber gets there.
inline constexpr std::int64_t kLogEnd = -1;

// Where reading begins: at offset `next`; without one, at the log's start.
struct TopicPartitionOffset {
  std::string topic;
  std::int32_t partition = 0;
  std::optional<std::int64_t> next;
};

// All views are valid during the call that brings the message.
struct IncomingMessage {
  std::int64_t offset = 0;
  absl::string_view key;
  absl::string_view value;
  std::vector<std::pair<absl::string_view, absl::string_view>> headers;
  absl::Time broker_time;  // When the broker or the producer stamped it; InfinitePast when nobody did.
};

// Messages of one partition by rising offset, at least one. Offsets may have holes.
struct IncomingBatch {
  absl::string_view topic;
  std::int32_t partition = 0;
  std::int64_t generation = 0;  // How often the partition was rewound before these were read: see Rewind().
  std::int64_t log_end = 0;     // The partition's end as last heard: at `messages.back().offset + 1` nothing waits.
  absl::Span<const IncomingMessage> messages;
};

// The log does not hold the wanted offset any more, or not yet: it was deleted, or the log was made anew.
struct Gap {
  TopicPartition partition;
  std::int64_t generation = 0;
  std::int64_t wanted_next = 0;
  std::int64_t low = 0;   // The first offset that the log holds.
  std::int64_t high = 0;  // One past the last.
};

// What a subscriber calls: always from its one thread, one call at a time, never after Stop() has returned. A call may
// wait to press back, for a limited time: meanwhile nothing else is delivered. An error means "not taken": the same
// call is made again after a pause of at most a second, until it is taken, rewound or stopped.
class BatchHandler {
 public:
  virtual ~BatchHandler() = default;

  // Before the first message of a cluster: at start, and when another cluster answers at the same address. Whoever
  // keeps offsets compares the id with theirs, and rewinds every partition here when they belong to another log.
  virtual absl::Status OnCluster(absl::string_view cluster_id) = 0;

  virtual absl::Status OnBatch(const IncomingBatch& batch) = 0;

  // Returns the offset to go on at, from low to high.
  virtual absl::StatusOr<std::int64_t> OnGap(const Gap& gap) = 0;
};

// Reads partitions from where its owner says; offsets are kept by the owner, not here. Thread-safe.
class Subscriber {
 public:
  virtual ~Subscriber() = default;

  // Begins to read; called once. `handler` must outlive Stop(). The broker may be absent: reading begins when it comes.
  // InvalidArgument for a partition named twice; FailedPrecondition when already started.
  virtual absl::Status Start(std::vector<TopicPartitionOffset> positions, BatchHandler& handler) = 0;

  // Reads the partition again from `next` (without one: from the log's start). Returns its new generation: batches that
  // carry an older one may still be on their way and are stale. May be called by the handler. NotFound for a partition
  // that is not read.
  virtual absl::StatusOr<std::int64_t> Rewind(const TopicPartition& partition, std::optional<std::int64_t> next) = 0;

  // Tells the log, some time later and without a promise, that everything below `next` is done: for tools that show
  // lag. `metadata` is kept beside it. Of several calls for a partition only the last is sent.
  virtual void CommitBehind(const TopicPartition& partition, std::int64_t next, absl::string_view metadata) = 0;

  // Stops reading and waits, for a limited time beyond a running call of the handler. Not from the handler.
  virtual void Stop() = 0;

  virtual BackboneHealth Health() const = 0;
};

}  // namespace ev

#endif  // EV_EVENTS_SUBSCRIBER_H_
