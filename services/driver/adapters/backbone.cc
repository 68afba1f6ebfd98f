#include "services/driver/adapters/backbone.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "log/log.h"

namespace ev::driver {
namespace {

constexpr absl::Duration kAnswerLimit = absl::Seconds(1);  // Also bounds how long the end waits for the starter.
constexpr absl::Duration kPause = absl::Seconds(1);

void LogKafka(kafka::LogLevel level, absl::string_view line) {
  switch (level) {
    case kafka::LogLevel::kDebug:
      return log::Debug(line);
    case kafka::LogLevel::kInfo:
      return log::Info(line);
    case kafka::LogLevel::kWarning:
      return log::Warn(line);
    case kafka::LogLevel::kError:
      return log::Error(line);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backbone>> Backbone::Create(const BackboneConfig& config,
                                                           std::function<void(Charge)> on_charge,
                                                           metrics::Registry& registry, metrics::Readiness& readiness) {
  readiness.SetDegraded(kCondition, "connecting to " + config.kafka.brokers);
  std::unique_ptr<Backbone> backbone(new Backbone(config));
  auto admin = kafka::Admin::Create(config.kafka, LogKafka);
  if (!admin.ok()) return admin.status();
  backbone->admin_ = *std::move(admin);
  readiness.SetReady(kConsumerCondition);
  const metrics::Gauge stalled =
      registry.AddGauge("ev_kafka_consumer_stalled", "1 while reading does not go on although the log holds more.");
  auto consumer = kafka::Consumer::Create(
      {.kafka = config.kafka, .group_id = config.group_id, .stall = config.stall}, LogKafka,
      [&readiness](const BackboneHealth& health) {
        health.connected ? readiness.SetReady(kCondition) : readiness.SetDegraded(kCondition, health.degraded_reason);
      },
      [&readiness, stalled](absl::string_view reason) {
        stalled.Set(reason.empty() ? 0 : 1);
        reason.empty() ? readiness.SetReady(kConsumerCondition) : readiness.SetDegraded(kConsumerCondition, reason);
      });
  if (!consumer.ok()) return consumer.status();
  backbone->consumer_ = *std::move(consumer);
  backbone->news_ = std::make_unique<StatusNews>(config.topic, *backbone->consumer_, std::move(on_charge), registry);
  backbone->starter_ = std::jthread([self = backbone.get()](const std::stop_token& stop) { self->Begin(stop); });
  return backbone;
}

Backbone::~Backbone() {
  starter_.request_stop();
  if (starter_.joinable()) starter_.join();
  if (consumer_) consumer_->Stop();
}

void Backbone::Begin(const std::stop_token& stop) {
  Mutex mutex;
  CondVar stopped;
  const std::stop_callback wake(stop, [&] {
    MutexLock lock(mutex);
    stopped.SignalAll();
  });
  bool is_said = false;
  while (!stop.stop_requested()) {
    const absl::Status status = TryBegin();
    if (status.ok()) return;
    // An absent broker is said by the consumer.
    if (absl::IsNotFound(status) && !std::exchange(is_said, true)) {
      log::Warn("waiting for the topic", {{"topic", config_.topic}});
    }
    MutexLock lock(mutex);
    if (!stop.stop_requested()) stopped.WaitFor(mutex, kPause);
  }
}

absl::Status Backbone::TryBegin() {
  const auto partitions = admin_->PartitionCount(config_.topic, kAnswerLimit);
  if (!partitions.ok()) return partitions.status();
  std::vector<TopicPartition> all;
  all.reserve(*partitions);
  for (int i = 0; i < *partitions; ++i) all.push_back({.topic = config_.topic, .partition = i});
  const auto marks = consumer_->Marks(all, kAnswerLimit);
  if (!marks.ok()) return marks.status();
  std::vector<TopicPartitionOffset> positions;
  for (const TopicPartition& partition : all) {
    // A new driver has missed nothing: old news of others are of no use.
    TopicPartitionOffset position{.topic = partition.topic, .partition = partition.partition, .next = kLogEnd};
    for (const kafka::Mark& mark : *marks) {
      if (mark.partition == partition) position.next = mark.next;
    }
    positions.push_back(std::move(position));
  }
  return consumer_->Start(std::move(positions), *news_);
}

}  // namespace ev::driver
