#ifndef EV_KAFKA_KAFKA_CONFIG_H_
#define EV_KAFKA_KAFKA_CONFIG_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ev::kafka {

// One librdkafka setting by its own name: {"sasl.mechanism", "PLAIN"}.
using Setting = std::pair<std::string, std::string>;

// How to reach the cluster.
struct KafkaConfig {
  std::string brokers = "localhost:9092";  // host:port, comma-separated.
  std::string client_id = "evcharge";      // Shown in the broker's logs and quotas; under 50 characters.
  std::vector<Setting> extra;              // Passed to librdkafka over our own settings.
};

// Checks what can be checked without a broker. InvalidArgument begins with the option as all programs call it
// (--kafka-brokers, --kafka-config): an empty or malformed address, a client id that is too long, a setting that
// librdkafka does not know or whose value it refuses, or one that this library must decide itself because a promise
// hangs on it (idempotence, acknowledgements, partitioner, offsets).
absl::Status ValidateKafkaConfig(const KafkaConfig& config);

// Whether `brokers` are addresses, host:port, separated by commas. InvalidArgument says what is wrong.
absl::Status CheckBrokers(absl::string_view brokers);

// `key=value` as typed on a command line. InvalidArgument without a `=` or with an empty key.
absl::StatusOr<Setting> ParseSetting(absl::string_view text);

}  // namespace ev::kafka

#endif  // EV_KAFKA_KAFKA_CONFIG_H_
