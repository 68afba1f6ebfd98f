#ifndef EV_STORE_STORE_H_
#define EV_STORE_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/id_source.h"
#include "domain/charging_point.h"
#include "domain/ids.h"
#include "domain/session.h"

namespace ev::store {

// A caller's request that was answered, kept for 24 h so that a repeat gets the same answer.
struct RequestRecord {
  std::string key;          // Caller, method, charging point or session, request_id: unambiguous, at most 400 bytes.
  std::string fingerprint;  // Of the other parameters.
  SessionId session;        // The session it made; empty when it was denied before there was one.
  DenialReason denial = DenialReason::kNone;
  std::string denial_text;
  absl::Time received;

  friend bool operator==(const RequestRecord&, const RequestRecord&) = default;
};

// The newest start, or the newest final, that was refused of a session, so that "settled" can be answered again.
struct RefusalRecord {
  SessionId session;
  bool final = false;
  std::string reason;
  absl::Time refused;
  MessageId message_id{};

  friend bool operator==(const RefusalRecord&, const RefusalRecord&) = default;
};

// A message that must reach Kafka, written with the state that caused it.
struct OutboxRecord {
  std::string id;  // Unique; a record with an id that is there already replaces it.
  std::string topic;
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;

  friend bool operator==(const OutboxRecord&, const OutboxRecord&) = default;
};
// An outbox record as read back: `position` grows in the order of writing.
struct StoredOutboxRecord {
  std::int64_t position = 0;
  OutboxRecord record;
};

// The consumed part of one partition: `base` is what the store must still hold, `next` what it holds afterwards. The
// first advance of a partition may have any base: it says where reading began. A partition belongs to the shard that
// advanced it first.
struct OffsetAdvance {
  std::string topic;
  int partition = 0;
  std::int64_t base = 0;
  std::int64_t next = 0;
};
struct Offset {
  std::string topic;
  int partition = 0;
  std::int64_t next = 0;

  friend bool operator==(const Offset&, const Offset&) = default;
};

// As `log_end` of a gap: another cluster was accepted, reading goes on at its log's start.
inline constexpr std::int64_t kAnotherLog = -1;

// Offsets that Kafka no longer has, or never had: something may have been skipped.
struct GapRecord {
  std::string topic;
  int partition = 0;
  std::int64_t stored_next = 0;
  std::int64_t log_start = 0;
  std::int64_t log_end = 0;  // Or kAnotherLog.
  absl::Time found;

  friend bool operator==(const GapRecord&, const GapRecord&) = default;
};

// Everything that one commit changes in one shard.
struct ShardBatch {
  int shard = 0;
  std::int64_t epoch = 0;                                   // Mine: the batch is refused when the store holds another.
  std::optional<std::vector<OutOfService>> network_causes;  // Set: replaces the shard's.
  std::vector<ChargingPoint> points;
  std::vector<CpId> deleted_points;  // Before `points`: one that is in both is there afterwards.
  std::vector<Session> sessions;
  std::vector<Ticket> tickets;
  std::vector<RequestRecord> requests;
  std::vector<RefusalRecord> refusals;
  std::vector<OutboxRecord> outbox;
  std::vector<GapRecord> gaps;
  std::vector<OffsetAdvance> offsets;
};

// A shard as it is loaded by whoever takes it.
struct ShardState {
  int shard = 0;
  std::int64_t epoch = 0;
  std::vector<OutOfService> network_causes;
  std::vector<ChargingPoint> points;
  std::vector<Session> open_sessions;
  std::vector<Offset> offsets;
};

// Newest first, or by time; empty fields do not filter. `page_token` is what the page before returned.
struct SessionFilter {
  DriverId driver;
  CpId cp;
  std::vector<SessionState> states;
  int page_size = 100;  // 1 .. 1000
  std::string page_token;
};
struct TicketFilter {
  DriverId driver;
  CpId cp;
  SessionId session;
  absl::Time from = absl::InfinitePast();  // Issued at or after.
  absl::Time to = absl::InfiniteFuture();  // Issued before.
  int page_size = 100;
  std::string page_token;
};
template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;  // Empty: that was all.
};

struct Pruned {
  std::int64_t sessions = 0;
  std::int64_t refusals = 0;

  friend bool operator==(const Pruned&, const Pruned&) = default;
};

