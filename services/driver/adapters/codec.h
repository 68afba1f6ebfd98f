#ifndef EV_SERVICES_DRIVER_ADAPTERS_CODEC_H_
#define EV_SERVICES_DRIVER_ADAPTERS_CODEC_H_

#include <optional>

#include "absl/status/statusor.h"
#include "evcharging/central/v1/session.pb.h"
#include "evcharging/common/v1/denial.pb.h"
#include "evcharging/common/v1/ticket.pb.h"
#include "evcharging/driver/v1/driver_service.pb.h"
#include "evcharging/events/v1/status.pb.h"
#include "services/driver/core/charge.h"
#include "services/driver/core/effects.h"

// The wire's messages to the core's types and back.
namespace ev::driver {

// InvalidArgument when Central's message is none that it may send: a bad id, no state.
absl::StatusOr<Charge> FromProto(const evcharging::central::v1::Session& proto);
evcharging::central::v1::Session ToProto(const Charge& charge);

// What the event log tells of a session: see Drivers::OnNews(). Nullopt for a denial that made none.
absl::StatusOr<std::optional<Charge>> FromProto(const evcharging::events::v1::StatusUpdate& proto);

Ticket FromProto(const evcharging::common::v1::Ticket& proto);

evcharging::common::v1::Denial ToProto(const Denial& denial);

evcharging::driver::v1::RunProgress ToProto(const ListProgress& progress);
// Nullopt for a step that the wire does not tell.
std::optional<evcharging::driver::v1::RunRequestsResponse> ToProto(const ListStep& step);
evcharging::driver::v1::DriverEvent ToProto(const Told& told);

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_CODEC_H_
