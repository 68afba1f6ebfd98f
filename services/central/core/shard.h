#ifndef EV_SERVICES_CENTRAL_CORE_SHARD_H_
#define EV_SERVICES_CENTRAL_CORE_SHARD_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/id_source.h"
#include "dedup/message_id_lru.h"
#include "domain/fact.h"
#include "services/central/core/effects.h"
#include "store/store.h"

namespace ev::central {

struct ShardConfig {
  Price default_price{.micros_per_kwh = 350'000, .currency = "EUR"};
  bool auto_register = true;
  bool kafka_enabled = true;  // Off: nothing is written to the outbox.
  absl::Duration command_deadline = absl::Seconds(3);
  absl::Duration grant_time_to_live = absl::Seconds(30);
  absl::Duration request_max_age = absl::Seconds(10);
  absl::Duration link_silence = absl::Seconds(3);
  std::size_t dedup_window = 1'000'000 / 12;  // Message ids remembered by this shard.
  std::size_t recent_rows = 1024;             // Closed sessions, answers and refusals kept in memory, of each kind.
  std::uint64_t dedup_seed = 0;
};

// Counted since this object was made; the adapter exports them.
struct ShardCounters {
  std::int64_t facts_applied = 0;
  std::int64_t duplicates_lru = 0;       // Dropped by message id.
  std::int64_t duplicates_sequence = 0;  // Refused by the ledger: sequence, or already booked.
  std::int64_t late_samples = 0;         // Of a session that is closed.
  std::int64_t unknown_samples = 0;      // Of a session that nobody knows.
  std::int64_t denials_dropped = 0;      // Denials not told through Kafka because the outbox was full.
};

// A charge that is asked for.
struct StartCall {
  CallId call;
  std::string request_key;  // See store::RequestRecord; empty: not idempotent.
  std::string fingerprint;
  DriverId driver;
  CpId cp;
  Target target;
  absl::Duration waited;  // On earlier hops.
  bool manual = false;    // Asked for at the charging point.
  Trace trace;            // Becomes the session's; none: a new one does.
};

struct StopCall {
  CallId call;
  SessionId session;
  DriverId driver;  // Empty: the operator. Otherwise the session must be this driver's.
};

struct WriteOffCall {
  CallId call;
  SessionId session;
  std::string who;
  std::string reason;
};

struct PointCall {
  CallId call;
  CpId cp;
};

struct CauseCall {
  CallId call;
  CpId cp;  // Empty: the whole network (this shard's part of it).
  Cause cause = Cause::kOperator;
  std::string who;
  std::string reason;
};

struct CreatePointCall {
  CallId call;
  CpId cp;
  std::string location;
  std::string site;
  std::optional<Price> price;  // Default: the network's.
  std::string request_key;
  std::string fingerprint;
};

struct UpdatePointCall {
  CallId call;
  CpId cp;
  std::optional<std::string> location;
  std::optional<std::string> site;
  std::optional<Price> price;  // Counts for charges granted from now on.
};

// A Monitor introduces its charging point.
struct LinkHello {
  StreamId stream;
  CpId cp;
  std::string location;
  std::string site;
  GrantNumber mark;  // The highest grant number that its Engine knows.
  std::string journal_id;
  LinkEpoch highest_epoch;  // The highest that its Engine has seen.
  std::string monitor_version;
};

// One message of a fact topic. `fact` is null when it could not be decoded, `error` then says why.
struct IncomingFact {
  const Fact* fact = nullptr;
  absl::string_view error;
  bool is_misplaced = false;  // Facts of its charging point belong into another partition: to another shard.
  std::int64_t offset = 0;
  absl::string_view key;
  absl::string_view body;
  absl::Span<const std::pair<absl::string_view, absl::string_view>> headers;
  absl::Time written = absl::InfinitePast();  // When the broker or the producer stamped it; InfinitePast: nobody did.
};

// The next messages of one partition: everything in [base, next).
struct FactBatch {
  absl::string_view topic;
  int partition = 0;
  std::int64_t base = 0;
  std::int64_t next = 0;
  absl::Span<const IncomingFact> facts;
};

// Rows that an input names. What the shard has in memory counts; the rest is read by the adapter.
struct RowKeys {
  std::vector<SessionId> sessions;  // Their refusals are wanted too.
  std::vector<std::string> requests;
  std::int64_t evictions = 0;  // Filled by Missing(), handed back to Admit().

