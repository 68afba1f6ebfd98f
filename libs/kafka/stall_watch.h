#ifndef EV_KAFKA_STALL_WATCH_H_
#define EV_KAFKA_STALL_WATCH_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "events/subscriber.h"

namespace ev::kafka {

// Notices that reading does not go on, whatever holds it up: a partition is stalled when `patience` looks in a row
// found it at the same offset although the log held more. Counts looks rather than time, so that a process which was
// suspended does not accuse itself. No I/O; one thread.
class StallWatch {
 public:
  struct Position {
    TopicPartition partition;
    std::optional<std::int64_t> next;  // None: nothing was read yet, not even the log's end.
    std::int64_t log_end = 0;
  };

  explicit StallWatch(int patience) : patience_(patience) {}

  // One look at every partition that is read.
  void Look(absl::Span<const Position> positions);
  // A look that could not be taken, though a broker answers: the ends of the partitions cannot be learned.
  void LookFailed(absl::string_view why);
  // No broker answers: nothing can be read, and that is said elsewhere. Looks are counted anew; what is stalled stays
  // so until it moves.
  void Pause();

  // Why reading does not go on, for people; empty while it does.
  std::string Reason() const;

 private:
  struct Entry {
    std::optional<std::int64_t> next;
    int looks = 0;  // That found it behind at `next`, in a row.
  };

  const int patience_;
  absl::btree_map<TopicPartition, Entry> entries_;  // In order, so that a reason names the same one each time.
  int failed_looks_ = 0;
  std::string failure_;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_STALL_WATCH_H_
