#include "store/sqlite/batch.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "store/sqlite/rows.h"

namespace ev::store::sqlite {
namespace {

// The texts of the statements that are made from the columns of a record, put together once.
struct Texts {
  const std::string upsert_session = UpsertSql<Session>("session", {"shard"}, "id");
  const std::string update_session = UpdateSession();
  const std::string upsert_point = UpsertSql<ChargingPoint>("charging_point", {"shard"}, "id");
  const std::string insert_cause = InsertSql<OutOfService>("cause", {"shard", "cp", "place"}, "");
  const std::string insert_ticket = InsertSql<Ticket>("ticket", {}, "ON CONFLICT DO NOTHING");
  const std::string same_ticket =
      absl::StrCat("SELECT count(*) FROM ticket WHERE ", absl::StrJoin(Columns<Ticket>(), " = ? AND "), " = ?");
  const std::string upsert_request = UpsertSql<RequestRecord>("request", {}, "key");
  const std::string upsert_refusal = UpsertSql<RefusalRecord>("refusal", {}, "session, final");
  const std::string insert_gap = InsertSql<GapRecord>("gap", {}, "");

  static const Texts& Get() {
    static const Texts* const texts = new Texts;
    return *texts;
  }

 private:
  // What happens to a session every second changes no column that is in an index, and SQLite rewrites every index whose
  // columns are assigned at all: so these are compared instead, and only when they differ is the row upserted.
  static std::string UpdateSession() {
    std::vector<std::string> sets;
    std::vector<std::string> same;
    std::vector<std::string> columns = Columns<Session>();
    columns.emplace_back("shard");
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string& column = columns[i];
      const bool indexed =
          column == "id" || column == "cp" || column == "driver" || column == "state" || column == "requested_ns";
      (indexed ? same : sets).push_back(absl::StrCat(column, " = ?", i + 1));
    }
    return absl::StrCat("UPDATE session SET ", absl::StrJoin(sets, ", "), " WHERE ", absl::StrJoin(same, " AND "));
  }
};

void WriteCauses(Steps& steps, int shard, const std::string& cp, const std::vector<OutOfService>& causes) {
  steps.Run("DELETE FROM cause WHERE shard = ? AND cp = ?", shard, cp);
  int place = 0;
  for (const OutOfService& cause : causes) {
    steps.Bound(Texts::Get().insert_cause, [&](Binder& binder) {
      VisitColumns(binder, cause);
      binder.Add(shard);
      binder.Add(cp);
      binder.Add(place++);
    });
  }
}

void WriteSession(Steps& steps, int shard, const Session& session) {
  const auto bind = [&](Binder& binder) {
    VisitColumns(binder, session);
    binder.Add(shard);
  };
  if (steps.Bound(Texts::Get().update_session, bind) == 0) steps.Bound(Texts::Get().upsert_session, bind);
}

void WriteTicket(Connection& db, Steps& steps, const Ticket& ticket) {
  const auto bind = [&](Binder& binder) { VisitColumns(binder, ticket); };
  if (steps.Bound(Texts::Get().insert_ticket, bind) == 1 || !steps.ok()) return;
  std::int64_t same = 0;
  steps.Fail(db.ForEachBound(Texts::Get().same_ticket, bind, [&](Row& row) { same = row.Number(); }));
  if (same == 1) return;
  steps.Fail(absl::InvalidArgumentError(absl::StrCat("ticket ", ticket.id, " of session ", ticket.session.value(),
                                                     " is already there with other figures")));
}

void AdvanceOffset(Steps& steps, int shard, const OffsetAdvance& advance) {
  steps.Run("INSERT INTO offsets (topic, partition, shard, next) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            advance.topic, advance.partition, shard, advance.base);
  const int changed =
      steps.Run("UPDATE offsets SET next = ? WHERE topic = ? AND partition = ? AND shard = ? AND next = ?",
                advance.next, advance.topic, advance.partition, shard, advance.base);
  if (changed == 1) return;
  steps.Fail(absl::AbortedError(absl::StrCat("shard ", shard, ": the next offset of ", advance.topic, " ",
                                             advance.partition, " is not ", advance.base)));
}

}  // namespace

absl::Status ApplyBatch(Connection& db, const ShardBatch& batch) {
  const Texts& texts = Texts::Get();
  Steps steps(db);
  // Assigning what is there already: the row lock and the check in one, as it will be in a store with several writers.
  if (steps.Run("UPDATE shard SET epoch = ?1 WHERE shard = ?2 AND epoch = ?1", batch.epoch, batch.shard) != 1) {
    steps.Fail(absl::AbortedError(absl::StrCat("shard ", batch.shard, ": epoch ", batch.epoch, " is not the owner's")));
  }
  for (const OffsetAdvance& advance : batch.offsets) AdvanceOffset(steps, batch.shard, advance);

  if (batch.network_causes.has_value()) WriteCauses(steps, batch.shard, "", *batch.network_causes);
  for (const CpId& cp : batch.deleted_points) {
    steps.Run("DELETE FROM charging_point WHERE id = ?", cp);
    steps.Run("DELETE FROM cause WHERE shard = ? AND cp = ?", batch.shard, cp);
  }
  for (const ChargingPoint& point : batch.points) {
    steps.Bound(texts.upsert_point, [&](Binder& binder) {
      VisitColumns(binder, point);
      binder.Add(batch.shard);
    });
    WriteCauses(steps, batch.shard, point.id.value(), point.causes);
  }
  for (const Session& session : batch.sessions) WriteSession(steps, batch.shard, session);
  for (const Ticket& ticket : batch.tickets) WriteTicket(db, steps, ticket);
  for (const RequestRecord& request : batch.requests) {
    steps.Bound(texts.upsert_request, [&](Binder& binder) { VisitColumns(binder, request); });
  }
  for (const RefusalRecord& refusal : batch.refusals) {
    steps.Bound(texts.upsert_refusal, [&](Binder& binder) { VisitColumns(binder, refusal); });
  }
  for (const OutboxRecord& record : batch.outbox) {
    // REPLACE removes the row with this id and inserts a new one at the end.
    const std::string headers = PackHeaders(record.headers);
    steps.Run("INSERT OR REPLACE INTO outbox (id, topic, key, value, headers) VALUES (?, ?, ?, ?, ?)", record.id,
              record.topic, Blob{record.key}, Blob{record.value}, Blob{headers});
  }
  for (const GapRecord& gap : batch.gaps) {
    steps.Bound(texts.insert_gap, [&](Binder& binder) { VisitColumns(binder, gap); });
  }
  return steps.status();
}

std::string PackHeaders(const std::vector<std::pair<std::string, std::string>>& headers) {
  std::string packed;
  for (const auto& [name, value] : headers) {
    for (const std::string* part : {&name, &value}) {
      for (int shift = 0; shift < 32; shift += 8) packed.push_back(static_cast<char>(part->size() >> shift & 0xff));
      packed += *part;
    }
  }
  return packed;
}

std::optional<std::vector<std::pair<std::string, std::string>>> UnpackHeaders(absl::string_view packed) {
  std::vector<std::string> parts;
  while (!packed.empty()) {
    if (packed.size() < 4) return std::nullopt;
    std::size_t size = 0;
    for (int i = 3; i >= 0; --i) size = size << 8 | static_cast<unsigned char>(packed[static_cast<std::size_t>(i)]);
    packed.remove_prefix(4);
    if (packed.size() < size) return std::nullopt;
    parts.emplace_back(packed.substr(0, size));
    packed.remove_prefix(size);
  }
  if (parts.size() % 2 != 0) return std::nullopt;
  std::vector<std::pair<std::string, std::string>> headers;
  for (std::size_t i = 0; i < parts.size(); i += 2) headers.emplace_back(parts[i], parts[i + 1]);
  return headers;
}

}  // namespace ev::store::sqlite