  bool empty() const { return sessions.empty() && requests.empty(); }
};
struct FetchedRows {
  std::vector<Session> sessions;
  std::vector<store::RequestRecord> requests;
  std::vector<store::RefusalRecord> refusals;
};

// What a request_id means to a mutating call.
enum class RequestUse {
  kNew,
  kRepeat,  // Done before: change nothing, answer with what is now.
  kReused,  // Used before with other parameters: ReusedRequestId().
};

// Everything about the charging points of one shard is decided here: reservations, links, ledger, deduplication.
//
// Inputs change memory at once and append effects; the changed rows are taken by TakeBatch() and committed by the
// adapter, which releases the effects only then. Its memory grows with charging points and open sessions, not with
// history: closed sessions, answers and refusals are kept up to a bound and read again through Missing()/Admit().
//
// Not thread-safe: the owner holds one mutex around it. No I/O, no clock, no randomness of its own.
class Shard {
 public:
  // `state` is what the store loaded. Sessions that were being asked for are unconfirmed now: their answer is lost.
  // `incarnation` is the store's; `ids` must outlive the shard.
  Shard(const ShardConfig& config, store::ShardState state, std::int64_t incarnation, IdSource& ids);

  // --- rows that are not in memory --------------------------------------------------------------------------------
  // Which of `wanted` must be read before the input that names them is given.
  RowKeys Missing(const RowKeys& wanted) const;
  // Takes what was read for `keys`; what is not among it does not exist. A request that came may name a session that is
  // missing in its turn. Returns false when what was read may be stale, also what was admitted before it for the same
  // input: begin again.
  bool Admit(const RowKeys& keys, FetchedRows rows);

  // --- calls ------------------------------------------------------------------------------------------------------
  // For calls that do not carry their request key themselves. An empty key is always new and is not remembered.
  RequestUse UseOf(const std::string& key, const std::string& fingerprint) const;
  void RememberRequest(const Moment& now, const std::string& key, const std::string& fingerprint);
  void StartSession(const Moment& now, const StartCall& call, Effects& out);
  // The wish is kept in the session, and sent until it has ended, whatever the caller is answered.
  void StopSession(const Moment& now, const StopCall& call, Effects& out);
  void GetSession(const CallId& call, const SessionId& id, Effects& out);
  // Closes at the last booked figures with an estimated ticket; a final that comes later is refused. Not while its
  // charging point reports the session. One that has not started, of a disconnected charging point, is DENIED or
  // EXPIRED without a ticket; a final that comes later is booked as recovered.
  void WriteOffSession(const Moment& now, const WriteOffCall& call, Effects& out);
  void CreatePoint(const Moment& now, const CreatePointCall& call, Effects& out);
  void UpdatePoint(const Moment& now, const UpdatePointCall& call, Effects& out);
  // Refused while it is linked: it would be back, as a new one, with its next hello.
  void DeletePoint(const Moment& now, const PointCall& call, Effects& out);
  void GetPoint(const Moment& now, const PointCall& call, Effects& out);
  void ListPoints(const Moment& now, const CallId& call, Effects& out);
  // Answer with the charging point (or, for the whole network, its charging points) and the causes that remain.
  void SetCause(const Moment& now, const CauseCall& call, Effects& out);
  void ClearCause(const Moment& now, const CauseCall& call, Effects& out);

