#ifndef EV_EVCTL_TAIL_H_
#define EV_EVCTL_TAIL_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kafka/kafka_config.h"

namespace ev::evctl {

struct TailOptions {
  kafka::KafkaConfig kafka;
  std::string topic;
  bool follow = false;  // Off: ends at what the log holds when it starts.
  absl::Duration connect_limit = absl::Seconds(10);
};

// Prints a topic of EVCharge as JSON, one object a line: the decoded message under `value`, or `undecodable` with the
// body in hexadecimal, beside `topic`, `partition`, `offset`, `key` and `headers`. Returns Unavailable when no broker
// answers within the limit, NotFound for a topic that is not there.
absl::Status Tail(const TailOptions& options, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_EVCTL_TAIL_H_
