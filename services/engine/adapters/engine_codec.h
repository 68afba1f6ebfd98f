#ifndef EV_SERVICES_ENGINE_ADAPTERS_ENGINE_CODEC_H_
#define EV_SERVICES_ENGINE_ADAPTERS_ENGINE_CODEC_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "evcharging/engine/v1/engine_service.pb.h"
#include "services/engine/core/engine.h"

// What the Engine's wire says, as the core's values and back. Decoding errors name the field.
namespace ev::engine {

namespace pb = ::evcharging::engine::v1;

// Everything that one message of the Monitor's stream holds.
struct MonitorMessage {
  MonitorBeat beat;
  std::optional<Configuration> configuration;
  std::vector<Settlement> settlements;
  std::vector<PointRequestAnswer> answers;
};
absl::StatusOr<MonitorMessage> Decode(const pb::AttachUp& message);

absl::StatusOr<PrepareSession> Decode(const pb::PrepareSessionRequest& request);
absl::StatusOr<CancelGrant> Decode(const pb::CancelGrantRequest& request);
absl::StatusOr<StopSession> Decode(const pb::StopSessionRequest& request);
absl::StatusOr<PointRequest> Decode(const pb::RequestSessionRequest& request);

evcharging::common::v1::PrepareSessionResult EncodePrepared(const CommandAnswer& answer);
// What was so before the cancel tells a grant that was never seen from one that is known no more; `was_released`: by
// it.
evcharging::common::v1::CancelGrantResult EncodeCancelled(const CommandAnswer& answer, GrantNumber mark_before,
                                                          bool was_released);
evcharging::common::v1::StopSessionResult EncodeStopped(const CommandAnswer& answer);

pb::EngineStatus Encode(const Status& status, const std::string& kafka_fault);

// The error of a request that was denied, as StartSession at Central gives it.
absl::Status DenialError(DenialReason reason, const std::string& text, const CpId& cp);

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_ENGINE_CODEC_H_
