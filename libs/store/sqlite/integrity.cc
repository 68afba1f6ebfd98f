#include "store/sqlite/integrity.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "domain/session.h"
#include "store/consistency.h"
#include "store/sqlite/rows.h"

namespace ev::store::sqlite {
namespace {

// Each finds at most one row, and it is wrong. They read what the domain promises: libs/domain/*.h.
struct Contradiction {
  absl::string_view what;
  absl::string_view sql;
};
constexpr Contradiction kContradictions[] = {
    {"a completed session has no ticket",
     "SELECT id FROM session s WHERE state = 6 AND NOT EXISTS "
     "(SELECT 1 FROM ticket t WHERE t.session = s.id AND t.kind = 1) LIMIT 1"},
    {"a ticket does not agree with its session",
     "SELECT t.id FROM ticket t LEFT JOIN session s ON s.id = t.session "
     "WHERE s.id IS NULL OR s.state <> 6 OR s.driver <> t.driver OR s.cp <> t.cp LIMIT 1"},
    {"a session is open at or below its charging point's booked-through number",
     "SELECT s.id FROM session s JOIN charging_point p ON p.id = s.cp "
     "WHERE s.state BETWEEN 1 AND 5 AND s.grant_number <= p.booked_through LIMIT 1"},
    {"a session's shard is not its charging point's",
     "SELECT s.id FROM session s JOIN charging_point p ON p.id = s.cp WHERE s.shard <> p.shard LIMIT 1"},
    {"a row is in no shard",
     "SELECT id FROM (SELECT id, shard FROM charging_point UNION ALL SELECT id, shard FROM session) "
     "WHERE shard NOT IN (SELECT shard FROM shard) LIMIT 1"},
    {"an offset is negative", "SELECT topic FROM offsets WHERE next < 0 LIMIT 1"},
};
static_assert(static_cast<int>(SessionState::kCompleted) == 6 && static_cast<int>(TicketKind::kFinal) == 1);

}  // namespace

absl::Status CheckBooks(Connection& db) {
  std::vector<std::string> found;
  Steps steps(db);
  steps.Run("BEGIN");
  steps.ForEach("PRAGMA integrity_check(10)", [&](Row& row) {
    std::string line = row.Text();
    if (line != "ok") found.push_back(std::move(line));
  });
  if (!steps.ok()) return steps.status();
  // In a damaged file they would find what is not there.
  if (!found.empty()) return absl::DataLossError(absl::StrJoin(found, "; "));

  for (const Contradiction& contradiction : kContradictions) {
    steps.ForEach(contradiction.sql,
                  [&](Row& row) { found.push_back(absl::StrCat(contradiction.what, ": ", row.Text())); });
  }
  std::string wrong_bill;
  steps.ForEach(SelectSql<Ticket>("ticket", {}, ""), [&](Row& row) {
    const Ticket ticket = ReadRecord<Ticket>(row);
    if (!BillAddsUp(ticket)) wrong_bill = ticket.id;
  });
  if (!wrong_bill.empty()) {
    found.push_back(absl::StrCat("a ticket's amount is not its energy times its price: ", wrong_bill));
  }
  steps.Run("COMMIT");
  if (!steps.ok() || found.empty()) return steps.status();
  return absl::DataLossError(absl::StrJoin(found, "; "));
}

}  // namespace ev::store::sqlite
