#include "services/central/adapters/shard_host.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/stop_pause.h"
#include "events/murmur2.h"
#include "log/log.h"
#include "metrics/total.h"

namespace ev::central {
namespace {

constexpr int kMaxFetchRounds = 8;
// After a pause (suspended, SIGSTOP) what waited in sockets is taken in before silence is judged.
constexpr absl::Duration kPause = absl::Seconds(1);
constexpr absl::Duration kLookAtMedium = absl::Seconds(1);

std::string Lower(absl::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower;
}

}  // namespace

struct ShardHost::Slot {
  Slot(const ShardConfig& config, store::ShardState state, std::int64_t incarnation, std::uint64_t seed)
      : ids(seed), shard(config, std::move(state), incarnation, ids) {}

  Mutex mutex;
  RandomIdSource ids ABSL_GUARDED_BY(mutex);
  Shard shard ABSL_GUARDED_BY(mutex);
  Effects effects ABSL_GUARDED_BY(mutex);  // Wait for the next commit.
};

struct ShardHost::Metrics {
  using Total = metrics::Total;

  Metrics(metrics::Registry& of, const std::string& currency) : registry(of) {
    // Each at 0 from the start.
    for (int i = 1; i <= kEndReasons; ++i) Tickets(static_cast<EndReason>(i));
    billed_energy = registry.AddCounter("ev_billed_energy_mwh_total", "Energy of the tickets issued since the start.");
    BilledAmount(currency);
    for (const char* reason : kDeadLetterReasons) DeadLetters(reason);
    for (int kind = 1; kind <= kAlertKinds; ++kind) Alerts(static_cast<AlertKind>(kind));
    commit_seconds =
        registry.AddHistogram("ev_commit_seconds", "Duration of a group commit.", metrics::LatencyBuckets());
    commit_rows = registry.AddHistogram("ev_commit_rows", "Rows written by a group commit.",
                                        {1, 2, 5, 10, 50, 100, 500, 1000, 5000, 10000, 50000});
    commit_failures = registry.AddCounter("ev_commit_failures_total", "Commits that were refused or failed.");
    for (int i = 1; i <= kPointStates; ++i) {
      const auto state = static_cast<PointState>(i);
      points.push_back(
          registry.AddGauge("ev_charging_points", "Charging points by shown state.", {{"state", Lower(Name(state))}}));
    }
    for (int i = 1; i <= kSessionStates; ++i) {
      const auto state = static_cast<SessionState>(i);
      sessions.push_back(registry.AddGauge("ev_sessions", "Sessions in memory (open and recent) by state.",
                                           {{"state", Lower(Name(state))}}));
    }
    links = registry.AddGauge("ev_links", "Open links of charging points.");
    outbox = registry.AddGauge("ev_outbox_rows", "Messages that wait for Kafka.");
    outbox_failures = registry.AddCounter("ev_outbox_read_failures_total", "Reads of the outbox's size that failed.");
    outbox_bound = registry.AddGauge("ev_outbox_rows_bound", "The bound of ev_outbox_rows.");
    backlog = registry.AddGauge("ev_commit_backlog", "Effects that wait for a commit or for its end.");
    backlog_bound = registry.AddGauge("ev_commit_backlog_bound",
                                      "Beyond it no facts are taken from Kafka and requests are refused.");
    calls = registry.AddGauge("ev_calls_waiting", "Calls that wait for a charging point or a commit.");
    calls_bound = registry.AddGauge("ev_calls_waiting_bound", "Beyond it requests are refused.");
    applied = Total(registry.AddCounter("ev_facts_applied_total", "Facts applied to the ledger."));
    const auto guard = [&](const char* name) {
      return Total(registry.AddCounter("ev_duplicates_total", "Repeated facts by the guard that dropped them.",
                                       {{"guard", name}}));
    };
    duplicates_lru = guard("message_id");
    duplicates_sequence = guard("ledger");
    late = Total(registry.AddCounter("ev_late_samples_total", "Samples of closed sessions, dropped."));
    unknown = Total(registry.AddCounter("ev_unknown_samples_total", "Samples of unknown sessions, dropped."));
    denials_dropped =
        Total(registry.AddCounter("ev_denials_dropped_total", "Denials not sent to Kafka: the outbox was full."));
    dedup_size = registry.AddGauge("ev_dedup_ids", "Message ids remembered.");
    dedup_bytes = registry.AddGauge("ev_dedup_bytes", "Memory of the remembered message ids.");
    dedup_evictions = Total(registry.AddCounter("ev_dedup_evictions_total", "Message ids forgotten for newer ones."));
  }

