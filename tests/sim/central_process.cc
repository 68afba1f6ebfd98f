#include "tests/sim/central_process.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::sim {

using central::CallId;
using central::Effects;
using central::RowKeys;
using central::Shard;
using central::ShardCounters;
using central::StreamId;

namespace {

constexpr absl::Duration kHeartbeat = absl::Seconds(10);
constexpr char kStoreId[] = "0123456789abcdef0123456789abcdef";

void Add(ShardCounters& sum, const ShardCounters& more) {
  sum.facts_applied += more.facts_applied;
  sum.duplicates_lru += more.duplicates_lru;
  sum.duplicates_sequence += more.duplicates_sequence;
  sum.late_samples += more.late_samples;
  sum.unknown_samples += more.unknown_samples;
  sum.denials_dropped += more.denials_dropped;
}

}  // namespace

CentralProcess::CentralProcess(Options options, EventLoop& loop, Random& random, Network& network, Broker& broker,
                               std::function<int(const CpId&)> shard_of)
    : options_(std::move(options)),
      loop_(loop),
      random_(random),
      network_(network),
      broker_(broker),
      shard_of_(std::move(shard_of)),
      store_(options_.shards, kStoreId, ProcessClock::kStart) {}

void CentralProcess::Start() {
  if (run_ != nullptr) return;
  store_.Restart(ProcessClock::kStart + loop_.now());
  auto states = store_.TakeShards("sim", "");
  run_ = std::make_unique<Run>();
  run_->clock.emplace(loop_, random_);
  run_->ids.emplace(random_.Next());
  run_->effects.resize(states->size());
  for (store::ShardState& state : *states) {
    run_->shards.push_back(std::make_unique<Shard>(options_.shard, std::move(state), store_.incarnation(), *run_->ids));
  }
  const std::string known = store_.KafkaClusterId().value();
  run_->cluster = known.empty() ? 0 : std::stoi(known);
  for (Broker::Topic topic : {Broker::kData, Broker::kComplete}) {
    for (int partition = 0; partition < options_.shards; ++partition) {
      run_->positions[{topic, partition}] =
          run_->shards[static_cast<std::size_t>(partition)]->next_offset(Broker::Name(topic), partition);
      loop_.Every(
          run_->life, [this] { return random_.Between(absl::Milliseconds(50), absl::Milliseconds(400)); },
          [this, topic, partition] { Consume(topic, partition); });
    }
  }
  loop_.Every(
      run_->life, [] { return absl::Milliseconds(200); },
      [this] {
        for (int i = 0; i < options_.shards; ++i) {
          Apply(i, {}, [](Shard& shard, const Moment& now, Effects& out) { shard.Tick(now, out); });
        }
      });
  loop_.Every(
      run_->life, [] { return kHeartbeat; },
      [this] {
        for (const auto& [id, watch] : run_->watches) watch->stream->ToClient([watch = watch] { watch->heartbeat(); });
      });
}

void CentralProcess::Crash() {
  if (run_ == nullptr) return;
  ++crashes;
  AddCounters();
  const std::unique_ptr<Run> dead = std::move(run_);
  // A commit under way: the disk has it, or not.
  if (!dead->in_flight.empty() && random_.Chance(50)) Write(dead->in_flight);
  for (auto& [id, link] : dead->links) {
    if (random_.Chance(80)) link->stream->ServerDied();
  }
  for (auto& [id, watch] : dead->watches) {
    if (random_.Chance(80)) watch->stream->ServerDied();
  }
}

void CentralProcess::AddCounters() {
  for (const auto& shard : run_->shards) Add(past_, shard->counters());
}

ShardCounters CentralProcess::counters() const {
  ShardCounters sum = past_;
  if (run_ != nullptr) {
    for (const auto& shard : run_->shards) Add(sum, shard->counters());
  }
  return sum;
}

std::int64_t CentralProcess::commands_waiting() const {
  std::int64_t sum = 0;
  for (const auto& shard : run_->shards) sum += shard->commands_waiting();
  return sum;
}

