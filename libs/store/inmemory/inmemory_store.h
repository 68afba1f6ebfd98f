#ifndef EV_STORE_INMEMORY_INMEMORY_STORE_H_
#define EV_STORE_INMEMORY_INMEMORY_STORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "store/store.h"

namespace ev::store {

// The store of tests and of the simulator: what SqliteStore promises, as long as the object lives. The object is the
// disk; a restart of Central is Restart().
class InMemoryStore final : public Store {
 public:
  InMemoryStore(int shards, std::string id, absl::Time now);

  // What opening a file does: a higher incarnation, and an unknown outcome is known again.
  void Restart(absl::Time now);
  // The next Commit() answers Unknown for every batch, and then nothing is written until Restart(). `written` says
  // whether it took place all the same.
  void FailNextCommit(bool written);
  // From now on reads find damage. Commits are taken until one has.
  void Damage();

  std::string id() const override { return id_; }
  int shards() const override { return shards_; }
  std::int64_t incarnation() const override;
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
  using Partition = std::pair<std::string, int>;
  struct OffsetRow {
    int shard = 0;
    std::int64_t next = 0;
  };
  template <typename T>
  struct InShard {
    int shard = 0;
    T record;
  };

  absl::Status CheckReadable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // OK: Apply() would write it.
  absl::Status Check(const ShardBatch& batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Apply(const ShardBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int shards_;
  const std::string id_;

  // Ordered, so that whatever is read comes in the same order in every run.
  mutable Mutex mutex_;
  std::int64_t incarnation_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<bool> fail_next_ ABSL_GUARDED_BY(mutex_);  // Holds `written`.
  bool is_damaged_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);  // Of the medium.
  std::string kafka_cluster_id_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::int64_t> epochs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<OutOfService>> network_causes_ ABSL_GUARDED_BY(mutex_);
  std::map<Partition, OffsetRow> offsets_ ABSL_GUARDED_BY(mutex_);
  std::map<CpId, InShard<ChargingPoint>> points_ ABSL_GUARDED_BY(mutex_);
  std::map<SessionId, InShard<Session>> sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Ticket> tickets_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<SessionId, TicketKind>, std::string> ticket_ids_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, RequestRecord> requests_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<SessionId, bool>, RefusalRecord> refusals_ ABSL_GUARDED_BY(mutex_);
  std::int64_t last_position_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::int64_t, OutboxRecord> outbox_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::int64_t> outbox_positions_ ABSL_GUARDED_BY(mutex_);
  std::vector<GapRecord> gaps_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ev::store

#endif  // EV_STORE_INMEMORY_INMEMORY_STORE_H_
