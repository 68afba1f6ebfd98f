#ifndef EV_KAFKA_REACHABILITY_H_
#define EV_KAFKA_REACHABILITY_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "events/backbone_health.h"

namespace ev::kafka {

// Turns answers and silences of the brokers into a health, and says each change once. No I/O; one thread.
class Reachability {
 public:
  // `client` ("producer") and `brokers` appear in the line "Kafka <client> cannot reach <brokers>: <reason>";
  // `connected_line` is said at the first answer and at the first after an outage.
  Reachability(std::string client, std::string brokers, std::string connected_line);

  // A broker answered. Returns what to say, if anything.
  std::optional<std::string> OnAnswer(absl::string_view cluster_id, absl::Time now);
  // No broker answered in time. A different reason while still unreachable is kept but not said.
  std::optional<std::string> OnSilence(absl::string_view reason, absl::Time now);

  const BackboneHealth& health() const { return health_; }

 private:
  const std::string client_;
  const std::string brokers_;
  const std::string connected_line_;
  BackboneHealth health_;
  bool is_outage_said_ = false;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_REACHABILITY_H_