std::vector<central::PointView> CentralProcess::Points() {
  std::vector<central::PointView> points;
  for (const auto& shard : run_->shards) {
    Effects effects;
    shard->ListPoints(run_->clock->Now(), CallId(0), effects);
    auto& reply = std::get<central::Reply>(effects.at(0));
    for (auto& view : std::get<std::vector<central::PointView>>(reply.result)) points.push_back(std::move(view));
  }
  return points;
}

// --- inputs and commits ----------------------------------------------------------------------------------------------

void CentralProcess::Apply(int shard, const RowKeys& rows, const Input& input) {
  Shard& core = *run_->shards[static_cast<std::size_t>(shard)];
  RowKeys asked;
  for (;;) {
    RowKeys missing = core.Missing(rows);
    const auto drop = [](auto& from, const auto& known) {
      std::erase_if(from, [&](const auto& id) { return std::find(known.begin(), known.end(), id) != known.end(); });
    };
    drop(missing.sessions, asked.sessions);
    drop(missing.requests, asked.requests);
    if (missing.empty()) break;
    central::FetchedRows fetched;
    for (const SessionId& id : missing.sessions) {
      if (auto session = store_.FindSession(id); session.ok()) fetched.sessions.push_back(*std::move(session));
      auto refusals = store_.FindRefusals(id);
      fetched.refusals.insert(fetched.refusals.end(), refusals->begin(), refusals->end());
    }
    for (const std::string& key : missing.requests) {
      if (auto request = store_.FindRequest(key); request.ok()) fetched.requests.push_back(*std::move(request));
    }
    if (!core.Admit(missing, std::move(fetched))) {
      asked = {};
      continue;
    }
    asked.sessions.insert(asked.sessions.end(), missing.sessions.begin(), missing.sessions.end());
    asked.requests.insert(asked.requests.end(), missing.requests.begin(), missing.requests.end());
  }
  Effects& effects = run_->effects[static_cast<std::size_t>(shard)];
  input(core, run_->clock->Now(), effects);
  if (core.dirty() || !effects.empty()) PlanCommit();
}

void CentralProcess::PlanCommit() {
  if (std::exchange(run_->is_committing, true)) return;
  loop_.After(run_->life, random_.Between(absl::ZeroDuration(), absl::Milliseconds(20)), [this] { BeginCommit(); });
}

void CentralProcess::BeginCommit() {
  std::vector<Effects> effects;
  for (std::size_t i = 0; i < run_->shards.size(); ++i) {
    run_->in_flight.push_back(run_->shards[i]->TakeBatch());
    effects.push_back(std::exchange(run_->effects[i], {}));
  }
  loop_.After(run_->life, random_.Between(absl::Milliseconds(1), absl::Milliseconds(50)),
              [this, effects = std::move(effects)]() mutable { EndCommit(std::move(effects)); });
}

// The rows, and with them what waits in the outbox.
std::vector<absl::Status> CentralProcess::Write(const std::vector<Shard::Batch>& batches) {
  std::vector<store::ShardBatch> rows;
  for (const Shard::Batch& batch : batches) rows.push_back(batch.rows);
  const std::vector<absl::Status> statuses = store_.Commit(rows);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const bool is_written = statuses[i].ok() || (absl::IsUnknown(statuses[i]) && is_next_written_);
    if (!is_written) continue;
    for (const central::OutboxItem& item : batches[i].outbox) {
      if (const auto* update = std::get_if<central::StatusUpdate>(&item)) told_.updates.push_back(*update);
      if (const auto* letter = std::get_if<central::DeadLetter>(&item)) told_.dead_letters.push_back(*letter);
      if (const auto* alert = std::get_if<central::Alert>(&item)) told_.alerts.push_back(*alert);
    }
  }
  return statuses;
}

