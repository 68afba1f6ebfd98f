#ifndef EV_STORE_SQLITE_BATCH_H_
#define EV_STORE_SQLITE_BATCH_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace ev::store::sqlite {

// Writes one shard's batch within the transaction that is open. Aborted (fenced) and InvalidArgument (a ticket with
// other figures) refuse it: the caller rolls its rows back; any other error is the medium's.
absl::Status ApplyBatch(Connection& db, const ShardBatch& batch);

// Headers in one column: each name and each value as its length (4 bytes, little-endian) and its bytes.
std::string PackHeaders(const std::vector<std::pair<std::string, std::string>>& headers);
// Empty when the bytes are damaged.
std::optional<std::vector<std::pair<std::string, std::string>>> UnpackHeaders(absl::string_view packed);

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_BATCH_H_