  // --- links ------------------------------------------------------------------------------------------------------
  void OnHello(const Moment& now, const LinkHello& hello, Effects& out);
  // What comes from an epoch that is not the newest changes nothing.
  void OnReport(const Moment& now, const CpId& cp, LinkEpoch epoch, EngineReport report, Effects& out);
  // A beat that brings no report: the Engine has said nothing since the last. `health` is the Monitor's own judgement.
  void OnBeat(const Moment& now, const CpId& cp, LinkEpoch epoch, EngineHealth health, Effects& out);
  // A beat whose content cannot be taken in now: it counts as heard, and has no effect.
  void OnSignOfLife(const Moment& now, const CpId& cp, LinkEpoch epoch);
  void OnAnswer(const Moment& now, const CpId& cp, LinkEpoch epoch, const CommandAnswer& answer, Effects& out);
  void OnLinkClosed(const Moment& now, const CpId& cp, LinkEpoch epoch, Effects& out);
  // The command never left: the link had gone.
  void OnUndelivered(const Moment& now, const CpId& cp, LinkEpoch epoch, const Command& command, Effects& out);

  // --- facts ------------------------------------------------------------------------------------------------------
  // Messages below next_offset() of that partition are passed over: they are in the ledger.
  void ApplyFacts(const Moment& now, const FactBatch& batch, Effects& out);
  // The log lost or never had what the store expects: written down, said, and consuming goes on at `resume`.
  void OnGap(const Moment& now, const store::GapRecord& gap, std::int64_t resume, Effects& out);
  // Facts come from this cluster only after the operator's consent: said.
  void OnUnknownCluster(const Moment& now, absl::string_view cluster_id, absl::string_view known, Effects& out);
  // Unset: nothing was consumed yet.
  std::optional<std::int64_t> next_offset(absl::string_view topic, int partition) const;

  // --- time -------------------------------------------------------------------------------------------------------
  // Deadlines, silence and beats. To be called several times a second.
  void Tick(const Moment& now, Effects& out);

  // --- the committer's side ---------------------------------------------------------------------------------------
  struct Batch {
    store::ShardBatch rows;  // Without outbox rows.
    std::vector<OutboxItem> outbox;
    std::int64_t version = 0;
  };
  bool dirty() const { return version_ != taken_version_; }
  std::int64_t version() const { return version_; }
  Batch TakeBatch();
  void OnDurable(std::int64_t version) { durable_version_ = version; }
  // The outbox is near its bound: keep only each session's newest transition, drop denials.
  void SetOutboxFull(bool full) { outbox_full_ = full; }

  // --- figures ----------------------------------------------------------------------------------------------------
  const ShardCounters& counters() const { return counters_; }
  const dedup::MessageIdLru& dedup() const { return dedup_; }
  int shard() const { return state_.shard; }
  std::int64_t epoch() const { return state_.epoch; }
  std::int64_t links() const;
  PointState shown(const CpId& cp) const;  // As told last; kDisconnected when there is no such point.
  std::int64_t PointsIn(PointState state) const;
  std::int64_t SessionsIn(SessionState state) const;  // Open ones and recent ones.
  std::int64_t commands_waiting() const { return static_cast<std::int64_t>(pending_.size()); }

 private:
  struct Link {
    LinkEpoch epoch;
    bool open = false;
    bool configured = false;      // The newest report was made under this epoch's configuration.
    bool was_configured = false;  // Some report on this link was.
    std::string monitor_version;
    GrantNumber configured_highest;  // As sent first: a later configuration must not overtake a PrepareSession.
    absl::Duration opened = absl::InfiniteDuration();
    absl::Duration next_beat_out = -absl::InfiniteDuration();
    absl::Duration next_nudge = -absl::InfiniteDuration();  // CancelGrant and stop repeats: one a second.
  };
  struct Point {
    ChargingPoint record;
    Link link;
    // What counts was said after the configuration of its link had been taken. It stays, and so does the state shown,
    // when the link goes: only silence ends it.
    EngineReport report;
    bool is_report_valid = false;  // The Engine says so itself, under its link's configuration.
    absl::Duration last_beat = -absl::InfiniteDuration();
    absl::Time last_seen = absl::InfinitePast();
    SessionId holder;                                         // Empty: nobody.
    SessionId last_asked;                                     // Of the highest grant, since this start.
    absl::btree_set<std::pair<GrantNumber, SessionId>> open;  // IsOpen() sessions.
    PointState shown = PointState::kDisconnected;
    PointState last_state = PointState::kDisconnected;
    bool is_new = false;
    bool dirty = false;    // In dirty_points_.
    bool touched = false;  // In touched_points_.
  };
  struct SessionRow {
    Session session;
    std::int64_t changed_version = 0;
    std::optional<SessionState> announced;  // What watchers were told last.
    bool dirty = false;                     // In dirty_sessions_.
    bool touched = false;                   // In touched_sessions_.
    bool has_refusals = false;              // Its refusals are in refusals_, all of them; unset: they must be read.
    std::vector<CallId> waiting;            // Callers of StartSession, until the charging point has answered.
  };
  struct Refusals {
    std::vector<store::RefusalRecord> records;
    std::int64_t changed_version = 0;
  };
  // A command that waits for its answer.
  struct Pending {
    CpId cp;
    LinkEpoch epoch;
    SessionId session;
    std::vector<CallId> calls;            // Of StopSession; those of StartSession wait at the session.
    EndReason reason = EndReason::kNone;  // Of a stop; kNone: only to raise the mark.
    absl::Duration deadline;
    bool prepare = false;
  };

