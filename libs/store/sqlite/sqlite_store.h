#ifndef EV_STORE_SQLITE_SQLITE_STORE_H_
#define EV_STORE_SQLITE_SQLITE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/id_source.h"
#include "base/mutex.h"
#include "store/store.h"
#include "store/store_copy.h"

namespace ev::store {

namespace sqlite {
class Connection;
class FileLock;
class Medium;
}  // namespace sqlite

struct SqliteOptions {
  int shards = 12;  // Of a new file; an existing one must have as many.

  // For tests: called when a Commit() has written everything but its COMMIT. An error stands for a COMMIT whose outcome
  // is not known (here: it did not happen).
  std::function<absl::Status()> before_commit;

  // A copy leaves so many bytes of the disk free: without any left the next commit would end the process.
  std::int64_t copy_reserve_bytes = 256 << 20;
};

// The store in one SQLite file (write-ahead log, every commit synced), which belongs to one process at a time.
//
// Two connections: one writes, one reads snapshots, so a read waits for other reads only. What fails the medium is
// kept: a COMMIT that failed, damage or a disk error in any statement, and a file, the database or its -wal, that is
// not the one that was opened or has become shorter, and a database that no longer begins as one (each commit looks
// before and after). So no other process may checkpoint the file with TRUNCATE or VACUUM it meanwhile. What is damaged
// is left as it is, also on destruction.
class SqliteStore final : public Store {
 public:
  // Opens `path`, or makes it when there is none; `now` gives the incarnation, `ids` a new store's id. The file's
  // folder must exist. FailedPrecondition: in use by another process, not ours, made by a newer version, or with
  // another number of shards. DataLoss: truncated or damaged. Either message says what to do, and a file that is
  // refused is left as it is.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path, SqliteOptions options,
                                                           absl::Time now, IdSource& ids);
  ~SqliteStore() override;

  // The store as it is now; commits go on while it is copied. ResourceExhausted: there is not enough space beside it.
  // DataLoss or Internal as CheckMedium(). Otherwise what `may_go_on` says. For one caller at a time.
  absl::StatusOr<std::unique_ptr<StoreCopy>> Copy(const MayGoOn& may_go_on);

  // Whether Open() made the file.
  bool is_new() const { return is_new_; }

  std::string id() const override { return id_; }
  int shards() const override { return options_.shards; }
  std::int64_t incarnation() const override { return incarnation_; }
  absl::StatusOr<std::string> KafkaClusterId() override;
  absl::Status SetKafkaClusterId(absl::string_view id) override;
  absl::StatusOr<std::vector<ShardState>> TakeShards(absl::string_view owner, absl::string_view address) override;
  std::vector<absl::Status> Commit(absl::Span<const ShardBatch> batches) override;
  absl::StatusOr<Session> FindSession(const SessionId& id) override;
  absl::StatusOr<RequestRecord> FindRequest(absl::string_view key) override;
  absl::StatusOr<Ticket> FindTicket(absl::string_view id) override;
  absl::StatusOr<std::vector<RefusalRecord>> FindRefusals(const SessionId& id) override;
  absl::StatusOr<Page<Session>> ListSessions(const SessionFilter& filter) override;
  absl::StatusOr<Page<Ticket>> ListTickets(const TicketFilter& filter) override;
  absl::StatusOr<std::vector<GapRecord>> ListGaps() override;
  absl::StatusOr<std::vector<StoredOutboxRecord>> ReadOutbox(std::int64_t after, int limit) override;
  absl::Status DeleteOutbox(absl::Span<const std::int64_t> positions) override;
  absl::StatusOr<std::int64_t> OutboxSize() override;
  absl::Status DeleteRequestsBefore(absl::Time time) override;
  absl::StatusOr<Pruned> Prune(absl::Time time, int limit, bool dry_run) override;
  absl::Status CheckMedium() override;
  absl::Status CheckIntegrity() override;

 private:
  SqliteStore(std::string path, SqliteOptions options, std::unique_ptr<sqlite::FileLock> lock, bool is_new);

  absl::Status Load(absl::Time now) ABSL_LOCKS_EXCLUDED(writer_mutex_, reader_mutex_);
  absl::Status Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);
  absl::Status End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);
  // CheckMedium(), and whether the file still begins as a database.
  absl::Status CheckFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);
  // The outcome of a COMMIT is not known.
  void CloseForWriting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);
  void Rollback() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);
  // Runs `body` in a transaction of its own.
  absl::Status Write(const std::function<absl::Status(sqlite::Connection&)>& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writer_mutex_);

  const std::string path_;
  const SqliteOptions options_;
  const std::unique_ptr<sqlite::FileLock> lock_;  // Before the connections: given up after they are closed.
  const std::unique_ptr<sqlite::Medium> medium_;  // Likewise: they report to it.
  const bool is_new_;
  std::string id_;  // Written by Load() only, like the next.
  std::int64_t incarnation_ = 0;

  Mutex writer_mutex_;
  std::unique_ptr<sqlite::Connection> writer_ ABSL_GUARDED_BY(writer_mutex_);

  Mutex reader_mutex_;
  std::unique_ptr<sqlite::Connection> reader_ ABSL_GUARDED_BY(reader_mutex_);
};

}  // namespace ev::store

#endif  // EV_STORE_SQLITE_SQLITE_STORE_H_
