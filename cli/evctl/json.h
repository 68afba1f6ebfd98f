#ifndef EV_CLI_EVCTL_JSON_H_
#define EV_CLI_EVCTL_JSON_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace google::protobuf {
class Message;
}

namespace ev::evctl {

// Every field under its name in the proto, 64-bit numbers as text (Protobuf's JSON), on one line. Internal: it holds
// what JSON cannot, such as a time before the year 1.
absl::StatusOr<std::string> JsonText(const google::protobuf::Message& message);

// The same as a line that can be shown.
absl::Status PrintJson(const google::protobuf::Message& message, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_JSON_H_
