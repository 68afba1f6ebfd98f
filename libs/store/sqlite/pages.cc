#include "store/sqlite/pages.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "store/page_token.h"
#include "store/sqlite/find.h"
#include "store/sqlite/rows.h"
#include "store/stored_time.h"

namespace ev::store::sqlite {
namespace {

constexpr absl::string_view kNewestFirst = " ORDER BY requested_ns DESC, id DESC LIMIT ?";

// A SELECT that grows condition by condition.
struct Query {
  std::vector<std::string> conditions;
  Values values;

  template <typename... V>
  void Where(std::string condition, V... v) {
    conditions.push_back(std::move(condition));
    (values.emplace_back(std::move(v)), ...);
  }
  std::string Clause() const {
    return conditions.empty() ? std::string() : absl::StrCat("WHERE ", absl::StrJoin(conditions, " AND "));
  }
};

// `values` ends with a limit of one row more than the page holds, which tells whether there is another page.
template <typename Record, typename KeyOf>
absl::StatusOr<Page<Record>> ReadPage(Connection& db, absl::string_view sql, const Values& values, int page_size,
                                      absl::string_view scope, KeyOf key_of) {
  absl::StatusOr<std::vector<Record>> rows = FindAll<Record>(db, sql, values);
  if (!rows.ok()) return rows.status();
  Page<Record> page{*std::move(rows), ""};
  if (page.items.size() > static_cast<std::size_t>(page_size)) {
    page.items.pop_back();
    page.next_page_token = MakePageToken(key_of(page.items.back()), scope);
  }
  return page;
}

}  // namespace

absl::StatusOr<Page<Session>> ReadSessions(Connection& db, absl::string_view store_id, const SessionFilter& filter) {
  const absl::Status size = CheckPageSize(filter.page_size);
  if (!size.ok()) return size;
  const std::string scope = PageScope(store_id, filter);
  std::vector<SessionState> states = filter.states;
  std::sort(states.begin(), states.end());
  states.erase(std::unique(states.begin(), states.end()), states.end());

  Query query;
  if (!filter.driver.empty()) query.Where("driver = ?", filter.driver.value());
  if (!filter.cp.empty()) query.Where("cp = ?", filter.cp.value());
  // Of one driver or charging point there are few sessions, so their states are compared row by row. Of all sessions
  // each state is read from its own index, newest first, and the heads are merged: "which are open?" must not read the
  // history.
  const bool by_state = filter.driver.empty() && filter.cp.empty() && !states.empty();
  if (!by_state && !states.empty()) {
    std::vector<std::string> marks;
    for (const SessionState state : states) {
      marks.emplace_back("?");
      query.values.emplace_back(static_cast<std::int64_t>(state));
    }
    query.conditions.push_back(absl::StrCat("state IN (", absl::StrJoin(marks, ", "), ")"));
  }
  if (!filter.page_token.empty()) {
    const absl::StatusOr<PageKey> after = ParsePageToken(filter.page_token, scope);
    if (!after.ok()) return after.status();
    query.Where("(requested_ns, id) < (?, ?)", after->time_nanos, after->id);
  }
  const std::int64_t limit = filter.page_size + 1;

  std::string sql;
  Values values;
  if (by_state) {
    std::vector<std::string> heads;
    for (const SessionState state : states) {
      Query one;
      one.Where("state = ?", static_cast<std::int64_t>(state));
      one.conditions.insert(one.conditions.end(), query.conditions.begin(), query.conditions.end());
      heads.push_back(
          absl::StrCat("SELECT * FROM (", SelectSql<Session>("session", {}, one.Clause()), kNewestFirst, ")"));
      values.insert(values.end(), one.values.begin(), one.values.end());
      values.insert(values.end(), query.values.begin(), query.values.end());
      values.emplace_back(limit);
    }
    sql = absl::StrCat(absl::StrJoin(heads, " UNION ALL "), kNewestFirst);
  } else {
    sql = absl::StrCat(SelectSql<Session>("session", {}, query.Clause()), kNewestFirst);
    values = query.values;
  }
  values.emplace_back(limit);

  return ReadPage<Session>(db, sql, values, filter.page_size, scope, [](const Session& session) {
    return PageKey{ToStoredNanos(session.requested), session.id.value()};
  });
}

absl::StatusOr<Page<Ticket>> ReadTickets(Connection& db, absl::string_view store_id, const TicketFilter& filter) {
  const absl::Status size = CheckPageSize(filter.page_size);
  if (!size.ok()) return size;
  const std::string scope = PageScope(store_id, filter);
  Query query;
  if (!filter.driver.empty()) query.Where("driver = ?", filter.driver.value());
  if (!filter.cp.empty()) query.Where("cp = ?", filter.cp.value());
  if (!filter.session.empty()) query.Where("session = ?", filter.session.value());
  if (filter.from != absl::InfinitePast()) query.Where("issued_ns >= ?", ToStoredNanos(filter.from));
  // A later page lies below its token, which lies below `to`: without the weaker bound the index is entered at the
  // token.
  if (filter.to != absl::InfiniteFuture() && filter.page_token.empty())
    query.Where("issued_ns < ?", ToStoredNanos(filter.to));
  if (!filter.page_token.empty()) {
    const absl::StatusOr<PageKey> after = ParsePageToken(filter.page_token, scope);
    if (!after.ok()) return after.status();
    query.Where("(issued_ns, id) < (?, ?)", after->time_nanos, after->id);
  }
  query.values.emplace_back(std::int64_t{filter.page_size} + 1);
  const std::string sql =
      absl::StrCat(SelectSql<Ticket>("ticket", {}, query.Clause()), " ORDER BY issued_ns DESC, id DESC LIMIT ?");

  return ReadPage<Ticket>(db, sql, query.values, filter.page_size, scope, [](const Ticket& ticket) {
    return PageKey{ToStoredNanos(ticket.issued), ticket.id};
  });
}

}  // namespace ev::store::sqlite
