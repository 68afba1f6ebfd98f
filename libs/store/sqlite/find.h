#ifndef EV_STORE_SQLITE_FIND_H_
#define EV_STORE_SQLITE_FIND_H_

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/rows.h"

namespace ev::store::sqlite {

// The record that `sql` (made by SelectSql) finds. NotFound names `what`.
template <typename Record, typename Key>
absl::StatusOr<Record> FindOne(Connection& db, absl::string_view sql, const Key& key, absl::string_view what) {
  std::optional<Record> found;
  const absl::Status status = db.ForEach(
      sql, [&](Row& row) { found = ReadRecord<Record>(row); }, key);
  if (!status.ok()) return status;
  if (!found.has_value()) return absl::NotFoundError(absl::StrCat("no such ", what));
  return *std::move(found);
}

// All that it finds, in its order.
template <typename Record, typename... Args>
absl::StatusOr<std::vector<Record>> FindAll(Connection& db, absl::string_view sql, const Args&... args) {
  std::vector<Record> found;
  const absl::Status status = db.ForEach(
      sql, [&](Row& row) { found.push_back(ReadRecord<Record>(row)); }, args...);
  if (!status.ok()) return status;
  return found;
}

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_FIND_H_