  metrics::Counter DeadLetters(const std::string& reason) {
    return registry.AddCounter("ev_dead_letters_total", "Messages put aside by reason.", {{"reason", Lower(reason)}});
  }

  metrics::Counter Tickets(EndReason reason) {
    return registry.AddCounter("ev_tickets_total", "Tickets issued since the start, by why the charge ended.",
                               {{"end_reason", Lower(Name(reason))}});
  }

  // Of the currencies that operators have set, one is there from the start: that of new charging points.
  metrics::Counter BilledAmount(const std::string& currency) {
    return registry.AddCounter("ev_billed_micros_total", "Amount of the tickets issued since the start, in millionths.",
                               {{"currency", currency}});
  }

  metrics::Counter Alerts(AlertKind kind) {
    return registry.AddCounter("ev_alerts_total", "What operators should know, by kind; on Kafka when it takes it.",
                               {{"kind", Lower(Name(kind))}});
  }

  metrics::Registry& registry;
  metrics::Histogram commit_seconds, commit_rows;
  metrics::Counter commit_failures, outbox_failures, billed_energy;
  std::vector<metrics::Gauge> points, sessions;
  metrics::Gauge links, outbox, outbox_bound, backlog, backlog_bound, calls, calls_bound, dedup_size, dedup_bytes;
  // Set by Collect() only, of which one runs at a time.
  Total applied, duplicates_lru, duplicates_sequence, late, unknown, denials_dropped, dedup_evictions;
};

absl::StatusOr<std::unique_ptr<ShardHost>> ShardHost::Create(const HostOptions& options, store::Store& store,
                                                             const Clock& clock, OutboxEncoder encoder,
                                                             metrics::Registry& registry) {
  auto states = store.TakeShards(options.owner, options.address);
  if (!states.ok()) return states.status();
  std::unique_ptr<ShardHost> host(new ShardHost(options, store, clock, std::move(encoder), registry));
  ShardConfig config = options.shard;
  config.dedup_window = std::max<std::size_t>(1, config.dedup_window / states->size());
  for (store::ShardState& state : *states) {
    const MessageId seed = host->ids_.NewMessageId(clock.Now().utc);
    std::uint64_t bits = 0;
    for (int i = 8; i < 16; ++i) bits = bits << 8 | seed.bytes[i];
    config.dedup_seed = bits * 0x9e3779b97f4a7c15ULL;
    host->slots_.push_back(std::make_unique<Slot>(config, std::move(state), store.incarnation(), bits));
  }
  return host;
}

ShardHost::ShardHost(const HostOptions& options, store::Store& store, const Clock& clock, OutboxEncoder encoder,
                     metrics::Registry& registry)
    : options_(options),
      store_(store),
      clock_(clock),
      encoder_(std::move(encoder)),
      metrics_(std::make_unique<Metrics>(registry, options.shard.default_price.currency)),
      collect_(registry.OnCollect([this] { Collect(); })) {
  metrics_->outbox_bound.Set(static_cast<double>(options.outbox_bound));
  metrics_->backlog_bound.Set(static_cast<double>(options.backlog_bound));
  metrics_->calls_bound.Set(static_cast<double>(options.calls_bound));
}

ShardHost::~ShardHost() {
  ticker_ = std::jthread();
  committer_ = std::jthread();
  collect_.reset();
}

void ShardHost::Start() {
  ShowStore();
  if (readiness_ != nullptr) readiness_->SetReady("outbox");
  LookAtOutbox();
  committer_ = std::jthread([this](const std::stop_token& stop) { CommitLoop(stop); });
  ticker_ = std::jthread([this](const std::stop_token& stop) { TickLoop(stop); });
  Wake();
}

void ShardHost::Stop(absl::Duration limit) {
  ticker_ = std::jthread();
  const absl::Duration end = clock_.Now().monotonic + limit;
  {
    MutexLock lock(wake_mutex_);
    while ((has_work_ || !is_idle_) && !stopped_) {
      const absl::Duration left = end - clock_.Now().monotonic;
      if (left <= absl::ZeroDuration()) {
        log::Error("not everything was committed before the end", {{"effects", backlog_.load()}, {"limit", limit}});
        break;
      }
      idle_.WaitFor(wake_mutex_, left);
    }
    stopped_ = true;
  }
  committer_ = std::jthread();
  absl::flat_hash_map<CallId, std::function<void(const CallResult&)>> left;
  {
    MutexLock lock(calls_mutex_);
    left.swap(calls_);
  }
  const CallResult stopping = Failure{absl::UnavailableError("Central is stopping; ask again"), "STOPPING"};
  for (auto& [id, done] : left) done(stopping);
}

int ShardHost::ShardOf(const CpId& cp) const {
  return PartitionFor(cp.value(), shards());
}

PointState ShardHost::ShownState(const CpId& cp) const {
  Slot& slot = *slots_[ShardOf(cp)];
  MutexLock lock(slot.mutex);
  return slot.shard.shown(cp);
}

absl::Status ShardHost::Apply(int shard, const RowKeys& rows, Input input) {
  Slot& slot = *slots_[shard];
  RowKeys asked;  // Fetched already; what was not found does not exist.
  const auto drop_asked = [&asked](RowKeys& missing) {
    std::erase_if(missing.sessions, [&](const SessionId& id) {
      return std::find(asked.sessions.begin(), asked.sessions.end(), id) != asked.sessions.end();
    });
    std::erase_if(missing.requests, [&](const std::string& key) {
      return std::find(asked.requests.begin(), asked.requests.end(), key) != asked.requests.end();
    });
  };
  std::optional<FetchedRows> fetched;
  RowKeys missing;
  for (int round = 0; round < kMaxFetchRounds; ++round) {
    {
      MutexLock lock(wake_mutex_);
      if (stopped_) return absl::UnavailableError("Central is stopping; ask again");
    }
    {
      MutexLock lock(slot.mutex);
      if (fetched.has_value()) {
        if (slot.shard.Admit(missing, *std::exchange(fetched, std::nullopt))) {
          asked.sessions.insert(asked.sessions.end(), missing.sessions.begin(), missing.sessions.end());
          asked.requests.insert(asked.requests.end(), missing.requests.begin(), missing.requests.end());
        } else {
          asked = {};
        }
      }
      if (!rows.empty()) {
        missing = slot.shard.Missing(rows);
        drop_asked(missing);
      }
      if (missing.empty()) {
        const std::size_t before = slot.effects.size();
        input(slot.shard, clock_.Now(), slot.effects);
        backlog_ += static_cast<std::int64_t>(slot.effects.size() - before);
        if (!slot.shard.dirty() && slot.effects.empty()) return absl::OkStatus();
      }
    }
    if (missing.empty()) {
      Wake();
      return absl::OkStatus();
    }
    fetched.emplace();
    for (const SessionId& id : missing.sessions) {
      if (auto session = store_.FindSession(id); session.ok()) {
        fetched->sessions.push_back(*std::move(session));
      } else if (!absl::IsNotFound(session.status())) {
        return session.status();
      }
      auto refusals = store_.FindRefusals(id);
      if (!refusals.ok()) return refusals.status();
      fetched->refusals.insert(fetched->refusals.end(), refusals->begin(), refusals->end());
    }
    for (const std::string& key : missing.requests) {
      if (auto request = store_.FindRequest(key); request.ok()) {
        fetched->requests.push_back(*std::move(request));
      } else if (!absl::IsNotFound(request.status())) {
        return request.status();
      }
    }
  }
  return absl::UnavailableError("rows changed faster than they could be read; ask again");
}

CallId ShardHost::Await(std::function<void(const CallResult&)> done) {
  MutexLock lock(calls_mutex_);
  const CallId id(++next_call_);
  calls_[id] = std::move(done);
  return id;
}

bool ShardHost::RefusesCalls() {
  if (is_behind()) return true;
  MutexLock lock(calls_mutex_);
  return std::ssize(calls_) >= options_.calls_bound;
}

void ShardHost::Forget(CallId call) {
  MutexLock lock(calls_mutex_);
  calls_.erase(call);
}

// --- committing ------------------------------------------------------------------------------------------------------

void ShardHost::Wake() {
  MutexLock lock(wake_mutex_);
  has_work_ = true;
  wake_.Signal();
}

void ShardHost::CommitLoop(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { Wake(); });
  while (!stop.stop_requested()) {
    {
      MutexLock lock(wake_mutex_);
      if (!has_work_ && !stop.stop_requested()) {
        is_idle_ = true;
        idle_.SignalAll();
        wake_.WaitFor(wake_mutex_, kLookAtMedium);  // Without work, too: see CommitOnce().
      }
      has_work_ = false;
      is_idle_ = false;
      if (stopped_) break;
    }
    while (CommitOnce()) {
    }
  }
  MutexLock lock(wake_mutex_);
  is_idle_ = true;
  idle_.SignalAll();
}

