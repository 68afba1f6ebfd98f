#ifndef EV_CLI_EVCTL_TAIL_H_
#define EV_CLI_EVCTL_TAIL_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "cli/evctl/read_log.h"
#include "process/stop_signal.h"

namespace ev::evctl {

enum class TailFormat {
  kJson,      // The message as it is, beside where it stood.
  kAncestor,  // The ancestor's field names: see AncestorJson().
};

struct TailOptions {
  ReadLogOptions log;
  TailFormat format = TailFormat::kJson;
  // Filters; empty: any. With one, what cannot be decoded is left out.
  std::string point;
  std::string session;
};

// Prints a topic of EVCharge as JSON, one object a line: the decoded message under `value`, or `undecodable` with the
// body in hexadecimal, beside `topic`, `partition`, `offset`, `key` and `headers`. In the ancestor's format the decoded
// message is the whole line, and one that cannot be decoded has `type` "undecodable" first. Otherwise as ReadLog().
absl::Status Tail(const TailOptions& options, process::StopSignal* stop, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_TAIL_H_
