#include "store/sqlite/sqlite_store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "store/sqlite/batch.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/copy.h"
#include "store/sqlite/file.h"
#include "store/sqlite/find.h"
#include "store/sqlite/integrity.h"
#include "store/sqlite/medium.h"
#include "store/sqlite/pages.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/schema.h"

namespace ev::store {
namespace {

using sqlite::Connection;
using sqlite::DamagedFile;
using sqlite::FindAll;
using sqlite::FindOne;
using sqlite::ReadRecord;
using sqlite::Row;
using sqlite::SelectSql;
using sqlite::Steps;

constexpr int kMaxGaps = 1000;
constexpr int kRequestsDeletedAtOnce = 10'000;  // So that forgetting a day's requests does not hold up commits.

// The texts of the statements that are made from the columns of a record, put together once.
struct Texts {
  const std::string points = SelectSql<ChargingPoint>("charging_point", {"shard"}, "ORDER BY id");
  const std::string causes = SelectSql<OutOfService>("cause", {"shard", "cp"}, "ORDER BY shard, cp, place");
  const std::string open_sessions = OpenSessions();
  const std::string find_session = SelectSql<Session>("session", {}, "WHERE id = ?");
  const std::string find_request = SelectSql<RequestRecord>("request", {}, "WHERE key = ?");
  const std::string find_ticket = SelectSql<Ticket>("ticket", {}, "WHERE id = ?");
  const std::string find_refusals = SelectSql<RefusalRecord>("refusal", {}, "WHERE session = ? ORDER BY final");
  const std::string list_gaps = SelectSql<GapRecord>("gap", {}, "ORDER BY found_ns DESC, rowid DESC LIMIT ?");

  // `requested_ns` is in the index, and never after `updated_ns`.
  const std::string prunable_sessions = absl::StrCat(
      "SELECT id FROM session s WHERE state IN (", static_cast<int>(SessionState::kDenied), ", ",
      static_cast<int>(SessionState::kExpired),
      ") AND requested_ns < ? AND updated_ns < ? AND start_booked = 0 AND final_booked = 0 AND sequence < 0 AND "
      "energy_mwh = 0 AND written_off = 0 AND NOT EXISTS (SELECT 1 FROM ticket t WHERE t.session = s.id) LIMIT ?");
  const std::string prunable_refusals = "SELECT session, final FROM refusal WHERE refused_ns < ? LIMIT ?";
  const std::string count_prunable_sessions = absl::StrCat("SELECT count(*) FROM (", prunable_sessions, ")");
  const std::string count_prunable_refusals = absl::StrCat("SELECT count(*) FROM (", prunable_refusals, ")");
  const std::string prune_sessions = absl::StrCat("DELETE FROM session WHERE id IN (", prunable_sessions, ")");
  const std::string prune_refusals =
      absl::StrCat("DELETE FROM refusal WHERE (session, final) IN (", prunable_refusals, ")");

  static const Texts& Get() {
    static const Texts* const texts = new Texts;
    return *texts;
  }

 private:
  static std::string OpenSessions() {
    const std::string states = absl::StrJoin(ev::OpenStates(), ", ", [](std::string* out, SessionState state) {
      absl::StrAppend(out, static_cast<int>(state));
    });
    return SelectSql<Session>("session", {"shard"},
                              absl::StrCat("WHERE state IN (", states, ") ORDER BY requested_ns, id"));
  }
};

bool IsRefusal(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsInvalidArgument(status);
}

// The schema version of a file that this program may write. Only reads.
absl::StatusOr<int> CheckShape(Connection& db, const std::string& path, int shards) {
  const absl::StatusOr<std::int64_t> version = db.Number("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > sqlite::SchemaVersion()) {
    return absl::FailedPreconditionError(absl::StrCat(path, " was written by a newer version (schema ", *version,
                                                      ", known up to ", sqlite::SchemaVersion(),
                                                      "); it was left as it is: start that version again"));
  }
  if (!db.writable()) return absl::FailedPreconditionError(absl::StrCat(path, " is not writable"));
  const absl::StatusOr<std::int64_t> made_for = db.Number("SELECT shards FROM store");
  if (!made_for.ok()) return made_for.status();
  if (*made_for != shards) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " was made for ", *made_for, " shards, not ", shards,
        ": the number is fixed at the first start; set it (and the partitions of the fact topics) to ", *made_for));
  }
  return static_cast<int>(*version);
}

}  // namespace

