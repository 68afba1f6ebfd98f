#include "kafka/admin.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "kafka/client.h"
#include "kafka/monotonic.h"

namespace ev::kafka {

class Admin::Impl {
 public:
  Impl(ClientHandle client, LogSink log)
      : client_(std::move(client)), log_(std::move(log)), queue_(rd_kafka_queue_new(client_.get())) {}

  absl::StatusOr<std::vector<TopicState>> EnsureTopics(absl::Span<const TopicConfig> topics, absl::Duration limit) {
    const absl::Duration end = Monotonic() + limit;
    std::vector<TopicState> states;
    for (const TopicConfig& topic : topics) {
      absl::StatusOr<int> partitions = PartitionCount(topic.name, end - Monotonic());
      if (absl::IsNotFound(partitions.status())) {
        MarkOrdered(topic.name);
        partitions = Create(topic, end);
      }
      if (!partitions.ok()) return partitions.status();
      const bool is_new = TakeOrdered(topic.name);
      states.push_back({.name = topic.name, .partitions = *partitions, .is_new = is_new});
      // The name stands in the message, as it did in the ancestor's, which people look for.
      const std::string message = absl::StrCat("Topic ", topic.name, " created successfully");
      if (is_new && log_) log_({.message = message});
    }
    return states;
  }

  // Asks for all topics, because a question about one makes some brokers create it, with their own default number of
  // partitions.
  absl::StatusOr<int> PartitionCount(const std::string& name, absl::Duration limit) {
    const rd_kafka_metadata_t* raw = nullptr;
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(client_.get(), /*all_topics=*/1, /*only_rkt=*/nullptr, &raw, ToMillis(limit));
    const MetadataHandle metadata(raw);
    const std::string what = absl::StrCat("topic ", name);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, what);
    for (int i = 0; i < metadata->topic_cnt; ++i) {
      const rd_kafka_metadata_topic_t& found = metadata->topics[i];
      if (name != found.topic) continue;
      // Without a leader yet it is there all the same.
      if (found.partition_cnt > 0) return found.partition_cnt;
      if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(found.err, what);
    }
    return absl::NotFoundError(absl::StrCat(what, " does not exist"));
  }

