#ifndef EV_CLI_EVCTL_GET_H_
#define EV_CLI_EVCTL_GET_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/evctl/central.h"
#include "cli/evctl/table.h"

namespace ev::evctl {

struct GetOptions {
  std::string what;  // points, sessions, tickets, gaps
  Output output = Output::kTable;
  bool colored = false;
  // Filters; empty: any. InvalidArgument for one that `what` does not know.
  std::string driver;
  std::string point;
  std::string site;
  std::vector<std::string> states;  // CHARGING, in any case.
  std::string since;                // ParseTime() of both.
  std::string until;
};

// A time as a person gives it: `30m`, `24h`, `7d` before `now`, or `2026-11-01`, `2026-11-01T10:00:00Z` (UTC without
// another zone). InvalidArgument shows these.
absl::StatusOr<absl::Time> ParseTime(absl::string_view text, absl::Time now);

// Prints what Central knows, all pages: JSON as one object a line, page by page; tables and CSV at the end.
absl::Status Get(const Central& central, const GetOptions& options, std::ostream& out);

// point ID, session ID or ticket ID in full.
absl::Status Describe(const Central& central, absl::string_view what, const std::string& id, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_GET_H_
