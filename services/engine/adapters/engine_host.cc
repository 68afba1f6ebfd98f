#include "services/engine/adapters/engine_host.h"

#include <cassert>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"

namespace ev::engine {
namespace {

// Short enough for silence and targets to be noticed in time, long enough to cost nothing.
constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr absl::Duration kWakeLimit = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<EngineHost>> EngineHost::Start(EngineOptions options, HostEvents events, Meter& meter,
                                                              journal::FactLog& log, const Clock& clock,
                                                              std::unique_ptr<IdSource> ids, std::size_t queue_bound) {
  auto contents = log.Load();
  if (!contents.ok()) return contents.status();
  return std::unique_ptr<EngineHost>(
      new EngineHost(options, std::move(events), meter, log, clock, std::move(ids), queue_bound, *contents));
}

EngineHost::EngineHost(EngineOptions options, HostEvents events, Meter& meter, journal::FactLog& log,
                       const Clock& clock, std::unique_ptr<IdSource> ids, std::size_t queue_bound,
                       const journal::LogContents& contents)
    : events_(std::move(events)),
      queue_bound_(queue_bound),
      meter_(meter),
      log_(log),
      clock_(clock),
      ids_(std::move(ids)),
      core_(options, contents, meter.Read(clock.Now()), clock.Now(), *ids_),
      writer_([this](const std::stop_token& stop) { RunWrites(stop); }),
      ticker_([this](const std::stop_token& stop) { RunTicks(stop); }) {}

EngineHost::~EngineHost() {
  // Under the lock, or a thread that has just looked would sleep on.
  const auto stop = [this](std::jthread& thread) {
    {
      MutexLock lock(mutex_);
      thread.request_stop();
      wake_.SignalAll();
    }
    thread.join();
  };
  stop(ticker_);
  stop(writer_);
}

absl::Status EngineHost::CheckRoom() const {
  if (items_.size() < queue_bound_) return absl::OkStatus();
  const absl::Status full =
      absl::ResourceExhaustedError(absl::StrCat(items_.size(), " decisions wait for the fact log already; ask again"));
  return WithRetryAfter(WithReason(full, Name(DenialReason::kOverloaded)), absl::Seconds(1));
}

Outcome EngineHost::ServeMeter(Moment now) {
  Outcome outcome = core_.TakeOutcome(now);
  // At most two rounds: an opening makes the final, and a final wants nothing of the meter.
  while (outcome.open_contactor || outcome.close_contactor_at_mwh) {
    if (outcome.close_contactor_at_mwh) meter_.CloseContactor(now, *outcome.close_contactor_at_mwh);
    if (outcome.open_contactor) core_.ContactorOpened(meter_.OpenContactor(now), Opening::kCommanded, now);
    outcome.open_contactor = false;
    outcome.close_contactor_at_mwh.reset();
    outcome.Append(core_.TakeOutcome(now));
  }
  return outcome;
}

void EngineHost::Finish(Moment now, std::function<void(const absl::Status&)> then) {
  items_.push_back({.outcome = ServeMeter(now), .then = std::move(then)});
  wake_.SignalAll();
}

void EngineHost::RequestSession(PointRequest request, std::function<void(PointRequestAnswer)> answer) {
  absl::Status room;
  {
    MutexLock lock(mutex_);
    room = CheckRoom();
    if (room.ok()) {
      const Moment now = clock_.Now();
      const RequestToken token = next_token_++;
      askers_.emplace(token, std::move(answer));
      core_.RequestSession(token, std::move(request), now);
      Finish(now, nullptr);
      return;
    }
  }
  answer({.request_id = std::move(request.request_id),
          .session = std::nullopt,
          .denial = DenialReason::kOverloaded,
          .text = std::string(room.message())});
}

Status EngineHost::GetStatus() const {
  MutexLock lock(mutex_);
  const Moment now = clock_.Now();
  return core_.GetStatus(now);
}

absl::Status EngineHost::EndCharge(absl::Duration limit) {
  MutexLock lock(mutex_);
  const Moment start = clock_.Now();
  core_.ShutDown(start);
  // Whatever waits already: there is nothing after it.
  Finish(start, [this](const absl::Status& kept) {
    MutexLock kept_lock(mutex_);
    ended_ = kept;
    wake_.SignalAll();
  });
  while (!ended_) {
    const absl::Duration left = start.monotonic + limit - clock_.Now().monotonic;
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat("the fact log took longer than ", absl::FormatDuration(limit)));
    }
    wake_.WaitFor(mutex_, left);
  }
  return *ended_;
}

