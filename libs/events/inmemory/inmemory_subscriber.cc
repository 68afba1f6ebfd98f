#include "events/inmemory/inmemory_subscriber.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev {

InMemorySubscriber::InMemorySubscriber(InMemoryLog& log, std::size_t max_batch) : log_(log), max_batch_(max_batch) {}

InMemorySubscriber::~InMemorySubscriber() {
  Stop();
}

absl::Status InMemorySubscriber::Start(std::vector<TopicPartitionOffset> positions, BatchHandler& handler) {
  if (handler_ != nullptr) return absl::FailedPreconditionError("the subscriber was started before");
  {
    MutexLock lock(mutex_);
    for (TopicPartitionOffset& position : positions) {
      const auto [it, is_new] =
          positions_.try_emplace({.topic = position.topic, .partition = position.partition}, Position{position.next});
      if (is_new) continue;
      positions_.clear();
      return absl::InvalidArgumentError(
          absl::StrCat("partition ", position.topic, "[", position.partition, "] is named twice"));
    }
  }
  handler_ = &handler;
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> InMemorySubscriber::Rewind(const TopicPartition& partition,
                                                        std::optional<std::int64_t> next) {
  std::int64_t generation = 0;
  {
    MutexLock lock(mutex_);
    const auto found = positions_.find(partition);
    if (found == positions_.end()) {
      return absl::NotFoundError(
          absl::StrCat("partition ", partition.topic, "[", partition.partition, "] is not read"));
    }
    found->second.next = next;
    generation = ++found->second.generation;
  }
  log_.Touch();
  return generation;
}

void InMemorySubscriber::CommitBehind(const TopicPartition& partition, std::int64_t next, absl::string_view metadata) {
  log_.PutMark(partition, {.next = next, .metadata = std::string(metadata)});
}

void InMemorySubscriber::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  log_.Touch();
  thread_.join();
}

BackboneHealth InMemorySubscriber::Health() const {
  const absl::StatusOr<std::string> id = log_.ClusterId();
  if (!id.ok()) return {.connected = false, .degraded_reason = std::string(id.status().message()), .cluster_id = ""};
  return {.connected = true, .degraded_reason = "", .cluster_id = *id};
}

void InMemorySubscriber::Run(const std::stop_token& stop) {
  std::vector<TopicPartition> partitions;
  {
    MutexLock lock(mutex_);
    for (const auto& [partition, position] : positions_) partitions.push_back(partition);
  }
  std::int64_t version = -1;
  bool is_settled = true;
  while (!stop.stop_requested()) {
    version = log_.WaitForChange(version, is_settled ? absl::Seconds(1) : absl::Milliseconds(5));
    is_settled = true;
    for (const TopicPartition& partition : partitions) {
      if (!stop.stop_requested() && !Serve(partition)) is_settled = false;
    }
  }
}

bool InMemorySubscriber::Serve(const TopicPartition& partition) {
  Position position;
  {
    MutexLock lock(mutex_);
    position = positions_.at(partition);
  }
  const absl::StatusOr<InMemoryLog::Slice> bounds = log_.Read(partition, 0, 0);
  if (!bounds.ok()) return true;
  if (!position.next.has_value()) position.next = bounds->low;
  if (*position.next == kLogEnd) {
    position.next = bounds->high;
    Advance(partition, position.generation, *position.next);
  }
  if (*position.next == bounds->high && bounds->low <= *position.next) return true;
  if (!IsClusterTaken()) return false;
  const absl::StatusOr<InMemoryLog::Slice> slice = log_.Read(partition, *position.next, max_batch_);
  if (!slice.ok()) return true;
  if (*position.next < slice->low || *position.next > slice->high) {
    const absl::StatusOr<std::int64_t> decided = handler_->OnGap({.partition = partition,
                                                                  .generation = position.generation,
                                                                  .wanted_next = *position.next,
                                                                  .low = slice->low,
                                                                  .high = slice->high});
    if (decided.ok()) {
      Advance(partition, position.generation, std::clamp(*decided, slice->low, slice->high));
    }
    return false;
  }
  if (slice->messages.empty()) return true;
  if (Offer(partition, position, *slice)) Advance(partition, position.generation, slice->messages.back().offset + 1);
  return false;
}

bool InMemorySubscriber::IsClusterTaken() {
  const absl::StatusOr<std::string> id = log_.ClusterId();
  if (!id.ok()) return false;
  if (cluster_ == *id) return true;
  if (!handler_->OnCluster(*id).ok()) return false;
  cluster_ = *id;
  return false;  // The handler may have rewound: look again.
}

bool InMemorySubscriber::Offer(const TopicPartition& partition, const Position& position,
                               const InMemoryLog::Slice& slice) {
  {
    MutexLock lock(mutex_);
    if (positions_.at(partition).generation != position.generation) return false;
  }
  std::vector<IncomingMessage> views;
  for (const StoredMessage& message : slice.messages) {
    IncomingMessage& view = views.emplace_back();
    view.offset = message.offset;
    view.key = message.key;
    view.value = message.value;
    view.headers.assign(message.headers.begin(), message.headers.end());
    view.broker_time = message.time;
  }
  return handler_
      ->OnBatch({.topic = partition.topic,
                 .partition = partition.partition,
                 .generation = position.generation,
                 .log_end = slice.high,
                 .messages = views})
      .ok();
}

void InMemorySubscriber::Advance(const TopicPartition& partition, std::int64_t generation, std::int64_t next) {
  MutexLock lock(mutex_);
  Position& position = positions_.at(partition);
  if (position.generation == generation) position.next = next;
}

}  // namespace ev
