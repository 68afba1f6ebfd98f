#ifndef EV_SERVICES_DRIVER_ADAPTERS_BACKBONE_H_
#define EV_SERVICES_DRIVER_ADAPTERS_BACKBONE_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "kafka/admin.h"
#include "kafka/consumer.h"
#include "kafka/kafka_config.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "services/driver/adapters/status_news.h"

namespace ev::driver {

struct BackboneConfig {
  kafka::KafkaConfig kafka;
  std::string topic = "charging_status_updates";
  std::string group_id;  // driver_<id>_consumer_group
  kafka::StallConfig stall;
};

// A driver's connection to Kafka: follows the status updates from the group's marks on, or from the log's end without
// any. Broker and topic may be absent at any time: the readiness condition kCondition then says degraded with the
// reason, and reading begins by itself when they are there. Reading that stands still although the broker answers makes
// kConsumerCondition degraded, and ev_kafka_consumer_stalled 1.
//
// Owns a thread that waits for the topic. The destructor stops reading.
class Backbone {
 public:
  static constexpr char kCondition[] = "kafka";
  static constexpr char kConsumerCondition[] = "kafka_consumer";

  // InvalidArgument names the option that is wrong. `on_charge` comes from a thread of the consumer. `registry` and
  // `readiness` must outlive the backbone.
  static absl::StatusOr<std::unique_ptr<Backbone>> Create(const BackboneConfig& config,
                                                          std::function<void(Charge)> on_charge,
                                                          metrics::Registry& registry, metrics::Readiness& readiness);
  ~Backbone();

 private:
  explicit Backbone(BackboneConfig config) : config_(std::move(config)) {}

  void Begin(const std::stop_token& stop);
  absl::Status TryBegin();

  const BackboneConfig config_;
  std::unique_ptr<kafka::Admin> admin_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::unique_ptr<StatusNews> news_;
  std::jthread starter_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_BACKBONE_H_