  absl::StatusOr<Watermarks> QueryWatermarks(const TopicPartition& partition, absl::Duration limit) {
    Watermarks marks;
    const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
        client_.get(), partition.topic.c_str(), partition.partition, &marks.low, &marks.high, ToMillis(limit));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return ToStatus(error, absl::StrCat("watermarks of ", partition.topic, "[", partition.partition, "]"));
    }
    return marks;
  }

  absl::StatusOr<std::string> ClusterId(absl::Duration limit) { return AskClusterId(client_.get(), limit); }

 private:
  // What was ordered may appear only after the order's time is over: then the next look finds it, and it is new still.
  void MarkOrdered(const std::string& topic) {
    MutexLock lock(mutex_);
    ordered_.insert(topic);
  }
  bool TakeOrdered(const std::string& topic) {
    MutexLock lock(mutex_);
    return ordered_.erase(topic) > 0;
  }

  // Returns the partitions that the topic has afterwards: another creator may have been quicker.
  absl::StatusOr<int> Create(const TopicConfig& topic, absl::Duration end) {
    const std::string what = absl::StrCat("create topic ", topic.name);
    // The embedded broker knows no such request; librdkafka would wait to the end for a broker that does.
    const absl::StatusOr<std::string> cluster = ClusterId(end - Monotonic());
    if (cluster.ok() && absl::StartsWith(*cluster, "mockCluster")) {
      return absl::UnimplementedError(absl::StrCat(what, ": the embedded broker's topics are made by its owner"));
    }
    std::array<char, 512> reason{};
    const NewTopicHandle wanted(
        rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replication, reason.data(), reason.size()));
    if (wanted == nullptr) return absl::InvalidArgumentError(absl::StrCat(what, ": ", reason.data()));
    rd_kafka_NewTopic_set_config(wanted.get(), "retention.ms",
                                 absl::StrCat(absl::ToInt64Milliseconds(topic.retention)).c_str());
    if (topic.max_message_bytes > 0) {
      rd_kafka_NewTopic_set_config(wanted.get(), "max.message.bytes", absl::StrCat(topic.max_message_bytes).c_str());
    }
    rd_kafka_NewTopic_t* list[] = {wanted.get()};
    absl::Status status = Order(list, what, end);
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
    return WaitUntilKnown(topic.name, end);
  }

  absl::Status Order(absl::Span<rd_kafka_NewTopic_t*> topics, const std::string& what, absl::Duration end) {
    const AdminOptionsHandle options(rd_kafka_AdminOptions_new(client_.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
    const int limit_ms = ToMillis(end - Monotonic());
    rd_kafka_AdminOptions_set_request_timeout(options.get(), limit_ms, nullptr, 0);
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), limit_ms, nullptr, 0);
    MutexLock lock(mutex_);  // One order at a time: answers come through one queue.
    rd_kafka_CreateTopics(client_.get(), topics.data(), topics.size(), options.get(), queue_.get());
    const EventHandle event(rd_kafka_queue_poll(queue_.get(), limit_ms + 1000));
    if (event == nullptr) return absl::DeadlineExceededError(absl::StrCat(what, ": no answer"));
    if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return absl::Status(ToStatus(error, what).code(),
                          absl::StrCat(what, ": ", rd_kafka_event_error_string(event.get())));
    }
    std::size_t count = 0;
    const rd_kafka_topic_result_t** results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
    if (count == 0) return absl::InternalError(absl::StrCat(what, ": an answer without a result"));
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
    const char* text = rd_kafka_topic_result_error_string(results[0]);
    return absl::Status(ToStatus(error, what).code(), absl::StrCat(what, ": ", text == nullptr ? "" : text));
  }

  // A created topic is not known to every broker at once.
  absl::StatusOr<int> WaitUntilKnown(const std::string& name, absl::Duration end) {
    while (true) {
      absl::StatusOr<int> partitions = PartitionCount(name, end - Monotonic());
      if (!absl::IsNotFound(partitions.status()) || Monotonic() >= end) return partitions;
      MutexLock lock(mutex_);
      pause_.WaitFor(mutex_, absl::Milliseconds(50));
    }
  }

  const ClientHandle client_;
  const LogSink log_;
  const QueueHandle queue_;
  Mutex mutex_;
  CondVar pause_;
  std::set<std::string> ordered_ ABSL_GUARDED_BY(mutex_);  // And not seen yet.
};

absl::StatusOr<std::unique_ptr<Admin>> Admin::Create(const KafkaConfig& config, LogSink log) {
  absl::StatusOr<ConfHandle> conf = NewConf(config, {{"allow.auto.create.topics", "false"}});
  if (!conf.ok()) return conf.status();
  auto events = std::make_shared<ClientEvents>("admin client", log);
  absl::StatusOr<ClientHandle> client = NewClient(RD_KAFKA_CONSUMER, *std::move(conf), std::move(events));
  if (!client.ok()) return client.status();
  return std::unique_ptr<Admin>(new Admin(std::make_unique<Impl>(*std::move(client), std::move(log))));
}

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Admin::~Admin() = default;

absl::StatusOr<std::vector<TopicState>> Admin::EnsureTopics(absl::Span<const TopicConfig> topics,
                                                            absl::Duration limit) {
  return impl_->EnsureTopics(topics, limit);
}
absl::StatusOr<int> Admin::PartitionCount(const std::string& topic, absl::Duration limit) {
  return impl_->PartitionCount(topic, limit);
}
absl::StatusOr<std::string> Admin::ClusterId(absl::Duration limit) {
  return impl_->ClusterId(limit);
}
absl::StatusOr<Watermarks> Admin::QueryWatermarks(const TopicPartition& partition, absl::Duration limit) {
  return impl_->QueryWatermarks(partition, limit);
}

}  // namespace ev::kafka
