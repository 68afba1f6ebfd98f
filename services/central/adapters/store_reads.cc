#include "services/central/adapters/store_reads.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "services/central/adapters/codec.h"
#include "wire/common_codec.h"

namespace ev::central {

absl::StatusOr<evcharging::central::v1::Session> WithTickets(store::Store& store, const Session& session,
                                                             PointState point) {
  evcharging::central::v1::Session proto = ToProto(session, point);
  if (session.state != SessionState::kCompleted) return proto;
  const auto ticket = store.FindTicket(session.id.value());
  if (!ticket.ok()) {
    if (absl::IsNotFound(ticket.status())) return proto;
    return ticket.status();
  }
  *proto.mutable_ticket() = wire::ToProto(*ticket);
  return proto;
}

absl::StatusOr<Session> FindSession(store::Store& store, const SessionId& id) {
  auto session = store.FindSession(id);
  if (absl::IsNotFound(session.status())) {
    return WithReason(absl::NotFoundError(absl::StrCat("no session ", id.value())), "SESSION_UNKNOWN");
  }
  return session;
}

}  // namespace ev::central
