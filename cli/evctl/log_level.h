#ifndef EV_CLI_EVCTL_LOG_LEVEL_H_
#define EV_CLI_EVCTL_LOG_LEVEL_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace ev::evctl {

struct LogLevelOptions {
  std::string address;  // Of any of the four services.
  absl::Duration limit;
  std::string level;     // Empty: only show it.
  std::string duration;  // Of the level; empty: for good.
};

// Sets the log level of a running service, and prints what is set. InvalidArgument: it is not clear what is wanted.
absl::Status LogLevel(const LogLevelOptions& options, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_LOG_LEVEL_H_
