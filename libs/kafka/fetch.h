#ifndef EV_KAFKA_FETCH_H_
#define EV_KAFKA_FETCH_H_

#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "events/subscriber.h"
#include "kafka/handles.h"

namespace ev::kafka {

// What one call of librdkafka brought; freed by the next one.
class Fetch {
 public:
  explicit Fetch(int max) : messages_(static_cast<std::size_t>(max)) {}
  ~Fetch() { Release(); }
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  void Read(rd_kafka_queue_t* queue, absl::Duration wait);

  // Each partition's messages stand together, in their order.
  absl::Span<rd_kafka_message_t* const> messages() const {
    return {messages_.data(), static_cast<std::size_t>(count_)};
  }

 private:
  void Release();

  std::vector<rd_kafka_message_t*> messages_;
  ssize_t count_ = 0;
};

TopicPartition PartitionOf(const rd_kafka_message_t& message);

// Refers to `message`.
IncomingMessage View(rd_kafka_message_t* message);

}  // namespace ev::kafka

#endif  // EV_KAFKA_FETCH_H_
