#ifndef EV_WIRE_COMMON_CODEC_H_
#define EV_WIRE_COMMON_CODEC_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "domain/link.h"
#include "domain/session.h"
#include "evcharging/common/v1/engine_report.pb.h"
#include "evcharging/common/v1/grant.pb.h"
#include "evcharging/common/v1/link.pb.h"
#include "evcharging/common/v1/ticket.pb.h"

// The shared messages as domain values and back. Decoding checks what would be nonsense in the domain (ids, ranges,
// unknown enum values): InvalidArgument names the field.
namespace ev::wire {

namespace pb = ::evcharging::common::v1;

// INVALID_ARGUMENT, naming the field, unless it is `least` to kMaxCounter.
absl::Status CheckCounter(const char* field, std::int64_t value, std::int64_t least);

google::protobuf::Duration ToProto(absl::Duration duration);
absl::Duration FromProto(const google::protobuf::Duration& duration);
google::protobuf::Timestamp ToProto(absl::Time time);
absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& time);

pb::EngineHealth ToProto(EngineHealth health);
EngineHealth FromProto(pb::EngineHealth health);

pb::Price ToProto(const Price& price);
pb::Target ToProto(const Target& target);  // Not for std::monostate: leave the field away.
absl::StatusOr<Target> FromProto(const pb::Target& target);

pb::Grant ToProto(const Grant& grant);
absl::StatusOr<Grant> FromProto(const pb::Grant& grant);

// A time that did not happen is absent.
pb::Ticket ToProto(const Ticket& ticket);

pb::Denial ToDenial(DenialReason reason, const std::string& text);
DenialReason FromProto(pb::DenialReason reason);

pb::Configuration ToProto(const Configuration& configuration);
absl::StatusOr<Configuration> FromProto(const pb::Configuration& configuration);

pb::Settlement ToProto(const Settlement& settlement);
absl::StatusOr<Settlement> FromProto(const pb::Settlement& settlement);

pb::SessionRequest ToProto(const PointRequest& request);
absl::StatusOr<PointRequest> FromProto(const pb::SessionRequest& request);

pb::SessionRequestAnswer ToProto(const PointRequestAnswer& answer);
absl::StatusOr<PointRequestAnswer> FromProto(const pb::SessionRequestAnswer& answer);

pb::EngineReport ToProto(const EngineReport& report);
absl::StatusOr<EngineReport> FromProto(const pb::EngineReport& report);

}  // namespace ev::wire

#endif  // EV_WIRE_COMMON_CODEC_H_
