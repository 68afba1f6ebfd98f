#ifndef EV_CLI_EVCTL_GET_H_
#define EV_CLI_EVCTL_GET_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace ev::evctl {

struct GetOptions {
  std::string central = "localhost:50051";
  std::string what;  // points, sessions, tickets
  absl::Duration limit = absl::Seconds(10);
};

// Prints what Central knows as JSON, one object a line, all pages. Returns what the call returned.
absl::Status Get(const GetOptions& options, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_GET_H_
