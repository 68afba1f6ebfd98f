#ifndef EV_CLI_EVCTL_WATCH_H_
#define EV_CLI_EVCTL_WATCH_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "cli/evctl/central.h"
#include "cli/evctl/table.h"
#include "process/stop_signal.h"

namespace ev::evctl {

struct WatchOptions {
  std::string what;                // points, sessions
  Output output = Output::kTable;  // Or JSON.
  bool colored = false;
};

// What is there now, then each change as a line with its time (UTC), until a stop is asked for. An error when Central
// ends the stream.
absl::Status Watch(const Central& central, const WatchOptions& options, process::StopSignal& stop, std::ostream& out);

// One session, to its end or until a stop is asked for: each change, and the bill. FailedPrecondition: it ended without
// a charge.
absl::Status FollowSession(const Central& central, const std::string& session_id, process::StopSignal& stop,
                           std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_WATCH_H_
