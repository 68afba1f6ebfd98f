#include "events/inmemory/inmemory_publisher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace ev {

InMemoryPublisher::InMemoryPublisher(InMemoryLog& log, std::size_t max_queued)
    : log_(log), max_queued_(max_queued), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

InMemoryPublisher::~InMemoryPublisher() {
  thread_.request_stop();
  log_.Touch();
  thread_.join();
  std::deque<OutgoingMessage> left;
  {
    MutexLock lock(mutex_);
    left.swap(queue_);
  }
  for (const OutgoingMessage& message : left) {
    if (message.done) message.done(absl::CancelledError("the publisher was closed"));
  }
}

absl::Status InMemoryPublisher::Publish(OutgoingMessage message) {
  {
    MutexLock lock(mutex_);
    if (queue_.size() >= max_queued_) {
      return absl::ResourceExhaustedError(absl::StrCat("queue is full: ", queue_.size(), " messages"));
    }
    queue_.push_back(std::move(message));
  }
  log_.Touch();
  return absl::OkStatus();
}

absl::Status InMemoryPublisher::Flush(absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  MutexLock lock(mutex_);
  while (!queue_.empty()) {
    if (absl::Now() >= end) {
      return absl::DeadlineExceededError(absl::StrCat(queue_.size(), " messages were not delivered in time"));
    }
    done_.WaitFor(mutex_, end - absl::Now());
  }
  return absl::OkStatus();
}

BackboneHealth InMemoryPublisher::Health() const {
  const absl::StatusOr<std::string> id = log_.ClusterId();
  if (!id.ok()) return {.connected = false, .degraded_reason = std::string(id.status().message()), .cluster_id = ""};
  return {.connected = true, .degraded_reason = "", .cluster_id = *id};
}

void InMemoryPublisher::Run(const std::stop_token& stop) {
  std::int64_t version = -1;
  while (!stop.stop_requested()) {
    version = log_.WaitForChange(version, absl::Seconds(1));
    while (!stop.stop_requested() && StoreOne()) {
    }
  }
}

bool InMemoryPublisher::StoreOne() {
  const OutgoingMessage* oldest = nullptr;
  {
    MutexLock lock(mutex_);
    if (queue_.empty()) return false;
    oldest = &queue_.front();
  }
  const absl::StatusOr<std::int64_t> offset = log_.Append(*oldest);
  if (absl::IsUnavailable(offset.status())) return false;
  if (oldest->done) oldest->done(offset.status());
  MutexLock lock(mutex_);
  queue_.pop_front();
  if (queue_.empty()) done_.SignalAll();
  return true;
}

}  // namespace ev
