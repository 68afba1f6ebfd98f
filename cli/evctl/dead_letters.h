#ifndef EV_CLI_EVCTL_DEAD_LETTERS_H_
#define EV_CLI_EVCTL_DEAD_LETTERS_H_

#include <iosfwd>

#include "absl/status/status.h"
#include "cli/evctl/read_log.h"
#include "cli/evctl/replay.h"
#include "cli/evctl/table.h"

namespace ev::evctl {

// What Central has put aside, oldest first, with why and where it stood; as a table the newest 10,000, as CSV
// all. `options.topic` is the dead letters'. Errors: see ReadLog().
absl::Status ListDeadLetters(const ReadLogOptions& options, Output output, bool colored, std::ostream& out);

// The one at `place`, with its headers and its body as JSON, or in hexadecimal. NotFound: the log does not hold it.
absl::Status ShowDeadLetter(const ReadLogOptions& options, const Place& place, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_DEAD_LETTERS_H_