bool ShardHost::CommitOnce() {
  struct Taken {
    int shard;
    std::int64_t version;
    Effects effects;
  };
  std::vector<Taken> taken;
  std::vector<store::ShardBatch> batches;
  std::vector<int> batch_of;
  bool has_outbox = false;
  std::size_t rows = 0;
  for (int i = 0; i < shards(); ++i) {
    Slot& slot = *slots_[i];
    std::optional<Shard::Batch> batch;
    Effects effects;
    {
      MutexLock lock(slot.mutex);
      if (slot.shard.dirty()) batch = slot.shard.TakeBatch();
      effects.swap(slot.effects);
    }
    if (!batch.has_value() && effects.empty()) continue;
    taken.push_back({i, batch.has_value() ? batch->version : 0, std::move(effects)});
    if (!batch.has_value()) continue;
    for (const OutboxItem& item : batch->outbox) batch->rows.outbox.push_back(encoder_(item));
    has_outbox |= !batch->rows.outbox.empty();
    rows += batch->rows.sessions.size() + batch->rows.points.size() + batch->rows.tickets.size() +
            batch->rows.outbox.size();
    batches.push_back(std::move(batch->rows));
  }
  if (!batches.empty()) {
    const Moment before = clock_.Now();
    const std::vector<absl::Status> statuses = store_.Commit(batches);
    metrics_->commit_seconds.Observe(absl::ToDoubleSeconds(clock_.Now().monotonic - before.monotonic));
    metrics_->commit_rows.Observe(static_cast<double>(rows));
    for (std::size_t i = 0; i < statuses.size(); ++i) {
      if (statuses[i].ok()) continue;
      Fail(absl::Status(statuses[i].code(),
                        absl::StrCat("commit of shard ", batches[i].shard, ": ", statuses[i].message())));
      return false;
    }
  }
  for (const store::ShardBatch& batch : batches) {
    for (const Ticket& ticket : batch.tickets) CountTicket(ticket);
  }
  if (has_outbox) LookAtOutbox();
  // Also when there was nothing to commit: what leaves may have been read from the store, and an idle Central must not
  // go on without one.
  if (const absl::Status medium = store_.CheckMedium(); !medium.ok()) {
    Fail(medium);
    return false;
  }
  if (taken.empty()) return false;
  for (Taken& t : taken) {
    if (t.version > 0) {
      MutexLock lock(slots_[t.shard]->mutex);
      slots_[t.shard]->shard.OnDurable(t.version);
    }
    const auto count = static_cast<std::int64_t>(t.effects.size());
    Deliver(t.shard, std::move(t.effects));
    backlog_ -= count;
  }
  if (has_outbox && on_outbox_) on_outbox_();
  if (on_offsets_) {
    for (const store::ShardBatch& batch : batches) {
      if (!batch.offsets.empty()) on_offsets_(batch.offsets);
    }
  }
  return true;
}

