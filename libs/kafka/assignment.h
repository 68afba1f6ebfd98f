#ifndef EV_KAFKA_ASSIGNMENT_H_
#define EV_KAFKA_ASSIGNMENT_H_

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kafka/offset_book.h"

namespace ev::kafka {

// Which partitions librdkafka reads, as far as it has said so. Pure.
class Assignment {
 public:
  using Moves = absl::Span<const OffsetBook::Move>;
  using Change = absl::FunctionRef<absl::Status(Moves)>;

  // Takes out what is read of `moves` and assigns all of them anew, each at its offset. The first error is returned,
  // and what it was about stays as it was: the same moves may be tried again. Neither is called with nothing.
  absl::Status Move(Moves moves, Change unassign, Change assign);

 private:
  absl::flat_hash_set<TopicPartition> assigned_;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_ASSIGNMENT_H_