SqliteStore::SqliteStore(std::string path, SqliteOptions options, std::unique_ptr<sqlite::FileLock> lock, bool is_new)
    : path_(std::move(path)),
      options_(std::move(options)),
      lock_(std::move(lock)),
      medium_(std::make_unique<sqlite::Medium>(path_)),
      is_new_(is_new) {}

SqliteStore::~SqliteStore() {
  MutexLock lock(writer_mutex_);
  medium_->Look().IgnoreError();
  if (writer_ != nullptr && !medium_->is_log_whole()) writer_->set_checkpoint_on_close(false);
}

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path, SqliteOptions options,
                                                               absl::Time now, IdSource& ids) {
  absl::StatusOr<sqlite::FileLock> lock = sqlite::FileLock::Acquire(path);
  if (!lock.ok()) return lock.status();
  const absl::StatusOr<bool> exists = sqlite::InspectFile(path);
  if (!exists.ok()) return exists.status();
  if (!*exists) {
    const absl::Status created = sqlite::CreateFile(path, options.shards, ids.NewRandomHex());
    if (!created.ok()) return created;
  }
  std::unique_ptr<SqliteStore> store(
      new SqliteStore(path, std::move(options), std::make_unique<sqlite::FileLock>(*std::move(lock)), !*exists));
  const absl::Status loaded = store->Load(now);
  if (absl::IsDataLoss(loaded)) return DamagedFile(path, loaded.message());
  if (!loaded.ok()) return loaded;
  return store;
}

absl::Status SqliteStore::Load(absl::Time now) {
  MutexLock writer_lock(writer_mutex_);
  absl::StatusOr<std::unique_ptr<Connection>> writer = Connection::Open(path_, Connection::Mode::kReadWrite);
  if (!writer.ok()) return writer.status();
  writer_ = *std::move(writer);
  // Until the file is known to be one that this program may write, closing it must not write either.
  writer_->set_checkpoint_on_close(false);
  const absl::StatusOr<int> version = CheckShape(*writer_, path_, options_.shards);
  if (!version.ok()) return version.status();

  std::string mode;
  absl::Status status = writer_->ForEach("PRAGMA journal_mode = WAL", [&](Row& row) { row.Read(mode); });
  if (status.ok() && mode != "wal") {
    status = absl::FailedPreconditionError(
        absl::StrCat("the file system of ", path_, " cannot hold a write-ahead log: choose a local folder"));
  }
  // One fsync a commit (FULL); long between checkpoints, which doubles the rate of commits; a cache that holds a large
  // commit, so that it is written once; a log that is never truncated, as Medium expects.
  if (status.ok()) {
    status = writer_->Exec(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 10000; PRAGMA cache_size = -32768; "
        "PRAGMA journal_size_limit = -1");
  }
  if (status.ok()) status = sqlite::Migrate(*writer_, *version);
  if (!status.ok()) return status;
  status = Write([&](Connection& db) {
    Steps steps(db);
    steps.Run("UPDATE store SET incarnation = max(incarnation + 1, ?)", absl::ToUnixSeconds(now));
    steps.ForEach("SELECT id, incarnation FROM store", [&](Row& row) {
      row.Read(id_);
      row.Read(incarnation_);
    });
    return steps.status();
  });
  if (!status.ok()) return status;
  writer_->set_checkpoint_on_close(true);
  writer_->ReportTo(*medium_);

  MutexLock reader_lock(reader_mutex_);
  absl::StatusOr<std::unique_ptr<Connection>> reader = Connection::Open(path_, Connection::Mode::kReadOnly);
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  reader_->ReportTo(*medium_);
  return medium_->Watch();
}

