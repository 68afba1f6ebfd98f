#ifndef EV_SERVICES_ENGINE_ADAPTERS_BACKBONE_H_
#define EV_SERVICES_ENGINE_ADAPTERS_BACKBONE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "events/topics.h"
#include "journal/fact_log.h"
#include "kafka/kafka_config.h"
#include "kafka/producer.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/engine/adapters/fact_pump.h"

namespace ev::engine {

struct BackboneConfig {
  kafka::KafkaConfig kafka;
  PumpOptions pump{.data_topic = Topics().session_data.name, .complete_topic = Topics().session_complete.name};
};

// The Engine's connection to Kafka: the producer and what feeds it from the log. The broker may be absent at any time:
// the readiness condition `kafka` then says degraded with the reason, and facts wait in the log. Thread-safe.
class Backbone {
 public:
  // InvalidArgument names the option that librdkafka rejects. All must outlive the backbone.
  static absl::StatusOr<std::unique_ptr<Backbone>> Create(BackboneConfig config, journal::FactLog& log,
                                                          metrics::Registry& registry, metrics::Readiness& readiness);
  ~Backbone();

  void Wake() { pump_->Wake(); }
  void ProduceAgain() { pump_->ProduceAgain(); }
  // Why the brokers are not reached; empty when they are.
  std::string Fault() const;

  // Waits until the broker has everything that the log holds, also for a broker that is away; DeadlineExceeded says how
  // many facts it does not have.
  absl::Status Drain(absl::Duration limit) { return pump_->Drain(limit); }

 private:
  Backbone() = default;

  std::unique_ptr<kafka::Producer> producer_;
  std::unique_ptr<FactPump> pump_;
  metrics::Registry::Token collect_;
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_BACKBONE_H_