// Central's memory. Thread-safe. Reads see everything that Commit() has answered OK for, and nothing else.
//
// Every method may return kInternal or kDataLoss when the medium fails. After Commit() answered kUnknown for a shard
// nobody knows whether it is written: the process must end and read the truth at its next start.
class Store {
 public:
  virtual ~Store() = default;

  // Identity and shape, fixed at first start.
  virtual std::string id() const = 0;  // Random, 32 hexadecimal digits.
  virtual int shards() const = 0;      // The number of partitions of the fact topics.
  // This start's incarnation: max(stored + 1, unix seconds), written when the store was opened.
  virtual std::int64_t incarnation() const = 0;
  virtual absl::StatusOr<std::string> KafkaClusterId() = 0;  // Empty: none seen yet.
  virtual absl::Status SetKafkaClusterId(absl::string_view id) = 0;

  // Takes every shard: raises each epoch by one, writes the owner, and loads what the shard's memory needs.
  virtual absl::StatusOr<std::vector<ShardState>> TakeShards(absl::string_view owner, absl::string_view address) = 0;

  // One transaction for all batches, with a status for each, in order: OK (durable), Aborted (the epoch or an offset is
  // not the expected one: nothing of that shard is written; the others are), InvalidArgument (a ticket that is already
  // there with other figures: our bug), or Unknown for all when the outcome of the transaction is not known. Internal
  // or DataLoss: the medium failed before the transaction was committed, and nothing of that batch is written. Points,
  // sessions, requests and refusals are replaced by key; tickets are inserted once (the same ticket again is OK).
  virtual std::vector<absl::Status> Commit(absl::Span<const ShardBatch> batches) = 0;

  // NotFound when there is none.
  virtual absl::StatusOr<Session> FindSession(const SessionId& id) = 0;
  virtual absl::StatusOr<RequestRecord> FindRequest(absl::string_view key) = 0;
  virtual absl::StatusOr<Ticket> FindTicket(absl::string_view id) = 0;
  virtual absl::StatusOr<std::vector<RefusalRecord>> FindRefusals(const SessionId& id) = 0;
  // InvalidArgument for a page_token that this store did not give.
  virtual absl::StatusOr<Page<Session>> ListSessions(const SessionFilter& filter) = 0;  // Newest request first.
  virtual absl::StatusOr<Page<Ticket>> ListTickets(const TicketFilter& filter) = 0;     // Newest first.
  virtual absl::StatusOr<std::vector<GapRecord>> ListGaps() = 0;                        // Newest first, at most 1000.

  // The oldest outbox records above `after`, at most `limit`.
  virtual absl::StatusOr<std::vector<StoredOutboxRecord>> ReadOutbox(std::int64_t after, int limit) = 0;
  // Removes what was relayed: each only if it still has this position (a replaced record has a new one).
  virtual absl::Status DeleteOutbox(absl::Span<const std::int64_t> positions) = 0;
  virtual absl::StatusOr<std::int64_t> OutboxSize() = 0;

  // Requests received before `time` are forgotten.
  virtual absl::Status DeleteRequestsBefore(absl::Time time) = 0;

  // Removes what bills nothing and never will, as far as it was last changed before `time`: at most `limit` sessions
  // that were denied or expired, not by a write-off (whose final may come yet), and of which nothing was measured, and
  // at most `limit` refusals. A fact that names one of them later is one of an unknown session. Whatever has a ticket
  // stays for ever. With `dry_run` it only counts.
  virtual absl::StatusOr<Pruned> Prune(absl::Time time, int limit, bool dry_run) = 0;

  // DataLoss or Internal when what was committed cannot be relied upon any more: a method found damage or a disk that
  // fails, a commit failed for good, or what holds the store was taken away or replaced. From then on it is the answer
  // for good, and nothing is written. Cheap: ask it before anything is said that a read or a commit has answered.
  virtual absl::Status CheckMedium() = 0;

  // Reads everything once and checks it against itself: a completed session has its final ticket, a ticket agrees with
  // its session, a final ticket's amount is its energy times its price, no session is open at or below its point's
  // booked-through number. DataLoss says what is wrong.
  virtual absl::Status CheckIntegrity() = 0;
};

}  // namespace ev::store

#endif  // EV_STORE_STORE_H_
