#ifndef EV_SERVICES_DRIVER_CORE_REQUEST_FILE_H_
#define EV_SERVICES_DRIVER_CORE_REQUEST_FILE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "domain/ids.h"

namespace ev::driver {

inline constexpr int kMaxRequests = 1000;

// A file of requests: one charging point a line, in order, repeats allowed. Blank lines and what follows a `#` are
// skipped. InvalidArgument names the first bad line as `name:line`; a file without requests or with more than
// kMaxRequests is refused too.
absl::StatusOr<std::vector<CpId>> ParseRequestFile(absl::string_view name, absl::string_view text);

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_CORE_REQUEST_FILE_H_