void ShardHost::CountTicket(const Ticket& ticket) {
  metrics_->Tickets(ticket.end_reason).Increment();
  metrics_->billed_energy.Increment(static_cast<double>(ticket.energy_mwh));
  metrics_->BilledAmount(ticket.price.currency).Increment(static_cast<double>(ticket.amount_micros));
}

void ShardHost::ShowStore() {
  if (readiness_ == nullptr) return;
  if (is_behind()) {
    readiness_->SetDegraded("store", "too much waits for it: calls are refused (OVERLOADED)");
  } else {
    readiness_->SetReady("store");
  }
}

void ShardHost::LookAtOutbox() {
  MutexLock one(outbox_mutex_);
  const absl::StatusOr<std::int64_t> size = store_.OutboxSize();
  if (!size.ok()) {
    // What was known last holds; the next commit that writes to the outbox looks again.
    metrics_->outbox_failures.Increment();
    if (!std::exchange(outbox_failure_said_, true)) {
      log::Error("the outbox cannot be read; said once", {{"reason", size.status()}});
    }
    return;
  }
  outbox_failure_said_ = false;
  metrics_->outbox.Set(static_cast<double>(*size));
  const bool is_full = *size >= options_.outbox_bound;
  if (is_outbox_full_.exchange(is_full) == is_full) return;
  if (is_full) {
    log::Warn("the outbox is full: denials and alerts do not reach Kafka, of each session only the newest does",
              {{"rows", *size}, {"bound", options_.outbox_bound}});
    if (readiness_ != nullptr) readiness_->SetDegraded("outbox", "full: denials and alerts do not reach Kafka");
  } else {
    log::Info("the outbox has room again", {{"rows", *size}, {"bound", options_.outbox_bound}});
    if (readiness_ != nullptr) readiness_->SetReady("outbox");
  }
  for (const auto& slot : slots_) {
    MutexLock lock(slot->mutex);
    slot->shard.SetOutboxFull(is_full);
  }
}

