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

// Prints what Central knows as JSON, one object a line, all pages. Returns InvalidArgument for what Central has not,
// and what the call returned; when Central cannot be reached, within `limit` for each page, with what to do about it.
absl::Status Get(const GetOptions& options, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_GET_H_