absl::Status SqliteStore::Begin() {
  return writer_->Run("BEGIN IMMEDIATE");
}

absl::Status SqliteStore::End() {
  absl::Status status = writer_->Run("COMMIT");
  if (status.ok()) status = CheckFiles();  // Written, but perhaps into a file that nobody will open again.
  if (!status.ok()) CloseForWriting();
  return status;
}

absl::Status SqliteStore::CheckFiles() {
  writer_->CheckStart().IgnoreError();  // It has reported to the medium.
  return medium_->Look();
}

void SqliteStore::CloseForWriting() {
  medium_->Fail(absl::InternalError("store: closed for writing since a commit with an unknown outcome"));
  Rollback();
}

void SqliteStore::Rollback() {
  // SQLite has rolled back by itself after some errors.
  if (writer_->in_transaction()) writer_->Run("ROLLBACK").IgnoreError();
}

absl::Status SqliteStore::Write(const std::function<absl::Status(Connection&)>& body) {
  absl::Status status = Begin();
  if (!status.ok()) return status;
  status = body(*writer_);
  if (status.ok()) status = CheckFiles();
  if (status.ok()) return End();
  Rollback();
  return status;
}

std::vector<absl::Status> SqliteStore::Commit(absl::Span<const ShardBatch> batches) {
  MutexLock lock(writer_mutex_);
  std::vector<absl::Status> statuses;
  statuses.reserve(batches.size());
  absl::Status medium = Begin();
  for (const ShardBatch& batch : batches) {
    if (!medium.ok()) break;
    medium = writer_->Run("SAVEPOINT shard");
    if (!medium.ok()) break;
    absl::Status status = sqlite::ApplyBatch(*writer_, batch);
    if (!status.ok()) medium = IsRefusal(status) ? writer_->Run("ROLLBACK TO shard") : status;
    if (medium.ok()) medium = writer_->Run("RELEASE shard");
    statuses.push_back(std::move(status));
  }
  if (medium.ok()) medium = CheckFiles();
  if (!medium.ok()) {  // Nothing is written, and that is known.
    Rollback();
    statuses.resize(batches.size());
    for (absl::Status& status : statuses) {
      if (!IsRefusal(status)) status = medium;
    }
    return statuses;
  }

  absl::Status committed = options_.before_commit ? options_.before_commit() : absl::OkStatus();
  if (committed.ok()) {
    committed = End();
  } else {
    CloseForWriting();
  }
  if (committed.ok()) return statuses;
  return std::vector<absl::Status>(
      batches.size(), absl::UnknownError(absl::StrCat("outcome of the commit is not known: ", committed.message())));
}

