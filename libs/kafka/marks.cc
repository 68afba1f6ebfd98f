#include "kafka/marks.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "kafka/client.h"
#include "kafka/monotonic.h"
#include "kafka/partition_list.h"

namespace ev::kafka {
namespace {

void SetMetadata(rd_kafka_topic_partition_t& element, const std::string& metadata) {
  if (metadata.empty()) return;
  element.metadata = rd_kafka_mem_malloc(nullptr, metadata.size());  // Freed with the list.
  element.metadata_size = metadata.size();
  std::memcpy(element.metadata, metadata.data(), metadata.size());
}

}  // namespace

absl::StatusOr<std::vector<Mark>> ReadMarks(rd_kafka_t* client, const std::vector<TopicPartition>& partitions,
                                            const std::string& group, absl::Duration limit) {
  const PartitionListHandle list = NewPartitionList(partitions.size());
  for (const TopicPartition& partition : partitions) AddTo(list, partition);
  const rd_kafka_resp_err_t error = rd_kafka_committed(client, list.get(), ToMillis(limit));
  const std::string what = absl::StrCat("marks of group ", group);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, what);
  std::vector<Mark> marks;
  for (const rd_kafka_topic_partition_t& found : absl::MakeSpan(list->elems, static_cast<std::size_t>(list->cnt))) {
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(found.err, what);
    if (found.offset < 0) continue;
    marks.push_back({.partition = {.topic = found.topic, .partition = found.partition},
                     .next = found.offset,
                     .metadata = std::string(static_cast<const char*>(found.metadata), found.metadata_size)});
  }
  return marks;
}

void MarkWriter::Put(Mark mark) {
  MutexLock lock(mutex_);
  const TopicPartition partition = mark.partition;
  waiting_[partition] = std::move(mark);
}

void MarkWriter::Send() {
  {
    MutexLock lock(mutex_);
    if (is_sending_ || Monotonic() < next_send_ || waiting_.empty()) return;
    sent_ = std::exchange(waiting_, {});
    is_sending_ = true;
  }
  const PartitionListHandle list = NewPartitionList(sent_.size());
  for (const auto& [partition, mark] : sent_) {
    rd_kafka_topic_partition_t& element = AddTo(list, partition);
    element.offset = mark.next;
    SetMetadata(element, mark.metadata);
  }
  next_send_ = Monotonic() + interval_;
  if (const rd_kafka_resp_err_t error = rd_kafka_commit(client_, list.get(), /*async=*/1);
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    OnSent(error);
  }
}

void MarkWriter::OnSent(rd_kafka_resp_err_t error) {
  const bool is_stored = error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET;
  if (!is_stored && log_) {
    log_({.level = NoteLevel::kDebug,
          .message = "Kafka consumer could not commit its marks",
          .fields = {{"error", rd_kafka_err2str(error)}}});
  }
  MutexLock lock(mutex_);
  is_sending_ = false;
  if (is_stored) return;
  for (auto& [partition, mark] : sent_) waiting_.try_emplace(partition, std::move(mark));  // Newer ones win.
}

bool MarkWriter::is_done() const {
  MutexLock lock(mutex_);
  return waiting_.empty() && !is_sending_;
}

}  // namespace ev::kafka
