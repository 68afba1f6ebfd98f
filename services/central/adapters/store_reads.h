#ifndef EV_SERVICES_CENTRAL_ADAPTERS_STORE_READS_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_STORE_READS_H_

#include "absl/status/statusor.h"
#include "evcharging/central/v1/session.pb.h"
#include "store/store.h"

namespace ev::central {

// The session as callers see it, with its ticket and the ticket's adjustment when there are some. `point` is what its
// charging point shows.
absl::StatusOr<evcharging::central::v1::Session> WithTickets(store::Store& store, const Session& session,
                                                             PointState point);

// NotFound with the reason SESSION_UNKNOWN. What is not in the store yet nobody outside knows of.
absl::StatusOr<Session> FindSession(store::Store& store, const SessionId& id);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_STORE_READS_H_
