#ifndef EV_KAFKA_MARK_H_
#define EV_KAFKA_MARK_H_

#include <cstdint>
#include <string>

#include "events/subscriber.h"

namespace ev::kafka {

// What the log remembers of Consumer::CommitBehind().
struct Mark {
  TopicPartition partition;
  std::int64_t next = 0;
  std::string metadata;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_MARK_H_
