#ifndef EV_STORE_SQLITE_ROWS_H_
#define EV_STORE_SQLITE_ROWS_H_

// Which column holds which field: the one place that statements, bindings and reads are made from. A name with a comma
// is a field that fills two columns.

#include <concepts>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "domain/charging_point.h"
#include "domain/session.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace ev::store::sqlite {

template <typename T, typename Record>
concept MaybeConst = std::same_as<std::remove_const_t<T>, Record>;

// VisitColumns(visit, record) calls visit(column, field) in the order of the columns.

template <typename Visit, MaybeConst<Session> S>
void VisitColumns(Visit&& visit, S& s) {
  visit("id", s.id);
  visit("cp", s.cp);
  visit("driver", s.driver);
  visit("grant_number", s.number);
  visit("price_micros_per_kwh", s.price.micros_per_kwh);
  visit("currency", s.price.currency);
  visit("target_kind,target_value", s.target);
  visit("state", s.state);
  visit("denial", s.denial);
  visit("denial_text", s.denial_text);
  visit("end_reason", s.end_reason);
  visit("requested_ns", s.requested);
  visit("start_ns", s.start);
  visit("end_ns", s.end);
  visit("updated_ns", s.updated);
  visit("sequence", s.sequence);
  visit("energy_mwh", s.energy_mwh);
  visit("power_w", s.power_w);
  visit("amount_micros", s.amount_micros);
  visit("register_start_mwh", s.register_start_mwh);
  visit("start_booked", s.start_booked);
  visit("final_booked", s.final_booked);
  visit("written_off", s.written_off);
  visit("manual", s.manual);
  visit("revision_incarnation", s.revision.incarnation);
  visit("revision_counter", s.revision.counter);
  visit("measured_ns", s.measured);
  visit("register_end_mwh", s.register_end_mwh);
  visit("stop_asked", s.stop_asked);
  visit("written_off_by", s.written_off_by);
  visit("written_off_reason", s.written_off_reason);
  visit("trace_id,trace_sampled", s.trace);
}

template <typename Visit, MaybeConst<Ticket> T>
void VisitColumns(Visit&& visit, T& t) {
  visit("id", t.id);
  visit("session", t.session);
  visit("kind", t.kind);
  visit("cp", t.cp);
  visit("driver", t.driver);
  visit("grant_number", t.number);
  visit("price_micros_per_kwh", t.price.micros_per_kwh);
  visit("currency", t.price.currency);
  visit("energy_mwh", t.energy_mwh);
  visit("amount_micros", t.amount_micros);
  visit("start_ns", t.start);
  visit("end_ns", t.end);
  visit("issued_ns", t.issued);
  visit("end_reason", t.end_reason);
  visit("estimated", t.estimated);
  visit("recovered", t.recovered);
  visit("adjusts_ticket", t.adjusts_ticket);
}

template <typename Visit, MaybeConst<ChargingPoint> P>
void VisitColumns(Visit&& visit, P& p) {
  visit("id", p.id);
  visit("location", p.location);
  visit("site", p.site);
  visit("price_micros_per_kwh", p.price.micros_per_kwh);
  visit("currency", p.price.currency);
  visit("link_epoch", p.link_epoch);
  visit("highest_grant", p.highest_grant);
  visit("booked_through", p.booked_through);
  visit("registered_ns", p.registered);
  visit("last_seen_ns", p.last_seen);
  visit("journal_id", p.journal_id);
}

template <typename Visit, MaybeConst<RequestRecord> R>
void VisitColumns(Visit&& visit, R& r) {
  visit("key", r.key);
  visit("fingerprint", r.fingerprint);
  visit("session", r.session);
  visit("denial", r.denial);
  visit("denial_text", r.denial_text);
  visit("received_ns", r.received);
}

template <typename Visit, MaybeConst<RefusalRecord> R>
void VisitColumns(Visit&& visit, R& r) {
  visit("session", r.session);
  visit("final", r.final);
  visit("reason", r.reason);
  visit("refused_ns", r.refused);
  visit("message_id", r.message_id);
}

template <typename Visit, MaybeConst<GapRecord> G>
void VisitColumns(Visit&& visit, G& g) {
  visit("topic", g.topic);
  visit("partition", g.partition);
  visit("stored_next", g.stored_next);
  visit("log_start", g.log_start);
  visit("log_end", g.log_end);
  visit("found_ns", g.found);
}

template <typename Visit, MaybeConst<OutOfService> C>
void VisitColumns(Visit&& visit, C& c) {
  visit("cause", c.cause);
  visit("who", c.who);
  visit("reason", c.reason);
  visit("since_ns", c.since);
}

// "a", "b", ...: the columns of a record.
template <typename Record>
std::vector<std::string> Columns() {
  std::vector<std::string> columns;
  const Record record{};
  VisitColumns(
      [&](absl::string_view names, const auto&) {
        for (const absl::string_view name : absl::StrSplit(names, ',')) columns.emplace_back(name);
      },
      record);
  return columns;
}

// In all of these the record's columns come first, then `more`.

template <typename Record>
std::string SelectSql(absl::string_view table, const std::vector<std::string>& more, absl::string_view rest) {
  std::vector<std::string> columns = Columns<Record>();
  columns.insert(columns.end(), more.begin(), more.end());
  return absl::StrCat("SELECT ", absl::StrJoin(columns, ", "), " FROM ", table, " ", rest);
}

template <typename Record>
std::string InsertSql(absl::string_view table, const std::vector<std::string>& more, absl::string_view rest) {
  std::vector<std::string> columns = Columns<Record>();
  columns.insert(columns.end(), more.begin(), more.end());
  const std::vector<absl::string_view> marks(columns.size(), "?");
  return absl::StrCat("INSERT INTO ", table, " (", absl::StrJoin(columns, ", "), ") VALUES (",
                      absl::StrJoin(marks, ", "), ") ", rest);
}

// Replaces the row with the same `key` by setting every other column.
template <typename Record>
std::string UpsertSql(absl::string_view table, const std::vector<std::string>& more, absl::string_view key) {
  std::vector<std::string> sets;
  for (const std::vector<std::string>& columns : {Columns<Record>(), more}) {
    for (const std::string& column : columns) sets.push_back(absl::StrCat(column, " = excluded.", column));
  }
  return InsertSql<Record>(table, more,
                           absl::StrCat("ON CONFLICT (", key, ") DO UPDATE SET ", absl::StrJoin(sets, ", ")));
}

template <typename Record>
Record ReadRecord(Row& row) {
  Record record;
  VisitColumns(row, record);
  return record;
}

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_ROWS_H_
