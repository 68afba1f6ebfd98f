#include "services/driver/adapters/agent.h"

#include <algorithm>
#include <utility>

#include "base/error_detail.h"
#include "log/log.h"
#include "services/driver/adapters/limits.h"

namespace ev::driver {
namespace {

// Figures that the next ones replace.
bool IsLive(const Effect& effect) {
  if (const auto* step = std::get_if<ListStep>(&effect)) {
    const auto* charge = std::get_if<Charge>(&step->step);
    return charge != nullptr && charge->state == SessionState::kCharging;
  }
  const auto* told = std::get_if<Told>(&effect);
  const auto* change = told == nullptr ? nullptr : std::get_if<ChargeChange>(&told->event);
  return change != nullptr && change->before && change->before->state == SessionState::kCharging &&
         change->charge.state == SessionState::kCharging;
}

void Log(const DriverId& driver, const Ticket& ticket) {
  log::Info("ticket received", {{"driver_id", driver},
                                {"session_id", ticket.session},
                                {"cp_id", ticket.cp},
                                {"energy_mwh", ticket.energy_mwh},
                                {"amount_micros", ticket.amount_micros},
                                {"currency", ticket.price.currency}});
}

// The steps of a charge, not its figures.
void Log(const Told& told) {
  if (const auto* denial = std::get_if<DenialTold>(&told.event)) {
    const log::TraceScope scope(denial->trace);
    log::Warn("charge denied", {{"driver_id", told.driver},
                                {"session_id", denial->session},
                                {"cp_id", denial->cp},
                                {"reason", denial->denial.reason},
                                {"text", denial->denial.text}});
  }
  const auto* change = std::get_if<ChargeChange>(&told.event);
  if (change == nullptr) return;
  const Charge& charge = change->charge;
  const log::TraceScope scope(charge.trace);
  if (!change->before || change->before->state != charge.state) {
    log::Info(
        "session changed",
        {{"driver_id", told.driver}, {"session_id", charge.id}, {"cp_id", charge.cp}, {"state", Name(charge.state)}});
  }
  if (charge.ticket && (!change->before || !change->before->ticket)) Log(told.driver, *charge.ticket);
  if (charge.adjustment && (!change->before || !change->before->adjustment)) Log(told.driver, *charge.adjustment);
}

}  // namespace

Agent::Agent(const AgentOptions& options, CentralClient& client, const Clock& clock, IdSource& ids,
             metrics::Registry& registry, metrics::Readiness& readiness)
    : options_(options),
      client_(client),
      clock_(clock),
      readiness_(readiness),
      metrics_(registry, options.backlog_bound),
      core_(options.core, ids),
      collect_(registry.OnCollect([this] { Collect(); })) {
  readiness_.SetDegraded(kCondition, "central has not answered yet");
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

Agent::~Agent() {
  Shutdown();
}

void Agent::Shutdown() {
  {
    MutexLock lock(mutex_);  // Or a thread that has just looked would sleep on.
    stopped_ = true;
    thread_.request_stop();
    wake_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
  client_.Stop();  // Nobody makes calls any more.
}

// --- callers ---

void Agent::Input(const std::function<void(Drivers&, const Moment&, Effects&)>& decide) {
  MutexLock lock(mutex_);
  if (stopped_) return;
  Effects effects;
  decide(core_, clock_.Now(), effects);
  Push(std::move(effects));
}

void Agent::Push(Effects effects) {
  if (effects.empty()) return;
  for (Effect& effect : effects) {
    if (IsLive(effect) && IsFull()) {
      metrics_.dropped.Increment();
    } else {
      queue_.emplace_back(std::move(effect));
    }
  }
  wake_.SignalAll();
}

void Agent::Post(Task task) {
  queue_.emplace_back(std::move(task));
  wake_.SignalAll();
}

bool Agent::IsFull() {
  if (queue_.size() < options_.backlog_bound) return false;
  if (!std::exchange(is_full_said_, true)) {
    log::Warn("too much waits to be carried out: calls are refused, live figures are dropped",
              {{"waiting", queue_.size()}, {"bound", options_.backlog_bound}});
  }
  return true;
}

absl::Status Agent::CheckRoom() {
  if (!IsFull()) return absl::OkStatus();
  const absl::Status full = absl::ResourceExhaustedError("too much waits to be carried out already; ask again");
  return WithRetryAfter(WithReason(full, "OVERLOADED"), absl::Seconds(1));
}

void Agent::Call(const Caller& caller,
                 const std::function<absl::StatusOr<CallId>(Drivers&, const Moment&, Effects&)>& decide) {
  absl::Status failed;
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    failed = CheckRoom();
    if (failed.ok()) {
      Effects effects;
      const auto id = decide(core_, clock_.Now(), effects);
      failed = id.status();
      // The caller must be known before the effects that answer it.
      if (id.ok()) Post([this, id = *id, caller] { callers_.emplace(id, caller); });
      Push(std::move(effects));
    }
  }
  if (failed.ok()) return;
  caller.answered(failed);
  if (caller.concluded) caller.concluded(Conclusion(std::string(failed.message())));
}

void Agent::Start(StartCall call, OnAnswer answered, OnConclusion concluded) {
  call.to_the_end = concluded != nullptr;
  Call({std::move(answered), std::move(concluded)},
       [&](Drivers& core, const Moment& now, Effects& out) { return core.Start(now, call, out); });
}

void Agent::Stop(const StopCall& call, OnAnswer answered) {
  Call({std::move(answered), nullptr},
       [&](Drivers& core, const Moment& now, Effects& out) { return core.Stop(now, call, out); });
}

absl::StatusOr<Agent::ReaderId> Agent::RunList(const ListCall& call, OnStep step) {
  MutexLock lock(mutex_);
  if (stopped_) return absl::UnavailableError("stopping");
  if (auto status = CheckRoom(); !status.ok()) return status;
  Effects effects;
  const auto list = core_.RunList(clock_.Now(), call, effects);
  if (!list.ok()) return list.status();
  const ReaderId reader = ++last_reader_;
  if (auto last = core_.LastStepOf(call.driver, *list)) {
    Post([step = std::move(step), last = *std::move(last)] { step(last); });
  } else {
    Post([this, reader, added = ListReader{call.driver, *list, std::move(step)}] { readers_.emplace(reader, added); });
  }
  Push(std::move(effects));
  return reader;
}

void Agent::LeaveList(ReaderId reader) {
  MutexLock lock(mutex_);
  if (stopped_) return;
  Post([this, reader] {
    const auto it = readers_.find(reader);
    if (it == readers_.end()) return;
    const ListReader left = std::move(it->second);
    readers_.erase(it);
    const bool is_last = std::none_of(readers_.begin(), readers_.end(),
                                      [&](const auto& entry) { return entry.second.list == left.list; });
    if (!is_last) return;
    Input([&](Drivers& core, const Moment& now, Effects& out) { core.CancelList(now, left.driver, left.list, out); });
  });
}

absl::StatusOr<Agent::ReaderId> Agent::Watch(const DriverId& driver, std::function<void(const DriverView&)> first,
                                             OnTold told) {
  MutexLock lock(mutex_);
  if (stopped_) return absl::UnavailableError("stopping");
  if (auto status = CheckRoom(); !status.ok()) return status;
  Effects effects;
  if (auto status = core_.Follow(clock_.Now(), driver, effects); !status.ok()) return status;
  core_.Pin(driver);
  const ReaderId reader = ++last_reader_;
  // In the queue, so that what has been decided before is not told after the view that has it.
  Post([this, driver, reader, first = std::move(first), told = std::move(told), view = core_.View(driver)] {
    first(view);
    watchers_[driver].emplace(reader, told);
  });
  Push(std::move(effects));
  return reader;
}

void Agent::Unwatch(const DriverId& driver, ReaderId reader) {
  MutexLock lock(mutex_);
  if (stopped_) return;
  Post([this, driver, reader] {
    const auto it = watchers_.find(driver);
    if (it == watchers_.end() || it->second.erase(reader) == 0) return;
    if (it->second.empty()) watchers_.erase(it);
    Input([&](Drivers& core, const Moment& now, Effects&) { core.Unpin(now, driver); });
  });
}

absl::Status Agent::WhenSettled(const DriverId& driver, absl::Duration limit, std::function<void()> done) {
  MutexLock lock(mutex_);
  if (stopped_) return absl::UnavailableError("stopping");
  if (auto status = CheckRoom(); !status.ok()) return status;
  Effects effects;
  const Moment now = clock_.Now();
  if (auto status = core_.Follow(now, driver, effects); !status.ok()) return status;
  Push(std::move(effects));
  Post([this, waiter = Waiter{driver, now.monotonic + limit, std::move(done)}] { waiters_.push_back(waiter); });
  return absl::OkStatus();
}

DriverView Agent::View(const DriverId& driver) const {
  MutexLock lock(mutex_);
  return core_.View(driver);
}

CentralView Agent::central() const {
  MutexLock lock(mutex_);
  return core_.central();
}

void Agent::OnNews(Charge charge) {
  Input([&](Drivers& core, const Moment& now, Effects& out) { core.OnNews(now, std::move(charge), out); });
}

// --- the thread ---

void Agent::Run(const std::stop_token& stop) {
  absl::Duration next_tick = SystemClock().Now().monotonic;
  while (!stop.stop_requested()) {
    for (auto& item : TakeQueue(stop)) {
      if (stop.stop_requested()) return;
      if (auto* task = std::get_if<Task>(&item)) {
        (*task)();
      } else {
        std::visit([this](const auto& effect) { Do(effect); }, std::get<Effect>(item));
      }
    }
    // By the system's clock, whatever the core's is: how often, not when.
    if (const absl::Duration now = SystemClock().Now().monotonic; now >= next_tick) {
      next_tick = now + kTick;
      Input([](Drivers& core, const Moment& moment, Effects& out) { core.Tick(moment, out); });
    }
    AskForOpen();
    ServeWaiters();
    ShowCentral();
  }
}

std::deque<std::variant<Effect, Agent::Task>> Agent::TakeQueue(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  if (queue_.empty() && !stop.stop_requested()) wake_.WaitFor(mutex_, kTick);
  is_full_said_ = false;
  return std::exchange(queue_, {});
}

void Agent::Do(const OpenWatch& effect) {
  metrics_.watches.Increment();
  const DriverId driver = effect.driver;
  const WatchId watch = effect.watch;
  if (options_.asks) {
    asking_[watch] = {.driver = driver, .watch = watch, .next = clock_.Now().monotonic};
    return;
  }
  client_.OpenWatch(driver, watch,
                    {.charge =
                         [this, driver, watch](Charge charge) {
                           Input([&](Drivers& core, const Moment& now, Effects& out) {
                             core.OnWatchCharge(now, driver, watch, std::move(charge), out);
                           });
                         },
                     .snapshot =
                         [this, driver, watch] {
                           Input([&](Drivers& core, const Moment& now, Effects& out) {
                             core.OnWatchSnapshot(now, driver, watch, out);
                           });
                         },
                     .heartbeat =
                         [this, driver, watch] {
                           Input([&](Drivers& core, const Moment& now, Effects& out) {
                             core.OnWatchHeartbeat(now, driver, watch, out);
                           });
                         },
                     .closed =
                         [this, driver, watch](const absl::Status& why) {
                           log::Debug("stream of sessions ended", {{"driver_id", driver}, {"error", why}});
                           Input([&](Drivers& core, const Moment& now, Effects& out) {
                             core.OnWatchClosed(now, driver, watch, why, out);
                           });
                         }});
}

void Agent::Do(const CloseWatch& effect) {
  asking_.erase(effect.watch);
  client_.CloseWatch(effect.watch);
}

void Agent::AskForOpen() {
  const absl::Duration now = clock_.Now().monotonic;
  for (auto& [watch, asking] : asking_) {
    if (asking.in_flight || now < asking.next) continue;
    asking.in_flight = true;
    asking.next = now + options_.ask_interval;
    client_.ListOpenSessions(
        asking.driver, [this, driver = asking.driver, id = watch](auto open) { OnOpen(driver, id, std::move(open)); });
  }
}

void Agent::OnOpen(const DriverId& driver, WatchId watch, absl::StatusOr<CentralClient::OpenSessions> open) {
  MutexLock lock(mutex_);
  if (stopped_) return;
  const Moment now = clock_.Now();
  Effects effects;
  if (open.ok()) {
    for (Charge& charge : open->charges) core_.OnWatchCharge(now, driver, watch, std::move(charge), effects);
    open->is_complete ? core_.OnWatchSnapshot(now, driver, watch, effects)
                      : core_.OnWatchHeartbeat(now, driver, watch, effects);
  } else {
    core_.OnWatchClosed(now, driver, watch, open.status(), effects);
  }
  Post([this, watch, is_over = !open.ok()] {
    const auto it = asking_.find(watch);
    if (it == asking_.end()) return;
    it->second.in_flight = false;
    if (is_over) asking_.erase(it);
  });
  Push(std::move(effects));
}

void Agent::Do(const SendStart& effect) {
  metrics_.starts.Increment();
  const log::TraceScope scope(effect.trace);
  log::Info("charge asked for",
            {{"driver_id", effect.driver}, {"cp_id", effect.cp}, {"request_id", effect.request_id}});
  client_.StartSession(effect, [this, call = effect.call](absl::StatusOr<Charge> result) {
    Input([&](Drivers& core, const Moment& now, Effects& out) { core.OnAnswer(now, call, std::move(result), out); });
  });
}

void Agent::Do(const SendStop& effect) {
  metrics_.stops.Increment();
  const log::TraceScope scope(effect.trace);
  log::Info("stop asked for",
            {{"driver_id", effect.driver}, {"session_id", effect.session}, {"request_id", effect.request_id}});
  client_.StopSession(effect, [this, call = effect.call](absl::StatusOr<Charge> result) {
    Input([&](Drivers& core, const Moment& now, Effects& out) { core.OnAnswer(now, call, std::move(result), out); });
  });
}

void Agent::Do(const SendGet& effect) {
  client_.GetSession(effect.session,
                     [this, driver = effect.driver, session = effect.session](absl::StatusOr<Charge> result) {
                       Input([&](Drivers& core, const Moment& now, Effects& out) {
                         core.OnFetched(now, driver, session, std::move(result), out);
                       });
                     });
}

void Agent::Do(const Answered& effect) {
  const auto it = callers_.find(effect.call);
  if (it == callers_.end()) return;
  const OnAnswer answered = std::move(it->second.answered);
  if (!it->second.concluded) callers_.erase(it);
  answered(effect.result);
}

void Agent::Do(const Concluded& effect) {
  const auto it = callers_.find(effect.call);
  if (it == callers_.end()) return;
  const OnConclusion concluded = std::move(it->second.concluded);
  callers_.erase(it);
  concluded(effect.conclusion);
}

void Agent::Do(const Told& effect) {
  metrics_.Count(effect);
  Log(effect);
  const auto watchers = watchers_.find(effect.driver);
  if (watchers == watchers_.end()) return;
  for (const auto& [reader, told] : watchers->second) told(effect);
}

void Agent::Do(const Settled& effect) {
  log::Debug("open sessions are known", {{"driver_id", effect.driver}});
}

void Agent::Do(const ListStep& effect) {
  const bool is_last = std::holds_alternative<ListFinished>(effect.step);
  for (auto it = readers_.begin(); it != readers_.end();) {
    if (it->second.list == effect.list) it->second.step(effect);
    it = is_last && it->second.list == effect.list ? readers_.erase(it) : std::next(it);
  }
}

void Agent::ServeWaiters() {
  if (waiters_.empty()) return;
  std::vector<Waiter> ready;
  std::vector<Waiter> waiting;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = clock_.Now().monotonic;
    const CentralView& view = core_.central();
    const bool is_away = view.is_known && !view.is_reachable;
    for (Waiter& waiter : waiters_) {
      const bool is_ready = is_away || now >= waiter.until || core_.IsSettled(waiter.driver);
      (is_ready ? ready : waiting).push_back(std::move(waiter));
    }
  }
  waiters_ = std::move(waiting);
  for (const Waiter& waiter : ready) waiter.done();
}

void Agent::ShowCentral() {
  CentralView view = central();
  if (!view.is_known) return;  // Nothing was tried yet that could have failed.
  if (view.is_known == shown_.is_known && view.is_reachable == shown_.is_reachable && view.error == shown_.error) {
    return;
  }
  if (view.is_reachable) {
    readiness_.SetReady(kCondition);
    if (!shown_.is_reachable) log::Info("central reached");
  } else {
    readiness_.SetDegraded(kCondition, view.error);
    if (shown_.is_reachable || !shown_.is_known)
      log::Warn("central cannot be reached, trying again", {{"error", view.error}});
  }
  shown_ = std::move(view);
}

void Agent::Collect() {
  MutexLock lock(mutex_);
  metrics_.drivers.Set(static_cast<double>(core_.followed()));
  metrics_.calls.Set(static_cast<double>(core_.calls_under_way()));
  metrics_.lists.Set(static_cast<double>(core_.lists_running()));
  metrics_.charges.Set(static_cast<double>(core_.open_charges()));
  metrics_.backlog.Set(static_cast<double>(queue_.size()));
  metrics_.undecodable.Set(static_cast<double>(client_.undecodable()));
  metrics_.reachable.Set(core_.central().is_reachable ? 1 : 0);
}

}  // namespace ev::driver
