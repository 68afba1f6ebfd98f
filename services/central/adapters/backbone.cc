#include "services/central/adapters/backbone.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/stop_pause.h"
#include "kafka/log_sink.h"
#include "log/log.h"

namespace ev::central {
namespace {

constexpr char kCondition[] = "kafka";
constexpr char kTopicsCondition[] = "topics";
constexpr absl::Duration kAdminLimit = absl::Seconds(3);
constexpr absl::Duration kPause = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<Backbone>> Backbone::Create(const Config& config, const OutboxCodec& codec,
                                                           ShardHost& host, const Clock& clock,
                                                           metrics::Registry& registry, metrics::Readiness& readiness) {
  std::unique_ptr<Backbone> backbone(new Backbone(config, host, readiness));
  auto admin = kafka::Admin::Create(config.kafka, kafka::ToLog);
  if (!admin.ok()) return admin.status();
  backbone->admin_ = *std::move(admin);

  kafka::ProducerConfig producer_config;
  producer_config.kafka = config.kafka;
  producer_config.max_message_bytes = kMaxDeadLetterBytes;  // What stood in a topic at its limit is put aside whole.
  for (const TopicConfig& topic : {config.topics.status_updates, config.topics.alerts, config.topics.dead_letter}) {
    producer_config.topics.push_back(topic.name);
  }
  backbone->messages_out_ = std::make_unique<MessagesOut>(producer_config.topics, registry);
  // Before the producer, which may say that it is connected at once.
  readiness.SetDegraded(kCondition, absl::StrCat("connecting to ", config.kafka.brokers));
  auto producer = kafka::Producer::Create(producer_config, kafka::ToLog, [&readiness](const BackboneHealth& health) {
    if (health.connected) {
      readiness.SetReady(kCondition);
    } else {
      readiness.SetDegraded(kCondition, health.degraded_reason);
    }
  });
  if (!producer.ok()) return producer.status();
  backbone->producer_ = *std::move(producer);

  kafka::ConsumerConfig consumer_config;
  consumer_config.kafka = config.kafka;
  consumer_config.group_id = config.group_id;
  consumer_config.stall = config.stall;
  const metrics::Gauge stalled =
      registry.AddGauge("ev_kafka_consumer_stalled", "1 while reading does not go on although the log holds more.");
  auto consumer = kafka::Consumer::Create(consumer_config, kafka::ToLog, /*on_health=*/nullptr,
                                          [stalled, self = backbone.get()](absl::string_view reason) {
                                            stalled.Set(reason.empty() ? 0 : 1);
                                            self->ingest_->OnStall(reason);
                                          });
  if (!consumer.ok()) return consumer.status();
  backbone->consumer_ = *std::move(consumer);

  backbone->progress_ = std::make_unique<ProgressPublisher>(codec, *backbone->producer_, *backbone->messages_out_);
  host.AddObserver(*backbone->progress_);
  backbone->ingest_ =
      std::make_unique<FactIngest>(config.topics, host, *backbone->consumer_, clock, registry, readiness);
  backbone->ingest_->SetTopicCheck([self = backbone.get()] { return self->LookAtTopics(); });
  const metrics::Gauge queued = registry.AddGauge("ev_producer_queue", "Messages handed to the Kafka client.");
  registry.AddGauge("ev_producer_queue_bound", "The bound of ev_producer_queue.")
      .Set(static_cast<double>(producer_config.max_queued_messages));
  const metrics::Gauge connected = registry.AddGauge("ev_kafka_connected", "1 while a broker answers.");
  backbone->collect_ = registry.OnCollect([queued, connected, producer = backbone->producer_.get()] {
    queued.Set(static_cast<double>(producer->queued()));
    connected.Set(producer->Health().connected ? 1 : 0);
  });
  backbone->relay_ = std::make_unique<OutboxRelay>(host.store(), *backbone->producer_, *backbone->messages_out_);
  host.OnOutbox([relay = backbone->relay_.get()] { relay->Wake(); });
  return backbone;
}

Backbone::Backbone(Config config, ShardHost& host, metrics::Readiness& readiness)
    : config_(std::move(config)), host_(host), readiness_(readiness) {}

Backbone::~Backbone() {
  Stop(absl::ZeroDuration());
}

void Backbone::Start() {
  readiness_.SetDegraded(kTopicsCondition, "not looked at yet");
  readiness_.SetDegraded("kafka_consumer", "not reading yet");
  set_up_ = std::jthread([this](const std::stop_token& stop) { SetUp(stop); });
}

void Backbone::StopReading() {
  set_up_ = std::jthread();
  ingest_->Stop();
}

void Backbone::Stop(absl::Duration limit) {
  set_up_ = std::jthread();
  if (consumer_ != nullptr) consumer_->Stop();
  relay_.reset();
  if (producer_ != nullptr && limit > absl::ZeroDuration()) {
    if (auto status = producer_->Flush(limit); !status.ok()) {
      log::Warn("not everything reached Kafka; the rest stays in the outbox", {{"reason", status}});
    }
  }
  collect_.reset();
}

void Backbone::SetUp(const std::stop_token& stop) {
  StopPause pause(stop);
  absl::Duration wait;  // None before the first look.
  while (pause.For(wait)) {
    absl::Status status = absl::UnavailableError("the broker does not answer");
    // Before that it is the look that says why not.
    if (!is_reading_ || producer_->Health().connected) status = LookAtTopics();
    if (status.ok() && !is_reading_) {
      status = ingest_->Start();
      is_reading_ = status.ok();
      if (!status.ok()) readiness_.SetDegraded(kTopicsCondition, status.message());
    }
    wait = status.ok() ? config_.look_again : kPause;
  }
}

absl::Status Backbone::LookAtTopics() {
  MutexLock lock(look_mutex_);
  std::string wrong_count;
  const absl::Status status = ReadTopics(wrong_count);
  if (status.ok()) {
    readiness_.SetReady(kTopicsCondition);
    said_.clear();
  } else if (absl::IsFailedPrecondition(status)) {
    readiness_.SetNotReady(kTopicsCondition, status.message());
    if (std::exchange(said_, std::string(status.message())) != status.message()) {
      log::Error("the topics cannot be used", {{"reason", status}});
    }
  } else if (!is_reading_ || absl::IsNotFound(status)) {
    readiness_.SetDegraded(kTopicsCondition, status.message());
  } else {
    return status;  // Nothing was learned of them; condition `kafka` tells of brokers that are away.
  }
  ingest_->Hold(wrong_count);
  return status;
}

absl::Status Backbone::ReadTopics(std::string& wrong_count) {
  const std::vector<TopicConfig> all = config_.topics.All();
  auto topics = admin_->EnsureTopics(all, kAdminLimit);
  std::vector<kafka::TopicState> states;
  if (topics.ok()) {
    states = *std::move(topics);
  } else if (absl::IsUnimplemented(topics.status())) {
    // The embedded broker: its owner made the topics.
    for (const TopicConfig& topic : all) {
      auto count = admin_->PartitionCount(topic.name, kAdminLimit);
      if (!count.ok()) return count.status();
      states.push_back({topic.name, *count, false});
    }
  } else if (absl::IsInvalidArgument(topics.status()) || absl::IsPermissionDenied(topics.status())) {
    return absl::FailedPreconditionError(topics.status().message());
  } else {
    return topics.status();
  }
  for (const kafka::TopicState& state : states) {
    const bool carries_facts =
        state.name == config_.topics.session_data.name || state.name == config_.topics.session_complete.name;
    if (carries_facts && state.partitions != host_.shards()) {
      wrong_count =
          absl::StrCat("topic ", state.name, " has ", state.partitions, " partitions, the store was made for ",
                       host_.shards(), ": use other topics or another --data-dir");
      return absl::FailedPreconditionError(wrong_count);
    }
  }
  return absl::OkStatus();
}

}  // namespace ev::central