absl::StatusOr<std::vector<ShardState>> SqliteStore::TakeShards(absl::string_view owner, absl::string_view address) {
  std::vector<ShardState> states(static_cast<std::size_t>(shards()));
  for (int shard = 0; shard < shards(); ++shard) states[static_cast<std::size_t>(shard)].shard = shard;
  std::int64_t strays = 0;
  ShardState stray;
  const auto shard_of = [&](Row& row) -> ShardState& {
    const std::int64_t shard = row.Number();
    if (shard >= 0 && shard < shards()) return states[static_cast<std::size_t>(shard)];
    ++strays;
    return stray;
  };
  const Texts& texts = Texts::Get();

  MutexLock lock(writer_mutex_);
  const absl::Status status = Write([&](Connection& db) {
    Steps steps(db);
    const int taken = steps.Run("UPDATE shard SET epoch = epoch + 1, owner = ?, address = ?", owner, address);
    if (taken != shards()) steps.Fail(absl::DataLossError(absl::StrCat("store: ", taken, " rows of shards")));
    steps.ForEach("SELECT shard, epoch FROM shard", [&](Row& row) { row.Read(shard_of(row).epoch); });
    steps.ForEach("SELECT topic, partition, next, shard FROM offsets ORDER BY topic, partition", [&](Row& row) {
      Offset offset;
      row.Read(offset.topic);
      row.Read(offset.partition);
      row.Read(offset.next);
      shard_of(row).offsets.push_back(std::move(offset));
    });
    steps.ForEach(texts.points, [&](Row& row) {
      ChargingPoint point = ReadRecord<ChargingPoint>(row);
      shard_of(row).points.push_back(std::move(point));
    });
    std::map<std::string, std::vector<OutOfService>> causes;
    steps.ForEach(texts.causes, [&](Row& row) {
      OutOfService cause = ReadRecord<OutOfService>(row);
      ShardState& state = shard_of(row);
      const std::string cp = row.Text();
      (cp.empty() ? state.network_causes : causes[cp]).push_back(std::move(cause));
    });
    steps.ForEach(texts.open_sessions, [&](Row& row) {
      Session session = ReadRecord<Session>(row);
      shard_of(row).open_sessions.push_back(std::move(session));
    });
    for (ShardState& state : states) {
      for (ChargingPoint& point : state.points) {
        const auto own = causes.find(point.id.value());
        if (own != causes.end()) point.causes = std::move(own->second);
      }
    }
    if (strays > 0) {
      steps.Fail(absl::DataLossError(absl::StrCat("store: ", strays, " rows of shards that do not exist")));
    }
    return steps.status();
  });
  if (!status.ok()) return status;
  return states;
}

absl::StatusOr<std::string> SqliteStore::KafkaClusterId() {
  MutexLock lock(reader_mutex_);
  std::string id;
  const absl::Status status = reader_->ForEach("SELECT kafka_cluster_id FROM store", [&](Row& row) { row.Read(id); });
  if (!status.ok()) return status;
  return id;
}

absl::Status SqliteStore::SetKafkaClusterId(absl::string_view id) {
  MutexLock lock(writer_mutex_);
  return Write([&](Connection& db) { return db.Run("UPDATE store SET kafka_cluster_id = ?", id); });
}

absl::StatusOr<Session> SqliteStore::FindSession(const SessionId& id) {
  MutexLock lock(reader_mutex_);
  return FindOne<Session>(*reader_, Texts::Get().find_session, id, "session");
}

absl::StatusOr<RequestRecord> SqliteStore::FindRequest(absl::string_view key) {
  MutexLock lock(reader_mutex_);
  return FindOne<RequestRecord>(*reader_, Texts::Get().find_request, key, "request");
}

absl::StatusOr<Ticket> SqliteStore::FindTicket(absl::string_view id) {
  MutexLock lock(reader_mutex_);
  return FindOne<Ticket>(*reader_, Texts::Get().find_ticket, id, "ticket");
}

absl::StatusOr<std::vector<RefusalRecord>> SqliteStore::FindRefusals(const SessionId& id) {
  MutexLock lock(reader_mutex_);
  return FindAll<RefusalRecord>(*reader_, Texts::Get().find_refusals, id);
}

absl::StatusOr<Page<Session>> SqliteStore::ListSessions(const SessionFilter& filter) {
  MutexLock lock(reader_mutex_);
  return sqlite::ReadSessions(*reader_, id_, filter);
}

absl::StatusOr<Page<Ticket>> SqliteStore::ListTickets(const TicketFilter& filter) {
  MutexLock lock(reader_mutex_);
  return sqlite::ReadTickets(*reader_, id_, filter);
}

absl::StatusOr<std::vector<GapRecord>> SqliteStore::ListGaps() {
  MutexLock lock(reader_mutex_);
  return FindAll<GapRecord>(*reader_, Texts::Get().list_gaps, kMaxGaps);
}

