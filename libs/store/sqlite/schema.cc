#include "store/sqlite/schema.h"

#include <iterator>

#include "absl/strings/str_cat.h"

namespace ev::store::sqlite {
namespace {

// Step n leads from version n to n + 1. A step that was released is never edited: add another.
//
// Times are in nanoseconds since 1970, see store/stored_time.h. Numbers of enums are those of libs/domain. Every index
// serves one list of the port; `session` has a rowid, so that the sessions of one hour, which change together, lie
// together although their ids are random.
constexpr const char* kSteps[] = {
    R"sql(
CREATE TABLE store(
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  id TEXT NOT NULL,
  shards INTEGER NOT NULL,
  incarnation INTEGER NOT NULL,
  kafka_cluster_id TEXT NOT NULL
) STRICT;

CREATE TABLE shard(
  shard INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  owner TEXT NOT NULL,
  address TEXT NOT NULL
) STRICT;

CREATE TABLE offsets(
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  shard INTEGER NOT NULL,
  next INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE gap(
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  stored_next INTEGER NOT NULL,
  log_start INTEGER NOT NULL,
  log_end INTEGER NOT NULL,
  found_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE charging_point(
  id TEXT PRIMARY KEY NOT NULL,
  shard INTEGER NOT NULL,
  location TEXT NOT NULL,
  site TEXT NOT NULL,
  price_micros_per_kwh INTEGER NOT NULL,
  currency TEXT NOT NULL,
  link_epoch INTEGER NOT NULL,
  highest_grant INTEGER NOT NULL,
  booked_through INTEGER NOT NULL,
  registered_ns INTEGER NOT NULL,
  last_seen_ns INTEGER NOT NULL,
  journal_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Why a charging point is out of service; with an empty cp: why all of the shard's are.
CREATE TABLE cause(
  shard INTEGER NOT NULL,
  cp TEXT NOT NULL,
  place INTEGER NOT NULL,
  cause INTEGER NOT NULL,
  who TEXT NOT NULL,
  reason TEXT NOT NULL,
  since_ns INTEGER NOT NULL,
  PRIMARY KEY (shard, cp, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE session(
  id TEXT PRIMARY KEY NOT NULL,
  shard INTEGER NOT NULL,
  cp TEXT NOT NULL,
  driver TEXT NOT NULL,
  grant_number INTEGER NOT NULL,
  price_micros_per_kwh INTEGER NOT NULL,
  currency TEXT NOT NULL,
  target_kind INTEGER NOT NULL,
  target_value INTEGER NOT NULL,
  state INTEGER NOT NULL,
  denial INTEGER NOT NULL,
  denial_text TEXT NOT NULL,
  end_reason INTEGER NOT NULL,
  requested_ns INTEGER NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL,
  updated_ns INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  energy_mwh INTEGER NOT NULL,
  power_w INTEGER NOT NULL,
  amount_micros INTEGER NOT NULL,
  register_start_mwh INTEGER NOT NULL,
  start_booked INTEGER NOT NULL,
  final_booked INTEGER NOT NULL,
  written_off INTEGER NOT NULL,
  manual INTEGER NOT NULL,
  revision_incarnation INTEGER NOT NULL,
  revision_counter INTEGER NOT NULL
) STRICT;
CREATE INDEX session_by_requested ON session(requested_ns, id);
CREATE INDEX session_by_driver ON session(driver, requested_ns, id);
CREATE INDEX session_by_cp ON session(cp, requested_ns, id);
CREATE INDEX session_by_state ON session(state, requested_ns, id);

CREATE TABLE ticket(
  id TEXT PRIMARY KEY NOT NULL,
  session TEXT NOT NULL,
  kind INTEGER NOT NULL,
  cp TEXT NOT NULL,
  driver TEXT NOT NULL,
  grant_number INTEGER NOT NULL,
  price_micros_per_kwh INTEGER NOT NULL,
  currency TEXT NOT NULL,
  energy_mwh INTEGER NOT NULL,
  amount_micros INTEGER NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL,
  issued_ns INTEGER NOT NULL,
  end_reason INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  recovered INTEGER NOT NULL,
  adjusts_ticket TEXT NOT NULL,
  UNIQUE (session, kind)
) STRICT;
CREATE INDEX ticket_by_issued ON ticket(issued_ns, id);
CREATE INDEX ticket_by_driver ON ticket(driver, issued_ns, id);
CREATE INDEX ticket_by_cp ON ticket(cp, issued_ns, id);

CREATE TABLE request(
  key TEXT PRIMARY KEY NOT NULL,
  fingerprint TEXT NOT NULL,
  session TEXT NOT NULL,
  denial INTEGER NOT NULL,
  denial_text TEXT NOT NULL,
  received_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX request_by_received ON request(received_ns);

CREATE TABLE refusal(
  session TEXT NOT NULL,
  final INTEGER NOT NULL,
  reason TEXT NOT NULL,
  refused_ns INTEGER NOT NULL,
  message_id BLOB NOT NULL,
  PRIMARY KEY (session, final)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a position is never given twice, not even when the newest rows were relayed and removed.
CREATE TABLE outbox(
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  topic TEXT NOT NULL,
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  headers BLOB NOT NULL
) STRICT;
)sql",
    // Of a session from before, the newest time is all that is known of its figures; without a fact there are none.
    R"sql(
ALTER TABLE session ADD COLUMN measured_ns INTEGER NOT NULL DEFAULT -9223372036854775808;
ALTER TABLE session ADD COLUMN register_end_mwh INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN stop_asked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN written_off_by TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN written_off_reason TEXT NOT NULL DEFAULT '';
UPDATE session SET measured_ns = updated_ns WHERE sequence >= 0;
)sql",
    R"sql(
ALTER TABLE session ADD COLUMN trace_id BLOB NOT NULL DEFAULT x'';
ALTER TABLE session ADD COLUMN trace_sampled INTEGER NOT NULL DEFAULT 0;
)sql",
};

}  // namespace

int SchemaVersion() {
  return static_cast<int>(std::size(kSteps));
}

absl::Status Migrate(Connection& db, int from) {
  for (int version = from; version < SchemaVersion(); ++version) {
    // The version is a field of the first page, so it changes with the tables or not at all.
    const std::string sql =
        absl::StrCat("BEGIN IMMEDIATE;", kSteps[version], "PRAGMA user_version = ", version + 1, ";COMMIT;");
    absl::Status status = db.Exec(sql.c_str());
    if (status.ok()) continue;
    if (db.in_transaction()) db.Exec("ROLLBACK").IgnoreError();
    return status;
  }
  return absl::OkStatus();
}

}  // namespace ev::store::sqlite
