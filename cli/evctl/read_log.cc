#include "cli/evctl/read_log.h"

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/mutex.h"
#include "base/nearest.h"
#include "base/text.h"
#include "events/topics.h"
#include "kafka/admin.h"
#include "kafka/consumer.h"

namespace ev::evctl {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(60);  // For the next messages on the way to the log's end.

class Reader final : public BatchHandler {
 public:
  Reader(const OnMessage& on_message, process::StopSignal* stop) : on_message_(on_message), stop_(stop) {}

  // Before Start(): up to which offset a partition holds messages now.
  void ExpectUpTo(std::int32_t partition, std::int64_t end) {
    MutexLock lock(mutex_);
    left_[partition] = end;
  }

  // Whether all that was expected has come, or nobody wants it.
  bool WaitUntilDone(absl::Duration limit) {
    MutexLock lock(mutex_);
    if (!left_.empty()) done_.WaitFor(mutex_, limit);
    return left_.empty();
  }

  // Grows as long as messages come.
  std::int64_t batches() const {
    MutexLock lock(mutex_);
    return batches_;
  }

  absl::Status OnCluster(absl::string_view) override { return absl::OkStatus(); }

  absl::Status OnBatch(const IncomingBatch& batch) override {
    for (const IncomingMessage& message : batch.messages) {
      if (is_wanted_) is_wanted_ = on_message_(batch.topic, batch.partition, message);
    }
    if (!is_wanted_ && stop_ != nullptr) stop_->RequestStop("nobody reads");
    MutexLock lock(mutex_);
    ++batches_;
    const auto it = left_.find(batch.partition);
    if (it != left_.end() && batch.messages.back().offset + 1 >= it->second) left_.erase(it);
    if (!is_wanted_) left_.clear();
    if (left_.empty()) done_.SignalAll();
    return absl::OkStatus();
  }

  absl::StatusOr<std::int64_t> OnGap(const Gap& gap) override { return gap.low; }

 private:
  const OnMessage& on_message_;
  process::StopSignal* const stop_;
  bool is_wanted_ = true;  // The consumer's thread's own.
  mutable Mutex mutex_;
  CondVar done_;
  std::int64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::int32_t, std::int64_t> left_ ABSL_GUARDED_BY(mutex_);
};

// What a person can do about it.
absl::Status Explain(const absl::Status& status, const ReadLogOptions& options) {
  std::vector<std::string> topics;
  for (const TopicConfig& topic : Topics().All()) topics.push_back(topic.name);
  if (absl::IsNotFound(status)) {
    return absl::NotFoundError(absl::StrCat("the broker at ", options.kafka.brokers, " has no topic \"",
                                            Printable(options.topic), "\" (Central makes ", absl::StrJoin(topics, ", "),
                                            ")", DidYouMean(options.topic, topics)));
  }
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat("no Kafka broker at ", options.kafka.brokers, " answered within ",
                                   absl::FormatDuration(options.connect_limit), ": ", status.message(),
                                   "; is one running? --kafka-brokers or EV_KAFKA_BROKERS names another"));
}

}  // namespace

absl::Status ReadLog(const ReadLogOptions& options, process::StopSignal* stop, const OnMessage& on_message) {
  auto admin = kafka::Admin::Create(options.kafka);
  if (!admin.ok()) return admin.status();
  auto partitions = (*admin)->PartitionCount(options.topic, options.connect_limit);
  if (!partitions.ok()) return Explain(partitions.status(), options);

  Reader reader(on_message, stop);
  std::vector<TopicPartitionOffset> positions;
  for (int i = 0; i < *partitions; ++i) {
    auto marks = (*admin)->QueryWatermarks({options.topic, i}, options.connect_limit);
    if (!marks.ok()) return Explain(marks.status(), options);
    if (stop == nullptr && marks->high > marks->low) reader.ExpectUpTo(i, marks->high);
    if (stop != nullptr || marks->high > marks->low) positions.push_back({options.topic, i, marks->low});
  }
  if (positions.empty()) return absl::OkStatus();

  kafka::ConsumerConfig config;
  config.kafka = options.kafka;
  config.group_id = "evctl";
  auto consumer = kafka::Consumer::Create(config);
  if (!consumer.ok()) return consumer.status();
  if (auto status = (*consumer)->Start(std::move(positions), reader); !status.ok()) return status;
  absl::Status result;
  if (stop != nullptr) {
    stop->Wait();
  } else {
    absl::Duration waited;
    std::int64_t seen = 0;
    const absl::Duration step = absl::Milliseconds(500);
    while (!reader.WaitUntilDone(step) && waited < kLimit) {
      waited = reader.batches() == seen ? waited + step : absl::ZeroDuration();
      seen = reader.batches();
    }
    if (waited >= kLimit) {
      result = absl::DeadlineExceededError(absl::StrCat(
          "the end of ", options.topic, " was not reached: nothing came for ", absl::FormatDuration(kLimit)));
    }
  }
  (*consumer)->Stop();
  return result;
}

}  // namespace ev::evctl
