#ifndef EV_STORE_SQLITE_INTEGRITY_H_
#define EV_STORE_SQLITE_INTEGRITY_H_

#include "absl/status/status.h"
#include "store/sqlite/connection.h"

namespace ev::store::sqlite {

// Reads the whole file in one snapshot: its structure, whether rows contradict each other, and whether every bill adds
// up. DataLoss lists what is wrong.
absl::Status CheckBooks(Connection& db);

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_INTEGRITY_H_