void EngineHost::AwaitSettled(absl::Duration limit) {
  MutexLock lock(mutex_);
  const absl::Duration until = clock_.Now().monotonic + limit;
  // Asks the log, not the core: what is settled is out of it a moment later. Each tick wakes us.
  while (log_.Stats().starts_and_finals > 0) {
    const absl::Duration left = until - clock_.Now().monotonic;
    if (left <= absl::ZeroDuration()) return;
    wake_.WaitFor(mutex_, left);
  }
}

void EngineHost::Tick() {
  MutexLock lock(mutex_);
  const Moment now = clock_.Now();
  if (!CheckRoom().ok()) return;
  if (const auto opening = meter_.TakeOpening(now)) core_.ContactorOpened(meter_.Read(now), *opening, now);
  core_.Tick(meter_.Read(now), now);
  Finish(now, nullptr);
}

void EngineHost::RunTicks(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Tick();
    const absl::Duration until = clock_.Now().monotonic + kTick;
    MutexLock lock(mutex_);
    for (absl::Duration left = kTick; left > absl::ZeroDuration() && !stop.stop_requested();
         left = until - clock_.Now().monotonic) {
      wake_.WaitFor(mutex_, left);
    }
  }
}

void EngineHost::RunWrites(const std::stop_token& stop) {
  for (;;) {
    std::deque<Item> items;
    {
      MutexLock lock(mutex_);
      while (items_.empty() && !stop.stop_requested()) wake_.WaitFor(mutex_, kWakeLimit);
      if (items_.empty()) return;
      items.swap(items_);
    }
    WriteAndShow(std::move(items));
  }
}

// One write for all that waited: with a durable log, one sync.
void EngineHost::WriteAndShow(std::deque<Item> items) {
  journal::LogWrite all;
  for (const Item& item : items) all.Append(item.outcome.log);
  const absl::Status together = Write(all);
  for (Item& item : items) {
    // Apart, what fits is kept: a sample that has no room must not take an answer down with it.
    Show(item, together.ok() ? together : Write(item.outcome.log));
  }
}

absl::Status EngineHost::Write(const journal::LogWrite& write) {
  if (write.empty()) return absl::OkStatus();
  const absl::Status status = log_.Write(write);
  if (!status.ok()) return status;
  for (const Fact& fact : write.facts) {
    if (fact.kind != FactKind::kStart) continue;
    MutexLock lock(mutex_);
    const Moment now = clock_.Now();
    core_.StartWritten(fact.session, now);
    Finish(now, nullptr);
  }
  if (events_.on_kept) events_.on_kept(write);
  return absl::OkStatus();
}

void EngineHost::Show(Item& item, const absl::Status& kept) {
  if (!kept.ok()) {
    MutexLock lock(mutex_);
    const Moment now = clock_.Now();
    core_.LogFailed(kept.message(), now);
    Finish(now, nullptr);
  }
  for (const Note& note : item.outcome.notes) {
    if (events_.on_note) events_.on_note(note);
  }
  for (const PointRequest& request : item.outcome.requests) {
    if (events_.on_request) events_.on_request(request);
  }
  for (RequestResult& result : item.outcome.request_results) {
    std::function<void(PointRequestAnswer)> asker;
    {
      MutexLock lock(mutex_);
      auto node = askers_.extract(result.token);
      if (!node.empty()) asker = std::move(node.mapped());
    }
    if (asker) asker(std::move(result.answer));
  }
  if (item.outcome.produce_again && events_.on_produce_again) events_.on_produce_again();
  if (item.outcome.status && events_.on_status) events_.on_status(*item.outcome.status, item.outcome.status_changed);
  if (item.then) item.then(kept);
}

}  // namespace ev::engine
