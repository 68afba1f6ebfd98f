#ifndef EV_CLI_EVCTL_TAIL_H_
#define EV_CLI_EVCTL_TAIL_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kafka/kafka_config.h"
#include "process/stop_signal.h"

namespace ev::evctl {

enum class TailFormat {
  kJson,      // The message as it is, beside where it stood.
  kAncestor,  // The ancestor's field names: see AncestorJson().
};

struct TailOptions {
  kafka::KafkaConfig kafka;
  std::string topic;
  TailFormat format = TailFormat::kJson;
  absl::Duration connect_limit = absl::Seconds(10);
};

// Prints a topic of EVCharge as JSON, one object a line: the decoded message under `value`, or `undecodable` with the
// body in hexadecimal, beside `topic`, `partition`, `offset`, `key` and `headers`. In the ancestor's format the decoded
// message is the whole line, and one that cannot be decoded has `type` "undecodable" first. Returns Unavailable when no
// broker answers within the limit, NotFound for a topic that is not there.
//
// Ends at what the log holds when it starts; with `stop`, goes on with what comes until a stop is asked for or nobody
// reads `out` any more.
absl::Status Tail(const TailOptions& options, process::StopSignal* stop, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_TAIL_H_
