#include "services/driver/core/drivers.h"

#include <cassert>
#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "services/driver/core/drivers_state.h"

// Following: streams, reachability, time. Calls, charges and lists have files of their own.

namespace ev::driver {

Drivers::Drivers(const DriversConfig& config, IdSource& ids)
    : config_(config), ids_(ids), central_{.error = "central has not answered yet"} {}

Drivers::~Drivers() = default;

double Drivers::Chance() {
  std::uint32_t bits = 0;
  (void)absl::SimpleHexAtoi(ids_.NewRandomHex().substr(0, 8), &bits);
  return bits / 4294967296.0;
}

Drivers::State* Drivers::Find(const DriverId& driver) const {
  const auto it = drivers_.find(driver);
  return it == drivers_.end() ? nullptr : it->second.get();
}

absl::StatusOr<Drivers::State*> Drivers::FindOrFollow(const Moment& now, const DriverId& driver, Effects& out) {
  State* state = Find(driver);
  if (state == nullptr) {
    if (drivers_.size() >= config_.max_drivers) {
      return WithReason(
          absl::ResourceExhaustedError(absl::StrCat("already ", drivers_.size(), " drivers are followed")),
          "TOO_MANY_DRIVERS");
    }
    auto fresh = std::make_unique<State>();
    fresh->id = driver;
    fresh->backoff = Backoff(config_.backoff);
    state = fresh.get();
    drivers_.emplace(driver, std::move(fresh));
    Dial(now, *state, out);
  }
  state->used_at = now.monotonic;
  return state;
}

absl::Status Drivers::Follow(const Moment& now, const DriverId& driver, Effects& out) {
  return FindOrFollow(now, driver, out).status();
}

void Drivers::Pin(const DriverId& driver) {
  if (State* state = Find(driver)) ++state->pins;
}

void Drivers::Unpin(const Moment& now, const DriverId& driver) {
  State* state = Find(driver);
  if (state == nullptr) return;
  assert(state->pins > 0);
  --state->pins;
  state->used_at = now.monotonic;
}

bool Drivers::IsUnused(const Moment& now, const State& state) const {
  return state.pins == 0 && state.calls == 0 && state.open.empty() && !state.list &&
         now.monotonic - state.used_at >= config_.idle;
}

// --- streams ---

void Drivers::Dial(const Moment& now, State& state, Effects& out) {
  last_watch_ = last_watch_.Next();
  state.watch = last_watch_;
  state.is_open = true;
  state.watch_at = now.monotonic;
  for (auto& [id, followed] : state.open) followed.in_snapshot = false;
  out.push_back(OpenWatch{.driver = state.id, .watch = state.watch});
}

void Drivers::Redial(const Moment& now, State& state, const absl::Status& why, Effects& out) {
  const bool was_live = std::exchange(state.is_live, false);
  state.is_open = false;
  if (was_live) --live_watches_;
  // A Central that accepts and closes at once must not be called in a tight loop.
  if (was_live && now.monotonic - state.live_since >= config_.backoff.max) state.backoff.Reset();
  state.watch_at = now.monotonic + state.backoff.Next(Chance());
  // A stream that was live may end because its server wants clients to look again: no reason to alarm anybody before
  // the next one fails too.
  if (!was_live) OnMissed(now, why, out);
}

Drivers::State* Drivers::Heard(const Moment& now, const DriverId& driver, WatchId watch, Effects& out) {
  State* state = Find(driver);
  if (state == nullptr || !state->is_open || state->watch != watch) return nullptr;
  state->watch_at = now.monotonic;
  if (!state->is_live) {
    state->is_live = true;
    state->live_since = now.monotonic;
    ++live_watches_;
  }
  OnReached(now, out);
  return state;
}

void Drivers::OnWatchCharge(const Moment& now, const DriverId& driver, WatchId watch, Charge charge, Effects& out) {
  State* state = Heard(now, driver, watch, out);
  if (state == nullptr) return;
  const SessionId id = charge.id;
  Take(now, *state, std::move(charge), out);
  if (const auto it = state->open.find(id); it != state->open.end()) it->second.in_snapshot = true;
}

void Drivers::OnWatchSnapshot(const Moment& now, const DriverId& driver, WatchId watch, Effects& out) {
  State* state = Heard(now, driver, watch, out);
  if (state == nullptr) return;
  for (auto& [id, followed] : state->open) {
    if (!std::exchange(followed.in_snapshot, false)) followed.fetch_at = now.monotonic;
  }
  if (!std::exchange(state->is_settled, true)) out.push_back(Settled{.driver = driver});
  TickCharges(now, *state, out);
}

void Drivers::OnWatchHeartbeat(const Moment& now, const DriverId& driver, WatchId watch, Effects& out) {
  Heard(now, driver, watch, out);
}

void Drivers::OnWatchClosed(const Moment& now, const DriverId& driver, WatchId watch, const absl::Status& why,
                            Effects& out) {
  State* state = Find(driver);
  if (state == nullptr || !state->is_open || state->watch != watch) return;
  Redial(now, *state, why, out);
}

// --- reachability ---

void Drivers::OnReached(const Moment& now, Effects& out) {
  central_ = {.is_known = true, .is_reachable = true, .error = ""};
  if (std::exchange(is_outage_told_, false)) TellAll(now, "central answers again", out);
}

void Drivers::OnMissed(const Moment& now, const absl::Status& why, Effects& out) {
  if (live_watches_ > 0) return;  // One lost attempt beside streams that live says nothing of Central.
  central_ = {.is_known = true,
              .is_reachable = false,
              .error = absl::StrCat("central cannot be reached: ",
                                    why.message().empty() ? absl::StatusCodeToString(why.code()) : why.message())};
  if (!std::exchange(is_outage_told_, true)) TellAll(now, absl::StrCat(central_.error, "; trying again"), out);
}

void Drivers::TellAll(const Moment& now, const std::string& text, Effects& out) {
  for (const auto& [id, state] : drivers_) out.push_back(Told{.driver = id, .time = now.utc, .event = Notice{text}});
}

// --- time ---

void Drivers::Tick(const Moment& now, Effects& out) {
  TickCalls(now, out);
  for (auto it = drivers_.begin(); it != drivers_.end();) {
    State& state = *it->second;
    if (IsUnused(now, state)) {
      if (state.is_open) out.push_back(CloseWatch{.driver = state.id, .watch = state.watch});
      if (state.is_live) --live_watches_;
      it = drivers_.erase(it);
      continue;
    }
    TickWatch(now, state, out);
    TickCharges(now, state, out);
    TickList(now, state, out);
    ++it;
  }
}

void Drivers::TickWatch(const Moment& now, State& state, Effects& out) {
  if (!state.is_open) {
    if (now.monotonic >= state.watch_at) Dial(now, state, out);
    return;
  }
  const absl::Duration limit = state.is_live ? config_.watch_silence : config_.watch_opening;
  const absl::Duration silence = now.monotonic - state.watch_at;
  if (silence < limit) return;
  out.push_back(CloseWatch{.driver = state.id, .watch = state.watch});
  Redial(now, state, absl::DeadlineExceededError(absl::StrCat("silent for ", absl::FormatDuration(limit))), out);
}

// --- views ---

DriverView Drivers::View(const DriverId& driver) const {
  DriverView view;
  const State* state = Find(driver);
  if (state == nullptr) return view;
  view.is_settled = state->is_settled;
  for (const auto& [id, followed] : state->open) view.open.push_back(followed.charge);
  view.last_ticket = state->last_ticket;
  if (state->list) view.list = state->list->list.progress();
  return view;
}

bool Drivers::IsSettled(const DriverId& driver) const {
  const State* state = Find(driver);
  return state != nullptr && state->is_settled;
}

std::size_t Drivers::open_charges() const {
  std::size_t count = 0;
  for (const auto& [id, state] : drivers_) count += state->open.size();
  return count;
}

}  // namespace ev::driver
