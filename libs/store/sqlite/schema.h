#ifndef EV_STORE_SQLITE_SCHEMA_H_
#define EV_STORE_SQLITE_SCHEMA_H_

#include <cstdint>

#include "absl/status/status.h"
#include "store/sqlite/connection.h"

namespace ev::store::sqlite {

// Marks the file as ours (PRAGMA application_id): "EVC1".
inline constexpr std::int32_t kApplicationId = 0x45564331;

// The version that this program writes (PRAGMA user_version).
int SchemaVersion();

// Brings a file of ours from its version to SchemaVersion(), one transaction a step: what a crash interrupts is done at
// the next start. Internal when a step fails.
absl::Status Migrate(Connection& db, int from);

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_SCHEMA_H_
