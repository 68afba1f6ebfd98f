#ifndef EV_BASE_ERROR_DETAIL_H_
#define EV_BASE_ERROR_DETAIL_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ev {

struct FieldViolation {
  std::string field;  // Path in the request: `target.energy_mwh`.
  std::string description;

  friend bool operator==(const FieldViolation&, const FieldViolation&) = default;
};

// What a program needs to know about an error beside its code and its text for people. Travels inside an absl::Status;
// ev::rpc turns it into google.rpc.ErrorInfo, BadRequest and RetryInfo on the wire and back.
struct ErrorDetail {
  std::string reason;                           // UPPER_SNAKE, stable: `CP_BUSY`. Empty: none was given.
  std::map<std::string, std::string> metadata;  // The values in the message, for programs.
  std::vector<FieldViolation> fields;
  std::optional<absl::Duration> retry_after;

  friend bool operator==(const ErrorDetail&, const ErrorDetail&) = default;
};

// `status` with `detail` in place of the one it carried. An OK status carries none.
absl::Status WithDetail(absl::Status status, const ErrorDetail& detail);

// Empty when `status` carries none.
ErrorDetail DetailOf(const absl::Status& status);

// These keep the rest of the detail that `status` carries.
absl::Status WithReason(absl::Status status, absl::string_view reason);
absl::Status WithRetryAfter(absl::Status status, absl::Duration wait);

// InvalidArgument with reason INVALID_FIELD for one field of a request; the text is `field: description`.
absl::Status FieldError(absl::string_view field, absl::string_view description);

}  // namespace ev

#endif  // EV_BASE_ERROR_DETAIL_H_
