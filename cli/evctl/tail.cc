#include "cli/evctl/tail.h"

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/mutex.h"
#include "base/nearest.h"
#include "base/text.h"
#include "cli/evctl/ancestor.h"
#include "evcharging/events/v1/alerts.pb.h"
#include "evcharging/events/v1/facts.pb.h"
#include "evcharging/events/v1/status.pb.h"
#include "events/topics.h"
#include "google/protobuf/util/json_util.h"
#include "kafka/admin.h"
#include "kafka/consumer.h"

namespace ev::evctl {
namespace {

namespace events = evcharging::events::v1;

// What travels on one topic, decoded into one message again and again; empty: it cannot be.
using Decoder = std::function<std::optional<nlohmann::ordered_json>(absl::string_view body)>;

nlohmann::ordered_json AsItIs(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  print.always_print_primitive_fields = true;
  std::string json;
  // Fails for a field that JSON cannot hold, such as a time before the year 1.
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) return {};
  return nlohmann::ordered_json::parse(json);
}

template <typename Message>
Decoder DecoderFor(TailFormat format) {
  return [format, message = std::make_shared<Message>()](absl::string_view body) {
    std::optional<nlohmann::ordered_json> json;
    if (!message->ParseFromArray(body.data(), static_cast<int>(body.size()))) return json;
    json = format == TailFormat::kAncestor ? AncestorJson(*message) : AsItIs(*message);
    if (json->is_null()) json.reset();
    return json;
  };
}

Decoder DecoderOf(absl::string_view topic, TailFormat format) {
  const Topics topics;
  if (topic == topics.status_updates.name) return DecoderFor<events::StatusUpdate>(format);
  if (topic == topics.alerts.name) return DecoderFor<events::Alert>(format);
  return DecoderFor<events::Fact>(format);
}

class Printer final : public BatchHandler {
 public:
  // `on_nobody_reads` is called, by the consumer's thread, when `out` takes no more.
  Printer(absl::string_view topic, TailFormat format, std::ostream& out, std::function<void()> on_nobody_reads)
      : format_(format), decode_(DecoderOf(topic, format)), out_(out), on_nobody_reads_(std::move(on_nobody_reads)) {}

  // Before Start(): up to which offset a partition holds messages now.
  void ExpectUpTo(std::int32_t partition, std::int64_t end) {
    MutexLock lock(mutex_);
    left_[partition] = end;
  }

  bool WaitUntilDone(absl::Duration limit) {
    MutexLock lock(mutex_);
    if (!left_.empty()) done_.WaitFor(mutex_, limit);
    return left_.empty();
  }

  absl::Status OnCluster(absl::string_view) override { return absl::OkStatus(); }

  absl::Status OnBatch(const IncomingBatch& batch) override {
    for (const IncomingMessage& message : batch.messages) Print(batch, message);
    if (!out_.flush()) on_nobody_reads_();
    MutexLock lock(mutex_);
    const auto it = left_.find(batch.partition);
    if (it != left_.end() && batch.messages.back().offset + 1 >= it->second) left_.erase(it);
    if (left_.empty()) done_.SignalAll();
    return absl::OkStatus();
  }

  absl::StatusOr<std::int64_t> OnGap(const Gap& gap) override { return gap.low; }

 private:
  void Print(const IncomingBatch& batch, const IncomingMessage& message) {
    std::optional<nlohmann::ordered_json> value = decode_(message.value);
    nlohmann::ordered_json line;
    if (value.has_value() && format_ == TailFormat::kAncestor) {
      line = *std::move(value);
    } else {
      if (format_ == TailFormat::kAncestor) line["type"] = "undecodable";
      line["topic"] = std::string(batch.topic);
      line["partition"] = batch.partition;
      line["offset"] = message.offset;
      line["key"] = std::string(message.key);
      for (const auto& [name, text] : message.headers) line["headers"][std::string(name)] = std::string(text);
      if (value.has_value()) {
        line["value"] = *std::move(value);
      } else {
        line["undecodable"] = absl::BytesToHexString(message.value);
      }
    }
    out_ << EscapeJson(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)) << '\n';
  }

  const TailFormat format_;
  const Decoder decode_;
  std::ostream& out_;
  const std::function<void()> on_nobody_reads_;
  Mutex mutex_;
  CondVar done_;
  std::map<std::int32_t, std::int64_t> left_ ABSL_GUARDED_BY(mutex_);
};

// What a person can do about it.
absl::Status Explain(const absl::Status& status, const TailOptions& options) {
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

absl::Status Tail(const TailOptions& options, process::StopSignal* stop, std::ostream& out) {
  auto admin = kafka::Admin::Create(options.kafka);
  if (!admin.ok()) return admin.status();
  auto partitions = (*admin)->PartitionCount(options.topic, options.connect_limit);
  if (!partitions.ok()) return Explain(partitions.status(), options);

  Printer printer(options.topic, options.format, out, [stop] {
    if (stop != nullptr) stop->RequestStop("nobody reads");
  });
  std::vector<TopicPartitionOffset> positions;
  for (int i = 0; i < *partitions; ++i) {
    auto marks = (*admin)->QueryWatermarks({options.topic, i}, options.connect_limit);
    if (!marks.ok()) return Explain(marks.status(), options);
    if (stop == nullptr && marks->high > marks->low) printer.ExpectUpTo(i, marks->high);
    if (stop != nullptr || marks->high > marks->low) positions.push_back({options.topic, i, marks->low});
  }
  if (positions.empty()) return absl::OkStatus();

  kafka::ConsumerConfig config;
  config.kafka = options.kafka;
  config.group_id = "evctl";
  auto consumer = kafka::Consumer::Create(config);
  if (!consumer.ok()) return consumer.status();
  if (auto status = (*consumer)->Start(std::move(positions), printer); !status.ok()) return status;
  absl::Status result;
  if (stop != nullptr) {
    stop->Wait();
  } else {
    const absl::Duration limit = absl::Seconds(60);
    absl::Duration waited;
    const absl::Duration step = absl::Milliseconds(500);
    while (!printer.WaitUntilDone(step) && waited < limit) waited += step;
    if (waited >= limit)
      result = absl::DeadlineExceededError(absl::StrCat("the end of ", options.topic, " was not reached in 60 s"));
  }
  (*consumer)->Stop();
  return result;
}

}  // namespace ev::evctl