void CentralProcess::EndCommit(std::vector<Effects> effects) {
  const std::vector<Shard::Batch> batches = std::exchange(run_->in_flight, {});
  for (const absl::Status& status : Write(batches)) {
    if (status.ok()) continue;
    ++(absl::IsUnknown(status) ? failed_commits : refused_commits);
    return Crash();
  }
  run_->is_committing = false;
  for (std::size_t i = 0; i < batches.size(); ++i) run_->shards[i]->OnDurable(batches[i].version);
  for (std::size_t i = 0; i < effects.size(); ++i) {
    for (const central::Effect& effect : effects[i]) Deliver(static_cast<int>(i), effect);
  }
  for (std::size_t i = 0; i < run_->shards.size(); ++i) {
    if (run_->shards[i]->dirty() || !run_->effects[i].empty()) PlanCommit();
  }
}

void CentralProcess::Deliver(int shard, const central::Effect& effect) {
  if (const auto* reply = std::get_if<central::Reply>(&effect)) {
    const auto it = run_->calls.find(reply->call);
    if (it == run_->calls.end()) return;
    const OnResult done = std::move(it->second);
    run_->calls.erase(it);
    done(reply->result);
  } else if (const auto* message = std::get_if<central::LinkMessage>(&effect)) {
    const auto* command = std::get_if<Command>(&message->body);
    if (Send(*message) || command == nullptr) return;
    Apply(shard, {}, [&](Shard& core, const Moment& now, Effects& out) {
      core.OnUndelivered(now, message->cp, message->epoch, *command, out);
    });
  } else if (const auto* accepted = std::get_if<central::LinkAccepted>(&effect)) {
    Accept(*accepted);
  } else if (const auto* changed = std::get_if<central::SessionChanged>(&effect)) {
    OnSession(changed->session);
  }
}

// --- links -----------------------------------------------------------------------------------------------------------

bool CentralProcess::Open(const LinkHandle& link, const central::LinkHello& hello) {
  if (run_ == nullptr) return false;
  const std::int64_t id = ++run_->last_id;
  run_->links[id] = link;
  link->stream->Serve(run_->life, [this, id](const absl::Status&) { LinkGone(id); });
  central::LinkHello say = hello;
  say.stream = StreamId(id);
  link->stream->ToServer([this, link, say] {
    Apply(shard_of_(link->cp), {}, [&](Shard& core, const Moment& now, Effects& out) { core.OnHello(now, say, out); });
  });
  return true;
}

void CentralProcess::LinkGone(std::int64_t id) {
  const auto it = run_->links.find(id);
  if (it == run_->links.end()) return;
  const LinkHandle link = it->second;
  run_->links.erase(it);
  if (link->epoch == LinkEpoch()) return;
  Apply(shard_of_(link->cp), {},
        [&](Shard& core, const Moment& now, Effects& out) { core.OnLinkClosed(now, link->cp, link->epoch, out); });
}

void CentralProcess::Accept(const central::LinkAccepted& accepted) {
  const auto it = run_->links.find(accepted.stream.value());
  if (it == run_->links.end()) {  // It went while the epoch was written.
    Apply(shard_of_(accepted.cp), {}, [&](Shard& core, const Moment& now, Effects& out) {
      core.OnLinkClosed(now, accepted.cp, accepted.epoch, out);
    });
    return;
  }
  const LinkHandle& link = it->second;
  link->epoch = accepted.epoch;
  const std::int64_t before = std::exchange(run_->newest[accepted.cp], it->first);
  if (const auto older = run_->links.find(before); older != run_->links.end() && older->second != link) {
    older->second->stream->CloseByServer(absl::AbortedError("superseded"));
  }
  link->stream->ToClient([link] { link->down.welcome(link->epoch); });
}

