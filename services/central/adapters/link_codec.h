#ifndef EV_SERVICES_CENTRAL_ADAPTERS_LINK_CODEC_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_LINK_CODEC_H_

// Between Central's core and a Monitor's link. What goes down is common to Engine and Monitor (wire/common_codec.h);
// what comes up is checked here more closely, because it comes from outside.

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "domain/link.h"
#include "evcharging/central/v1/link_service.pb.h"
#include "services/central/core/effects.h"

namespace ev::central {

// The message that carries `body` down a link.
evcharging::central::v1::LinkDown ToProto(const LinkBody& body);

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

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_LINK_CODEC_H_
