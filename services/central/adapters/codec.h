#ifndef EV_SERVICES_CENTRAL_ADAPTERS_CODEC_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_CODEC_H_

// Between Central's core and the messages of its gRPC surface. What is shared with Engine and Monitor goes out by
// wire/common_codec.h; what comes in is checked here more closely, because it comes from outside.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "domain/link.h"
#include "domain/session.h"
#include "evcharging/central/v1/charging_point.pb.h"
#include "evcharging/central/v1/link_service.pb.h"
#include "evcharging/central/v1/session.pb.h"
#include "services/central/core/effects.h"

namespace ev::central {

// --- to the wire -----------------------------------------------------------------------------------------------------

evcharging::central::v1::ChargingPoint ToProto(const PointView& view);
// Without ticket, adjustment and notice.
evcharging::central::v1::Session ToProto(const Session& session);

// The message that carries `body` down a link.
evcharging::central::v1::LinkDown ToProto(const LinkBody& body);

// Why a call was not done, with ErrorInfo.
absl::Status ToStatus(const Failure& failure);

// --- from a Monitor --------------------------------------------------------------------------------------------------
// InvalidArgument names the field. Texts for people are cleaned and cut, not refused: a link must not break over one.

struct MonitorHello {
  CpId cp;
  std::string location;
  std::string site;
  std::string monitor_version;
  std::optional<EngineReport> report;
  LinkEpoch highest_epoch;  // That the Engine has seen.
};
absl::StatusOr<MonitorHello> FromProto(const evcharging::central::v1::Hello& hello);

// The Monitor's own judgement counts: SILENT stays SILENT, whatever the Engine said last.
struct MonitorBeat {
  EngineHealth health = EngineHealth::kUnknown;
  std::string fault;
  std::optional<EngineReport> report;  // With the health and the fault above. Unset: none since the last beat.
};
absl::StatusOr<MonitorBeat> FromProto(const evcharging::central::v1::Beat& beat);

absl::StatusOr<CommandAnswer> FromProto(const evcharging::central::v1::CommandAnswer& answer);
absl::StatusOr<PointRequest> FromProto(const evcharging::common::v1::SessionRequest& request);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_CODEC_H_
