#ifndef EV_CLI_EVCTL_TOP_H_
#define EV_CLI_EVCTL_TOP_H_

#include <iosfwd>

#include "absl/status/status.h"
#include "cli/evctl/central.h"
#include "cli/evctl/table.h"
#include "process/stop_signal.h"

namespace ev::evctl {

struct TopOptions {
  Output output = Output::kTable;
  bool once = false;
};

// Whether Top() stays: not asked for one snapshot, and a person's terminal to show it.
bool IsLive(const TopOptions& options);

// The network, live on the terminal until a person leaves or `stop` is asked for; the terminal is as it was afterwards,
// however it ends. While Central is away what was known stays, and the first line says so. Otherwise (see IsLive) one
// snapshot on `out`, `colored` for a terminal. An error when there is no answer at first.
absl::Status Top(const Central& central, const TopOptions& options, process::StopSignal* stop, bool colored,
                 std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_TOP_H_