  Point* FindPoint(const CpId& cp);
  SessionRow* FindRow(const SessionId& id);
  // None when the session is not in memory.
  Trace TraceOf(const SessionId& id) const;
  SessionRow* Holder(const Point& point) { return FindRow(point.holder); }
  void Touch(SessionRow& row);   // Changed: to be written and told.
  void Touch(Point& point);      // Record changed: to be written and told.
  void TouchView(Point& point);  // Only what is shown changed.
  // Ends every input: emits what watchers must see, once for each changed session and charging point.
  void Announce(const Moment& now, Effects& out);
  PointState StateOf(const Point& point, const Moment& now) const;
  PointView View(const Point& point, const Moment& now);
  std::vector<OutOfService> CausesOf(const Point& point) const;
  // A beat was heard within the limit, be the stream open or not.
  bool IsFresh(const Point& point, const Moment& now) const;

  // Does nothing and returns false where the state table forbids it.
  bool Move(const Moment& now, SessionRow& row, SessionState to);
  void Deny(const Moment& now, SessionRow& row, SessionState to, DenialReason reason, absl::string_view text);
  Point& AddPoint(ChargingPoint record, bool is_new);
  SessionRow& AddSession(Session session);
  std::optional<Failure> WhyNotOffered(const CpId& cp, const Moment& now);
  void AnswerWaiting(SessionRow& row, Effects& out);
  void TellDenial(const Moment& now, const StartCall& call, const Trace& trace, const Failure& failure);
  bool AnswerKnownRequest(const StartCall& call, Effects& out);
  void Send(const Moment& now, Point& point, decltype(Command::body) body, Pending pending, Effects& out);
  void SendConfiguration(const Point& point, Effects& out) const;
  // Ends what holds the charging point: cancels a grant, stops a charge.
  void SendStop(const Moment& now, Point& point, SessionRow& row, EndReason reason, std::vector<CallId> calls,
                Effects& out);
  // The charging point has no grant of this session any more, and energy has not flowed. `told` is what Central told it
  // to end the session for, if it did.
  void OnGrantGone(const Moment& now, const Point& point, SessionRow& row, EndReason told);
  EndReason PendingStopOf(const SessionId& id) const;
  void OnPrepareAnswer(const Moment& now, SessionRow& row, const CommandAnswer& answer);
  void OnStopAnswer(const Moment& now, Point& point, SessionRow& row, const CommandAnswer& answer, Pending pending,
                    Effects& out);
  EngineHealth Judge(const Moment& now, const Point& point, EngineHealth health) const;
  void Hear(const Moment& now, Point& point, EngineReport report, Effects& out);
  void RaiseNumbers(Point& point, GrantNumber mark);
  void TakeJournal(const Moment& now, Point& point, const std::string& id);
  // It is connected, and occupied by the session or still has facts of it, as far as its list tells.
  bool StillReports(const Point& point, const SessionId& id, const Moment& now) const;
  std::optional<Failure> WhyNotWrittenOff(const Session& session, const Moment& now);
  void Reconcile(const Moment& now, Point& point, Effects& out);
  void ApplyCauses(const Moment& now, const CauseCall& call, Effects& out);
  void TickPoint(const Moment& now, Point& point, Effects& out);

