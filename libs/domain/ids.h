#ifndef EV_DOMAIN_IDS_H_
#define EV_DOMAIN_IDS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/strong_id.h"

namespace ev {

using CpId = StrongId<struct CpIdTag>;            // A charging point.
using DriverId = StrongId<struct DriverIdTag>;    // A driver.
using SessionId = StrongId<struct SessionIdTag>;  // A session: 32 lower-case hexadecimal digits, random.

using LinkEpoch = StrongNumber<struct LinkEpochTag>;      // Per charging point, given by Central to each new link.
using GrantNumber = StrongNumber<struct GrantNumberTag>;  // Per charging point, given by Central to each session.
// Of both: the highest on any wire, exact as a JSON number too. They go up by one at a time; what somebody reports
// raises Central's own to half of it at most, so that its own always fit.
inline constexpr std::int64_t kMaxCounter = std::int64_t{1} << 53;

// 1 to 64 characters out of A-Z a-z 0-9 and . _ : - (so an id is safe in a path, a log line, a Kafka key and a label),
// beginning with a letter or a digit. InvalidArgument names the offending character or the length.
absl::StatusOr<CpId> ParseCpId(absl::string_view text);
absl::StatusOr<DriverId> ParseDriverId(absl::string_view text);
// Exactly 32 lower-case hexadecimal digits, else InvalidArgument.
absl::StatusOr<SessionId> ParseSessionId(absl::string_view text);

// What a repeat of a request is recognised by: at most `max_length` printable ASCII characters without blanks. Empty is
// right: then it is recognised by nothing. InvalidArgument names `field`, and the offending byte or the length.
inline constexpr std::size_t kMaxRequestIdLength = 64;
absl::Status CheckRequestId(absl::string_view field, absl::string_view text,
                            std::size_t max_length = kMaxRequestIdLength);

}  // namespace ev

#endif  // EV_DOMAIN_IDS_H_