void ShardHost::Fail(const absl::Status& status) {
  metrics_->commit_failures.Increment();
  {
    MutexLock lock(wake_mutex_);
    if (std::exchange(stopped_, true)) return;
    idle_.SignalAll();
  }
  if (on_failure_) on_failure_(status);
}

void ShardHost::Deliver(int shard, Effects effects) {
  for (Effect& effect : effects) {
    if (auto* reply = std::get_if<Reply>(&effect)) {
      std::function<void(const CallResult&)> done;
      {
        MutexLock lock(calls_mutex_);
        const auto it = calls_.find(reply->call);
        if (it == calls_.end()) continue;
        done = std::move(it->second);
        calls_.erase(it);
      }
      done(reply->result);
    } else if (auto* message = std::get_if<LinkMessage>(&effect)) {
      if (links_ != nullptr && links_->Send(*message)) continue;
      const auto* command = std::get_if<Command>(&message->body);
      if (command == nullptr) continue;
      const absl::Status applied = Apply(shard, [&](Shard& s, const Moment& now, Effects& out) {
        s.OnUndelivered(now, message->cp, message->epoch, *command, out);
      });
      // Only a host that stops takes nothing: what it means for the session is known at the next start.
      if (applied.ok()) continue;
      const log::TraceScope scope(TraceOf(*command));
      log::Warn("a command was not delivered",
                {{"cp_id", message->cp}, {"session_id", SessionOf(*command)}, {"reason", applied}});
    } else if (auto* accepted = std::get_if<LinkAccepted>(&effect)) {
      if (links_ != nullptr) links_->Accept(*accepted);
    } else if (auto* refused = std::get_if<LinkRefused>(&effect)) {
      if (links_ != nullptr) links_->Refuse(*refused);
    } else if (auto* session = std::get_if<SessionChanged>(&effect)) {
      for (Observer* observer : observers_) observer->OnSession(*session);
    } else if (auto* point = std::get_if<PointChanged>(&effect)) {
      for (Observer* observer : observers_) observer->OnPoint(*point);
    } else if (auto* denied = std::get_if<RequestDenied>(&effect)) {
      for (Observer* observer : observers_) observer->OnDenied(*denied);
    } else if (auto* letter = std::get_if<DeadLettered>(&effect)) {
      metrics_->DeadLetters(letter->reason).Increment();
      for (Observer* observer : observers_) observer->OnDeadLetter(*letter);
    } else if (auto* alert = std::get_if<AlertRaised>(&effect)) {
      metrics_->Alerts(alert->kind).Increment();
      for (Observer* observer : observers_) observer->OnAlert(*alert);
    }
  }
}