  void ApplyFact(const Moment& now, const FactBatch& batch, const IncomingFact& in, Effects& out);
  // Of starts and finals.
  static bool IsBooked(const Fact& fact, const SessionRow* row);
  // False: it was put aside.
  bool ApplySample(const Moment& now, const FactBatch& batch, const IncomingFact& in, SessionRow& row, Effects& out);
  void ApplyStart(const Moment& now, const Fact& fact, SessionRow& row);
  bool ApplyFinal(const Moment& now, const FactBatch& batch, const IncomingFact& in, SessionRow& row, Effects& out);
  // Once start and final are both booked: does the meter say the same as the final energy?
  void CompareRegisters(const Moment& now, const Session& session);
  void Refuse(const Moment& now, const FactBatch& batch, const IncomingFact& in, const std::string& reason,
              const std::string& detail, Effects& out);
  void PutAside(const Moment& now, const FactBatch& batch, const IncomingFact& in, const std::string& reason,
                const std::string& detail, Effects& out);
  // Tells the charging point what of a session's start and final, as far as asked, is settled. A refusal names its
  // fact: the charging point may have kept another.
  void Settle(const CpId& cp, const SessionId& id, bool start, bool final, Effects& out) const;
  void Settle(const Fact& fact, Effects& out) const;
  void RaiseAlert(const Moment& now, AlertKind kind, const CpId& cp, const SessionId& session, std::string text);
  void IssueTicket(const Moment& now, SessionRow& row, bool estimated, bool recovered);

  void Remember(store::RequestRecord record, bool is_new);
  void Remember(store::RefusalRecord record, bool is_new);
  // Forgets closed sessions, answers and refusals above the bound, the oldest first, and only what is durable.
  void EvictRecent();
  bool EvictSession(const SessionId& id);

  const ShardConfig config_;
  store::ShardState state_;  // Of it: shard, epoch and network_causes. Points and sessions live below.
  const std::int64_t incarnation_;
  IdSource& ids_;
  dedup::MessageIdLru dedup_;

  absl::btree_map<CpId, std::unique_ptr<Point>> points_;  // Ordered: the same inputs have the same effects.
  absl::flat_hash_map<SessionId, std::unique_ptr<SessionRow>> sessions_;
  absl::flat_hash_map<std::string, std::pair<store::RequestRecord, std::int64_t>> requests_;  // With changed version.
  absl::flat_hash_map<SessionId, Refusals> refusals_;  // Those of a session in memory go with it.
  std::deque<SessionId> closed_;                       // Candidates for eviction, oldest first.
  std::deque<std::string> request_order_;
  std::deque<SessionId> refusal_order_;  // Of sessions that nobody knows.
  absl::flat_hash_map<CommandId, Pending> pending_;
  absl::flat_hash_map<std::pair<std::string, int>, store::OffsetAdvance> offsets_;
  std::int64_t next_command_ = 0;
  std::int64_t revision_ = 0;
  std::int64_t evictions_ = 0;
  LinkEpoch highest_deleted_epoch_;  // Of charging points that were deleted: one that comes back continues above it.
  ShardCounters counters_;
  bool outbox_full_ = false;
  std::vector<AlertRaised> raised_;  // Since the last Announce().

  // Changed since the last TakeBatch().
  std::int64_t version_ = 0;
  std::int64_t taken_version_ = 0;
  std::int64_t durable_version_ = 0;
  std::vector<Point*> dirty_points_;
  std::vector<SessionRow*> dirty_sessions_;
  std::vector<CpId> deleted_points_;
  std::vector<Ticket> tickets_;
  std::vector<store::RequestRecord> new_requests_;
  std::vector<store::RefusalRecord> new_refusals_;
  std::vector<store::GapRecord> gaps_;
  std::vector<OutboxItem> outbox_;
  bool network_causes_changed_ = false;

  // Touched by the input at hand, in order of the first touch.
  std::vector<Point*> touched_points_;
  std::vector<SessionRow*> touched_sessions_;
  std::vector<Ticket> fresh_tickets_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_CORE_SHARD_H_
