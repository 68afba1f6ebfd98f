#ifndef EV_SERVICES_CENTRAL_ADAPTERS_REQUEST_FIELDS_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_REQUEST_FIELDS_H_

// What comes from outside, one field at a time. Every error is InvalidArgument and names the field by the path given.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "domain/charging_point.h"
#include "domain/ids.h"
#include "domain/money.h"
#include "domain/session.h"

namespace google::protobuf {
class Duration;
class Timestamp;
}  // namespace google::protobuf
namespace evcharging::common::v1 {
class Price;
class Target;
}  // namespace evcharging::common::v1

namespace ev::central {

inline constexpr std::size_t kMaxLocationBytes = 200;
inline constexpr std::size_t kMaxSiteBytes = 64;
inline constexpr std::size_t kMaxReasonBytes = 200;
inline constexpr std::size_t kMaxRequestedByBytes = 64;
inline constexpr int kDefaultPageSize = 100;
inline constexpr int kMaxPageSize = 1000;

absl::StatusOr<CpId> ReadCpId(absl::string_view field, absl::string_view text);
absl::StatusOr<DriverId> ReadDriverId(absl::string_view field, absl::string_view text);
absl::StatusOr<SessionId> ReadSessionId(absl::string_view field, absl::string_view text);
// Of a filter: an empty text stays an empty id.
absl::StatusOr<CpId> ReadCpFilter(absl::string_view field, absl::string_view text);
absl::StatusOr<DriverId> ReadDriverFilter(absl::string_view field, absl::string_view text);
absl::StatusOr<SessionId> ReadSessionFilter(absl::string_view field, absl::string_view text);

// At most `max_bytes`, without control characters. May be empty.
absl::Status CheckText(absl::string_view field, absl::string_view text, std::size_t max_bytes);
// Text of a peer that is shown to people only: control characters become spaces, what is beyond `max_bytes` is cut.
std::string CleanText(absl::string_view text, std::size_t max_bytes);

// 0 means kDefaultPageSize.
absl::StatusOr<int> ReadPageSize(int page_size);
absl::StatusOr<Price> ReadPrice(absl::string_view field, const evcharging::common::v1::Price& price);
absl::StatusOr<Target> ReadTarget(absl::string_view field, const evcharging::common::v1::Target& target);
absl::StatusOr<absl::Time> ReadTime(absl::string_view field, const google::protobuf::Timestamp& time);
// Not negative.
absl::StatusOr<absl::Duration> ReadWait(absl::string_view field, const google::protobuf::Duration& wait);
// UNSPECIFIED is the operator.
absl::StatusOr<Cause> ReadCause(absl::string_view field, int cause);
absl::StatusOr<PointState> ReadPointState(absl::string_view field, int state);
absl::StatusOr<SessionState> ReadSessionState(absl::string_view field, int state);

// The key under which a request is remembered: two requests have the same only when all parts are the same. Empty when
// `request_id` is: such a request is not remembered.
std::string RequestKey(absl::string_view caller, absl::string_view method, absl::string_view scope,
                       absl::string_view request_id);
// What a request says beside its key: equal only when all parts are.
std::string Fingerprint(absl::Span<const absl::string_view> parts);
std::string Fingerprint(const Target& target);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_REQUEST_FIELDS_H_
