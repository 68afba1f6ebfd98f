#ifndef EV_CLI_EVCTL_DOCTOR_H_
#define EV_CLI_EVCTL_DOCTOR_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/evctl/central.h"
#include "cli/evctl/contexts.h"
#include "kafka/kafka_config.h"

namespace evcharging::central::v1 {
class ServerInfo;
}  // namespace evcharging::central::v1

namespace ev::evctl {

enum class Verdict { kOk, kWarning, kFailed };

// What was looked at, how it is, and what to do if it is not well.
struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string part;
  std::string text;
  std::string next_step;
};

// What Central says of itself.
std::vector<Finding> Examine(const evcharging::central::v1::ServerInfo& info);

// Reaches Central and the brokers and prints what is wrong and what to do, one line each; `colored` for a terminal.
// FailedPrecondition when a part has failed; a warning is none.
absl::Status Doctor(const Central& central, const kafka::KafkaConfig& kafka, const ChosenContext& context, bool colored,
                    std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_DOCTOR_H_
