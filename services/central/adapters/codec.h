#ifndef EV_SERVICES_CENTRAL_ADAPTERS_CODEC_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_CODEC_H_

// What Central's core knows, as the messages of its gRPC surface. What is common to several programs:
// wire/common_codec.h. The Monitor's link: link_codec.h.

#include "absl/status/status.h"
#include "domain/session.h"
#include "evcharging/central/v1/charging_point.pb.h"
#include "evcharging/central/v1/session.pb.h"
#include "services/central/core/effects.h"

namespace ev::central {

evcharging::central::v1::ChargingPoint ToProto(const PointView& view);
// Of a charging point in that state. Without ticket and adjustment.
evcharging::central::v1::Session ToProto(const Session& session, PointState point);

// Why a call was not done, with ErrorInfo.
absl::Status ToStatus(const Failure& failure);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_CODEC_H_