bool CentralProcess::Send(const central::LinkMessage& message) {
  const auto it = run_->links.find(run_->newest[message.cp]);
  if (it == run_->links.end() || it->second->epoch != message.epoch) return false;
  const LinkHandle& link = it->second;
  if (!link->stream->is_open_at_server()) return false;
  link->stream->ToClient([link, body = message.body] {
    if (std::holds_alternative<central::CentralBeat>(body)) link->down.beat();
    if (const auto* configuration = std::get_if<Configuration>(&body)) link->down.configure(*configuration);
    if (const auto* command = std::get_if<Command>(&body)) link->down.command(*command);
    if (const auto* settlement = std::get_if<Settlement>(&body)) link->down.settle(*settlement);
  });
  return true;
}

void CentralProcess::Beat(const LinkHandle& link, EngineHealth health, std::optional<EngineReport> report) {
  link->stream->ToServer([this, link, health, report = std::move(report)] {
    if (link->epoch == LinkEpoch()) return;
    RowKeys rows;
    if (report) {
      for (const Unsettled& unsettled : report->unsettled) rows.sessions.push_back(unsettled.session);
    }
    Apply(shard_of_(link->cp), rows, [&](Shard& core, const Moment& now, Effects& out) {
      if (!report) return core.OnBeat(now, link->cp, link->epoch, health, out);
      EngineReport judged = *report;
      judged.health = health;
      core.OnReport(now, link->cp, link->epoch, std::move(judged), out);
    });
  });
}

void CentralProcess::Answer(const LinkHandle& link, const CommandAnswer& answer) {
  link->stream->ToServer([this, link, answer] {
    Apply(shard_of_(link->cp), {}, [&](Shard& core, const Moment& now, Effects& out) {
      core.OnAnswer(now, link->cp, link->epoch, answer, out);
    });
  });
}

// --- watches ---------------------------------------------------------------------------------------------------------

bool CentralProcess::Open(const WatchHandle& watch) {
  if (run_ == nullptr) return false;
  const std::int64_t id = ++run_->last_id;
  watch->stream->Serve(run_->life, [this, id](const absl::Status&) { run_->watches.erase(id); });
  watch->stream->ToServer([this, id, watch] {
    run_->watches[id] = watch;
    store::SessionFilter mine;
    mine.driver = watch->driver;
    mine.page_size = 1000;
    const auto page = store_.ListSessions(mine);
    for (const Session& session : page->items) {
      if (IsOpen(session.state)) Show(watch, session);
    }
    watch->stream->ToClient([watch] { watch->snapshot(); });
  });
  return true;
}

std::optional<Ticket> CentralProcess::TicketOf(const Session& session) {
  if (session.state != SessionState::kCompleted) return std::nullopt;
  return store_.FindTicket(session.id.value()).value();
}

void CentralProcess::Show(const WatchHandle& watch, const Session& session) {
  watch->stream->ToClient([watch, session, ticket = TicketOf(session)] { watch->session(session, ticket); });
}

// A reader that is slow gets the newest of each session only.
void CentralProcess::OnSession(const Session& session) {
  std::erase_if(run_->watches, [](const auto& entry) { return !entry.second->stream->is_open_at_server(); });
  for (const auto& [id, watch] : run_->watches) {
    if (watch->driver != session.driver) continue;
    const bool is_planned = !watch->waiting.empty();
    watch->waiting.insert_or_assign(session.id, session);
    if (is_planned) continue;
    loop_.After(run_->life, random_.Between(absl::ZeroDuration(), absl::Milliseconds(200)), [this, watch = watch] {
      for (const auto& [changed, newest] : std::exchange(watch->waiting, {})) Show(watch, newest);
    });
  }
}

// --- calls -----------------------------------------------------------------------------------------------------------

bool CentralProcess::Start(central::StartCall call, OnResult done) {
  if (run_ == nullptr) return false;
  call.call = CallId(++run_->last_id);
  run_->calls[call.call] = std::move(done);
  Apply(shard_of_(call.cp), {.sessions = {}, .requests = {call.request_key}},
        [&](Shard& core, const Moment& now, Effects& out) { core.StartSession(now, call, out); });
  return true;
}