absl::StatusOr<std::vector<StoredOutboxRecord>> SqliteStore::ReadOutbox(std::int64_t after, int limit) {
  std::vector<StoredOutboxRecord> records;
  std::optional<std::int64_t> damaged;
  const auto read = [&](Row& row) {
    StoredOutboxRecord stored;
    row.Read(stored.position);
    row.Read(stored.record.id);
    row.Read(stored.record.topic);
    row.Read(stored.record.key);
    row.Read(stored.record.value);
    auto headers = sqlite::UnpackHeaders(row.Text());
    if (!headers.has_value()) damaged = stored.position;
    stored.record.headers = std::move(headers).value_or(std::vector<std::pair<std::string, std::string>>());
    records.push_back(std::move(stored));
  };
  MutexLock lock(reader_mutex_);
  const absl::Status status = reader_->ForEach(
      "SELECT position, id, topic, key, value, headers FROM outbox WHERE position > ? ORDER BY position LIMIT ?", read,
      after, std::max(limit, 0));
  if (!status.ok()) return status;
  if (damaged.has_value()) {
    const std::string how = absl::StrCat("the headers of outbox row ", *damaged);
    medium_->Fail(absl::DataLossError(how));
    return DamagedFile(path_, how);
  }
  return records;
}

absl::Status SqliteStore::DeleteOutbox(absl::Span<const std::int64_t> positions) {
  MutexLock lock(writer_mutex_);
  return Write([&](Connection& db) {
    Steps steps(db);
    for (const std::int64_t position : positions) steps.Run("DELETE FROM outbox WHERE position = ?", position);
    return steps.status();
  });
}

absl::StatusOr<std::int64_t> SqliteStore::OutboxSize() {
  MutexLock lock(reader_mutex_);
  return reader_->Number("SELECT count(*) FROM outbox");
}

absl::Status SqliteStore::DeleteRequestsBefore(absl::Time time) {
  for (;;) {
    MutexLock lock(writer_mutex_);
    int deleted = 0;
    const absl::Status status = Write([&](Connection& db) {
      Steps steps(db);
      deleted = steps.Run(
          "DELETE FROM request WHERE key IN (SELECT key FROM request WHERE received_ns < ? ORDER BY received_ns LIMIT "
          "?)",
          time, kRequestsDeletedAtOnce);
      return steps.status();
    });
    if (!status.ok() || deleted < kRequestsDeletedAtOnce) return status;
  }
}

absl::StatusOr<Pruned> SqliteStore::Prune(absl::Time time, int limit, bool dry_run) {
  const Texts& texts = Texts::Get();
  Pruned pruned;
  if (dry_run) {
    MutexLock lock(reader_mutex_);
    Steps steps(*reader_);
    steps.ForEach(
        texts.count_prunable_sessions, [&](Row& row) { row.Read(pruned.sessions); }, time, time, limit);
    steps.ForEach(
        texts.count_prunable_refusals, [&](Row& row) { row.Read(pruned.refusals); }, time, limit);
    if (!steps.ok()) return steps.status();
    return pruned;
  }
  MutexLock lock(writer_mutex_);
  const absl::Status status = Write([&](Connection& db) {
    Steps steps(db);
    pruned.sessions = steps.Run(texts.prune_sessions, time, time, limit);
    pruned.refusals = steps.Run(texts.prune_refusals, time, limit);
    return steps.status();
  });
  if (!status.ok()) return status;
  return pruned;
}

absl::Status SqliteStore::CheckMedium() {
  return medium_->Look();
}

absl::StatusOr<std::unique_ptr<StoreCopy>> SqliteStore::Copy(const MayGoOn& may_go_on) {
  auto copy = sqlite::CopyDatabase(path_, options_.copy_reserve_bytes, may_go_on);
  // Of what is not relied upon any more there is no copy either.
  if (absl::Status medium = CheckMedium(); !medium.ok()) return medium;
  return copy;
}

absl::Status SqliteStore::CheckIntegrity() {
  // A connection of its own, because it takes long: it holds up nobody, and reads the file instead of a cache.
  absl::StatusOr<std::unique_ptr<Connection>> db = Connection::Open(path_, Connection::Mode::kReadOnly);
  if (!db.ok()) return db.status();
  const absl::Status status = sqlite::CheckBooks(**db);
  return absl::IsDataLoss(status) ? DamagedFile(path_, status.message()) : status;
}

}  // namespace ev::store
