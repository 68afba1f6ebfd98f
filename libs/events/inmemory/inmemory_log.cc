#include "events/inmemory/inmemory_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "events/murmur2.h"

namespace ev {
namespace {

absl::Status Down() {
  return absl::UnavailableError("the in-memory log is down");
}

absl::Status Missing(const std::string& topic) {
  return absl::NotFoundError(absl::StrCat("no topic ", topic));
}

}  // namespace

absl::Status InMemoryLog::CreateTopic(const TopicConfig& topic) {
  MutexLock lock(mutex_);
  const auto [it, is_new] = topics_.try_emplace(topic.name, static_cast<std::size_t>(topic.partitions));
  if (!is_new) return absl::FailedPreconditionError(absl::StrCat("topic ", topic.name, " exists"));
  Change();
  return absl::OkStatus();
}

void InMemoryLog::SetDown() {
  MutexLock lock(mutex_);
  is_down_ = true;
  Change();
}

void InMemoryLog::SetUp() {
  MutexLock lock(mutex_);
  is_down_ = false;
  Change();
}

void InMemoryLog::Recreate(std::string cluster_id) {
  MutexLock lock(mutex_);
  for (auto& [name, partitions] : topics_) partitions = std::vector<Partition>(partitions.size());
  marks_.clear();
  cluster_id_ = std::move(cluster_id);
  Change();
}

void InMemoryLog::Truncate(const TopicPartition& partition, std::int64_t low) {
  MutexLock lock(mutex_);
  Partition& truncated = topics_.at(partition.topic).at(static_cast<std::size_t>(partition.partition));
  truncated.low = std::clamp(low, truncated.low, truncated.high);
  while (!truncated.messages.empty() && truncated.messages.front().offset < truncated.low) {
    truncated.messages.pop_front();
  }
  Change();
}

absl::StatusOr<std::int64_t> InMemoryLog::Append(const OutgoingMessage& message) {
  MutexLock lock(mutex_);
  if (is_down_) return Down();
  const auto topic = topics_.find(message.topic);
  if (topic == topics_.end()) return Missing(message.topic);
  const auto count = static_cast<std::int32_t>(topic->second.size());
  const std::int32_t index = message.key.empty() ? 0 : PartitionFor(message.key, count);
  Partition& partition = topic->second[static_cast<std::size_t>(index)];
  const std::int64_t offset = partition.high++;
  partition.messages.push_back(
      {.offset = offset, .key = message.key, .value = message.value, .headers = message.headers, .time = absl::Now()});
  Change();
  return offset;
}

absl::StatusOr<InMemoryLog::Slice> InMemoryLog::Read(const TopicPartition& partition, std::int64_t next,
                                                     std::size_t max) const {
  MutexLock lock(mutex_);
  if (is_down_) return Down();
  const auto topic = topics_.find(partition.topic);
  if (topic == topics_.end() || static_cast<std::size_t>(partition.partition) >= topic->second.size()) {
    return Missing(partition.topic);
  }
  const Partition& read = topic->second[static_cast<std::size_t>(partition.partition)];
  Slice slice{.messages = {}, .low = read.low, .high = read.high};
  if (next < read.low) return slice;
  for (auto i = static_cast<std::size_t>(next - read.low); i < read.messages.size() && slice.messages.size() < max;
       ++i) {
    slice.messages.push_back(read.messages[i]);
  }
  return slice;
}

absl::StatusOr<std::string> InMemoryLog::ClusterId() const {
  MutexLock lock(mutex_);
  if (is_down_) return Down();
  return cluster_id_;
}

void InMemoryLog::PutMark(const TopicPartition& partition, StoredMark mark) {
  MutexLock lock(mutex_);
  marks_[partition] = std::move(mark);
  Change();
}

std::map<TopicPartition, StoredMark> InMemoryLog::Marks() const {
  MutexLock lock(mutex_);
  return marks_;
}

std::int64_t InMemoryLog::WaitForChange(std::int64_t version, absl::Duration limit) const {
  const absl::Time end = absl::Now() + limit;
  MutexLock lock(mutex_);
  while (version_ == version && absl::Now() < end) changed_.WaitFor(mutex_, end - absl::Now());
  return version_;
}

void InMemoryLog::Touch() {
  MutexLock lock(mutex_);
  Change();
}

void InMemoryLog::Change() {
  ++version_;
  changed_.SignalAll();
}

}  // namespace ev
