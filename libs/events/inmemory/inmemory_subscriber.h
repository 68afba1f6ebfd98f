#ifndef EV_EVENTS_INMEMORY_INMEMORY_SUBSCRIBER_H_
#define EV_EVENTS_INMEMORY_INMEMORY_SUBSCRIBER_H_

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "events/inmemory/inmemory_log.h"

namespace ev {

// Reads an InMemoryLog, which must outlive it. Owns one thread, which calls the handler.
class InMemorySubscriber final : public Subscriber {
 public:
  explicit InMemorySubscriber(InMemoryLog& log, std::size_t max_batch = 1000);
  ~InMemorySubscriber() override;

  absl::Status Start(std::vector<TopicPartitionOffset> positions, BatchHandler& handler) override;
  absl::StatusOr<std::int64_t> Rewind(const TopicPartition& partition, std::optional<std::int64_t> next) override;
  void CommitBehind(const TopicPartition& partition, std::int64_t next, absl::string_view metadata) override;
  void Stop() override;
  BackboneHealth Health() const override;

 private:
  struct Position {
    std::optional<std::int64_t> next;
    std::int64_t generation = 0;
  };

  void Run(const std::stop_token& stop);
  // Does what there is to do for one partition. False when it should be tried again soon.
  bool Serve(const TopicPartition& partition);
  bool IsClusterTaken();
  bool Offer(const TopicPartition& partition, const Position& position, const InMemoryLog::Slice& slice);
  void Advance(const TopicPartition& partition, std::int64_t generation, std::int64_t next);

  InMemoryLog& log_;
  const std::size_t max_batch_;
  BatchHandler* handler_ = nullptr;
  std::optional<std::string> cluster_;  // Of the reading thread.
  mutable Mutex mutex_;
  std::map<TopicPartition, Position> positions_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev

#endif  // EV_EVENTS_INMEMORY_INMEMORY_SUBSCRIBER_H_
