#ifndef EV_KAFKA_MARKS_H_
#define EV_KAFKA_MARKS_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "events/subscriber.h"
#include "kafka/handles.h"
#include "kafka/log_sink.h"
#include "kafka/mark.h"

namespace ev::kafka {

// Waits for a broker, at most `limit`; partitions without a mark are left out.
absl::StatusOr<std::vector<Mark>> ReadMarks(rd_kafka_t* client, const std::vector<TopicPartition>& partitions,
                                            const std::string& group, absl::Duration limit);

// Writes marks behind: of each partition the newest, once an interval, one request at a time. What fails is sent again
// unless something newer was put.
//
// Put() and is_done() from any thread; the others from the one that serves `client`'s queue.
class MarkWriter {
 public:
  MarkWriter(rd_kafka_t* client, absl::Duration interval, LogSink log)
      : client_(client), interval_(interval), log_(std::move(log)) {}

  void Put(Mark mark);
  // Not while no broker answers: a commit that none can take yet would keep librdkafka 2.0.2 from ever closing.
  void Send();
  // What became of the request.
  void OnSent(rd_kafka_resp_err_t error);
  // The next Send() waits for no interval.
  void Hurry() { next_send_ = -absl::InfiniteDuration(); }
  // Nothing waits, nothing is on its way.
  bool is_done() const;

 private:
  rd_kafka_t* const client_;
  const absl::Duration interval_;
  const LogSink log_;

  absl::flat_hash_map<TopicPartition, Mark> sent_;
  absl::Duration next_send_ = -absl::InfiniteDuration();

  mutable Mutex mutex_;
  absl::flat_hash_map<TopicPartition, Mark> waiting_ ABSL_GUARDED_BY(mutex_);
  bool is_sending_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_MARKS_H_
