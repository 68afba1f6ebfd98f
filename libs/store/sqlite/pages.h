#ifndef EV_STORE_SQLITE_PAGES_H_
#define EV_STORE_SQLITE_PAGES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace ev::store::sqlite {

// Store::ListSessions() and Store::ListTickets(), of the store with this id.
absl::StatusOr<Page<Session>> ReadSessions(Connection& db, absl::string_view store_id, const SessionFilter& filter);
absl::StatusOr<Page<Ticket>> ReadTickets(Connection& db, absl::string_view store_id, const TicketFilter& filter);

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_PAGES_H_
