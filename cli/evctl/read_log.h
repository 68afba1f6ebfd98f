#ifndef EV_CLI_EVCTL_READ_LOG_H_
#define EV_CLI_EVCTL_READ_LOG_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "events/subscriber.h"
#include "kafka/kafka_config.h"
#include "process/stop_signal.h"

namespace ev::evctl {

struct ReadLogOptions {
  kafka::KafkaConfig kafka;
  std::string topic;
  absl::Duration connect_limit = absl::Seconds(10);
};

// Gets a message and the partition that it stands in; false: nobody wants more. Called by the consumer's thread.
using OnMessage = std::function<bool(absl::string_view topic, std::int32_t partition, const IncomingMessage& message)>;

// Reads a topic from its start. Ends at what the log holds now; with `stop`, goes on with what comes until a stop is
// asked for. Either way it ends when nobody wants more. Unavailable when no broker answers within the limit, NotFound
// for a topic that is not there, DeadlineExceeded when the log's end was not reached in 60 s; each says what to do.
absl::Status ReadLog(const ReadLogOptions& options, process::StopSignal* stop, const OnMessage& on_message);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_READ_LOG_H_
