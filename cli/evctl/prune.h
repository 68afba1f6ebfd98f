#ifndef EV_CLI_EVCTL_PRUNE_H_
#define EV_CLI_EVCTL_PRUNE_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "cli/evctl/central.h"

namespace ev::evctl {

struct PruneOptions {
  std::string before;     // As --since of evctl get: 90d, 2026-01-01.
  bool is_meant = false;  // Else it only says what would go.
  std::string requested_by;
};

// Removes from Central's store what bills nothing, piece by piece, and prints how much. InvalidArgument: how old is not
// clear, or not old enough.
absl::Status Prune(const Central& central, const PruneOptions& options, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_PRUNE_H_
