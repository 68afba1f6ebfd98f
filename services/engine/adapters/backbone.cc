#include "services/engine/adapters/backbone.h"

#include <utility>

#include "kafka/log_sink.h"
#include "log/log.h"

namespace ev::engine {
namespace {

constexpr char kCondition[] = "kafka";

}  // namespace

absl::StatusOr<std::unique_ptr<Backbone>> Backbone::Create(BackboneConfig config, journal::FactLog& log,
                                                           metrics::Registry& registry, metrics::Readiness& readiness) {
  kafka::ProducerConfig producer_config;
  producer_config.kafka = config.kafka;
  producer_config.topics = {config.pump.data_topic, config.pump.complete_topic};
  readiness.SetDegraded(kCondition, "connecting to " + config.kafka.brokers);
  auto producer =
      kafka::Producer::Create(std::move(producer_config), kafka::ToLog, [&readiness](const BackboneHealth& health) {
        if (health.connected) {
          readiness.SetReady(kCondition);
        } else {
          readiness.SetDegraded(kCondition, health.degraded_reason);
        }
      });
  if (!producer.ok()) return producer.status();
  std::unique_ptr<Backbone> backbone(new Backbone);
  backbone->producer_ = *std::move(producer);
  backbone->pump_ = std::make_unique<FactPump>(std::move(config.pump), log, *backbone->producer_, registry);
  const metrics::Gauge connected = registry.AddGauge("ev_kafka_connected", "1 while a broker answers.");
  backbone->collect_ = registry.OnCollect([connected, producer_ptr = backbone->producer_.get()] {
    connected.Set(producer_ptr->Health().connected ? 1 : 0);
  });
  return backbone;
}

Backbone::~Backbone() {
  collect_.reset();
  pump_.reset();
}

std::string Backbone::Fault() const {
  const BackboneHealth health = producer_->Health();
  return health.connected ? "" : health.degraded_reason;
}

}  // namespace ev::engine