bool CentralProcess::Stop(central::StopCall call, const CpId& cp, OnResult done) {
  if (run_ == nullptr) return false;
  call.call = CallId(++run_->last_id);
  run_->calls[call.call] = std::move(done);
  Apply(shard_of_(cp), {.sessions = {call.session}, .requests = {}},
        [&](Shard& core, const Moment& now, Effects& out) { core.StopSession(now, call, out); });
  return true;
}

bool CentralProcess::SetCause(const CpId& cp, bool set) {
  if (run_ == nullptr) return false;
  for (int i = 0; i < options_.shards; ++i) {
    if (!cp.empty() && shard_of_(cp) != i) continue;
    const central::CauseCall call{.call = CallId(++run_->last_id), .cp = cp, .who = "operator", .reason = "sim"};
    Apply(i, {}, [&](Shard& core, const Moment& now, Effects& out) {
      set ? core.SetCause(now, call, out) : core.ClearCause(now, call, out);
    });
  }
  return true;
}

bool CentralProcess::UpdatePrice(const CpId& cp, std::int64_t micros_per_kwh) {
  if (run_ == nullptr) return false;
  const central::UpdatePointCall call{.call = CallId(++run_->last_id),
                                      .cp = cp,
                                      .location = std::nullopt,
                                      .site = std::nullopt,
                                      .price = Price{micros_per_kwh, "EUR"}};
  Apply(shard_of_(cp), {}, [&](Shard& core, const Moment& now, Effects& out) { core.UpdatePoint(now, call, out); });
  return true;
}

// --- Kafka -----------------------------------------------------------------------------------------------------------

void CentralProcess::Consume(Broker::Topic topic, int partition) {
  if (!broker_.is_up) return;
  if (run_->cluster != broker_.cluster) {
    // Another log: what is stored as offsets means nothing there.
    for (auto& [key, position] : run_->positions) {
      const char* name = Broker::Name(static_cast<Broker::Topic>(key.first));
      const int read = key.second;
      Apply(read, {}, [&](Shard& core, const Moment& now, Effects& out) {
        const std::int64_t stored = core.next_offset(name, read).value_or(0);
        if (stored > 0) core.OnGap(now, {name, read, stored, 0, 0, now.utc}, 0, out);
      });
      position = std::nullopt;
    }
    if (run_->cluster != 0) ++gaps;
    run_->cluster = broker_.cluster;
    (void)store_.SetKafkaClusterId(absl::StrCat(broker_.cluster));
  }
  const Broker::Log& log = broker_.log(topic, partition);
  std::optional<std::int64_t>& position = run_->positions[{topic, partition}];
  if (!position) position = log.start;
  if (*position < log.start || *position > log.end()) {
    ++gaps;
    Apply(partition, {}, [&](Shard& core, const Moment& now, Effects& out) {
      core.OnGap(now, {Broker::Name(topic), partition, *position, log.start, log.end(), now.utc}, log.start, out);
    });
    position = log.start;
  }
  if (*position == log.end()) return;
  // Now and then some of what was delivered before comes again.
  const std::int64_t from = random_.Chance(5) ? std::max(log.start, *position - random_.Below(10)) : *position;
  const std::int64_t next = std::min(log.end(), *position + 1 + random_.Below(20));
  std::vector<central::IncomingFact> facts;
  RowKeys rows;
  for (std::int64_t offset = from; offset < next; ++offset) {
    const Broker::Record& record = log.records[static_cast<std::size_t>(offset - log.start)];
    facts.push_back({.fact = &record.fact, .error = {}, .offset = offset, .key = record.key, .body = "body"});
    rows.sessions.push_back(record.fact.session);
  }
  std::sort(rows.sessions.begin(), rows.sessions.end());
  rows.sessions.erase(std::unique(rows.sessions.begin(), rows.sessions.end()), rows.sessions.end());
  Apply(partition, rows, [&](Shard& core, const Moment& now, Effects& out) {
    core.ApplyFacts(
        now, {.topic = Broker::Name(topic), .partition = partition, .base = from, .next = next, .facts = facts}, out);
  });
  position = next;
}

}  // namespace ev::sim
