#ifndef EV_CLI_EVCTL_JSON_H_
#define EV_CLI_EVCTL_JSON_H_

#include <iosfwd>

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
}

namespace ev::evctl {

// One line: every field under its name in the proto, 64-bit numbers as text (Protobuf's JSON). Internal: it holds what
// JSON cannot.
absl::Status PrintJson(const google::protobuf::Message& message, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_JSON_H_
