#ifndef EV_SERVICES_MONITOR_ADAPTERS_MONITOR_CODEC_H_
#define EV_SERVICES_MONITOR_ADAPTERS_MONITOR_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "evcharging/central/v1/link_service.pb.h"
#include "evcharging/engine/v1/engine_service.pb.h"
#include "evcharging/monitor/v1/monitor_service.pb.h"
#include "services/monitor/core/effects.h"
#include "services/monitor/core/monitor.h"

// What Central's and the Engine's wires say, as the core's values and back.
namespace ev::monitor {

// Without the id: the link's ids are texts, the core's are numbers.
absl::StatusOr<Command> Decode(const evcharging::central::v1::Command& command);

evcharging::engine::v1::PrepareSessionRequest Encode(const PrepareSession& command, const Forward& forward);
evcharging::engine::v1::CancelGrantRequest Encode(const CancelGrant& command, const Forward& forward);
evcharging::engine::v1::StopSessionRequest Encode(const StopSession& command, const Forward& forward);

// What the Engine answered: the message for Central, unchanged, and what the core needs of it.
struct Answered {
  evcharging::central::v1::CommandAnswer message;
  CommandAnswer answer;
};
Answered Decode(const evcharging::common::v1::PrepareSessionResult& result);
Answered Decode(const evcharging::common::v1::CancelGrantResult& result);
Answered Decode(const evcharging::common::v1::StopSessionResult& result);
// For a command that the Engine did not answer.
evcharging::central::v1::CommandAnswer EncodeUndelivered(const SendAnswer& send);

evcharging::engine::v1::AttachUp Encode(const SendAttach& send, const CpId& cp);

// `engine_status` is what the Engine said last; null: nothing yet.
evcharging::monitor::v1::MonitorStatus Encode(const MonitorStatus& status, const CpId& cp,
                                              const std::string& central_address, const std::string& engine_address,
                                              const evcharging::engine::v1::EngineStatus* engine_status);

}  // namespace ev::monitor

#endif  // EV_SERVICES_MONITOR_ADAPTERS_MONITOR_CODEC_H_