// --- time and figures ------------------------------------------------------------------------------------------------

void ShardHost::TickLoop(const std::stop_token& stop) {
  StopPause pause(stop);
  absl::Duration last = clock_.Now().monotonic;
  while (pause.For(options_.tick)) {
    const absl::Duration now = clock_.Now().monotonic;
    const bool was_paused = now - std::exchange(last, now) > kPause + options_.tick;
    ShowStore();
    if (was_paused || is_behind()) continue;
    if (is_outbox_full_) LookAtOutbox();  // The relay may have made room.
    for (int i = 0; i < shards(); ++i) {
      const absl::Status applied = Apply(i, [](Shard& shard, const Moment& at, Effects& out) { shard.Tick(at, out); });
      if (!applied.ok()) return;
    }
  }
}

void ShardHost::Collect() {
  Metrics& m = *metrics_;
  std::vector<double> points(kPointStates), sessions(kSessionStates);
  double links = 0, applied = 0, lru = 0, sequence = 0, late = 0, unknown = 0, dropped = 0, ids = 0, bytes = 0,
         evictions = 0;
  const auto add = [&](const Shard& shard) {
    for (int i = 0; i < kPointStates; ++i) {
      points[i] += static_cast<double>(shard.PointsIn(static_cast<PointState>(i + 1)));
    }
    for (int i = 0; i < kSessionStates; ++i) {
      sessions[i] += static_cast<double>(shard.SessionsIn(static_cast<SessionState>(i + 1)));
    }
    const ShardCounters& c = shard.counters();
    links += static_cast<double>(shard.links());
    applied += static_cast<double>(c.facts_applied);
    lru += static_cast<double>(c.duplicates_lru);
    sequence += static_cast<double>(c.duplicates_sequence);
    late += static_cast<double>(c.late_samples);
    unknown += static_cast<double>(c.unknown_samples);
    dropped += static_cast<double>(c.denials_dropped);
    ids += static_cast<double>(shard.dedup().size());
    bytes += static_cast<double>(shard.dedup().memory_bytes());
    evictions += static_cast<double>(shard.dedup().counters().evictions);
  };
  for (const auto& slot : slots_) {
    MutexLock lock(slot->mutex);
    add(slot->shard);
  }
  for (int i = 0; i < kPointStates; ++i) m.points[i].Set(points[i]);
  for (int i = 0; i < kSessionStates; ++i) m.sessions[i].Set(sessions[i]);
  m.links.Set(links);
  m.applied.Set(applied);
  m.duplicates_lru.Set(lru);
  m.duplicates_sequence.Set(sequence);
  m.late.Set(late);
  m.unknown.Set(unknown);
  m.denials_dropped.Set(dropped);
  m.dedup_size.Set(ids);
  m.dedup_bytes.Set(bytes);
  m.dedup_evictions.Set(evictions);
  if (auto size = store_.OutboxSize(); size.ok()) {
    m.outbox.Set(static_cast<double>(*size));
  } else {
    m.outbox_failures.Increment();
  }
  m.backlog.Set(static_cast<double>(backlog_));
  MutexLock lock(calls_mutex_);
  m.calls.Set(static_cast<double>(calls_.size()));
}

}  // namespace ev::central
