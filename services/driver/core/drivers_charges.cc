#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/driver/core/drivers.h"
#include "services/driver/core/drivers_state.h"

// Sessions: the newest that is known of each, and who waits for their end.

namespace ev::driver {
namespace {

// Nothing happens at the charging point that anybody could hear of.
bool StandsStill(const Charge& charge) {
  return charge.state == SessionState::kAwaitingFinal || !charge.notice.empty();
}

}  // namespace

// Of the versions that answers, streams and the event log bring in any order, only one that is newer than the last
// counts. The end of a session is kept for a while, so that a late sample cannot open it again.
void Drivers::Take(const Moment& now, State& state, Charge charge, Effects& out) {
  if (charge.driver != state.id) return;
  const auto open = state.open.find(charge.id);
  if (open != state.open.end()) {
    Followed& followed = open->second;
    followed.fetch_at = now.monotonic + config_.charge_silence;
    if (charge.revision <= followed.charge.revision) return;
    Charge before = std::exchange(followed.charge, charge);
    if (!StandsStill(before) || charge.state != before.state || charge.energy_mwh > before.energy_mwh) {
      followed.moved_at = now.monotonic;
    }
    return TellChange(now, state, std::move(charge), std::move(before), out);
  }
  const auto recent = std::find_if(state.recent.begin(), state.recent.end(),
                                   [&](const Charge& known) { return known.id == charge.id; });
  if (recent != state.recent.end()) {
    if (charge.revision <= recent->revision || !IsConcluded(charge)) return;
    Charge before = std::exchange(*recent, charge);
    return TellChange(now, state, std::move(charge), std::move(before), out);
  }
  state.open.emplace(charge.id, Followed{.charge = charge,
                                         .fetch_at = now.monotonic + config_.charge_silence,
                                         .moved_at = now.monotonic,
                                         .waiting = {}});
  TellChange(now, state, std::move(charge), std::nullopt, out);
}

void Drivers::OnNews(const Moment& now, Charge news, Effects& out) {
  State* state = Find(news.driver);
  if (state == nullptr) return;
  const Charge* known = nullptr;
  if (const auto open = state->open.find(news.id); open != state->open.end()) known = &open->second.charge;
  for (const Charge& recent : state->recent) {
    if (recent.id == news.id) known = &recent;
  }
  if (known == nullptr) return Take(now, *state, std::move(news), out);
  Charge merged = *known;
  merged.state = news.state;
  merged.energy_mwh = news.energy_mwh;
  merged.power_w = news.power_w;
  merged.amount_micros = news.amount_micros;
  merged.last_sample = std::max(merged.last_sample, news.last_sample);
  merged.notice = news.notice;
  merged.revision = news.revision;
  if (news.end_reason != EndReason::kNone) merged.end_reason = news.end_reason;
  if (news.denial) merged.denial = news.denial;
  if (news.ticket) merged.ticket = news.ticket;
  if (news.adjustment) merged.adjustment = news.adjustment;
  Take(now, *state, std::move(merged), out);
}

void Drivers::TellChange(const Moment& now, State& state, Charge charge, std::optional<Charge> before, Effects& out) {
  const bool is_denial_told = charge.state == SessionState::kDenied &&
                              std::count(state.denials_told.begin(), state.denials_told.end(), charge.id) > 0;
  out.push_back(Told{.driver = state.id,
                     .time = now.utc,
                     .event = ChargeChange{.charge = charge, .before = std::move(before)},
                     .is_news = !is_denial_told});
  if (state.list && state.list->session == charge.id) TellList(state, charge, out);
  if (!IsConcluded(charge)) return;
  if (charge.ticket) state.last_ticket = charge.ticket;
  const auto open = state.open.find(charge.id);
  if (open == state.open.end()) return;
  const std::vector<CallId> waiting = std::move(open->second.waiting);
  state.open.erase(open);
  state.recent.push_back(charge);
  if (state.recent.size() > config_.recent_charges) state.recent.pop_front();
  state.used_at = now.monotonic;
  for (const CallId call : waiting) Conclude(now, state, call, ConclusionOf(charge), out);
}

void Drivers::WaitForEnd(const Moment& now, State& state, CallId call, const Charge& answer, Effects& out) {
  if (state.list && state.list->asked == call) {
    state.list->session = answer.id;
    TellList(state, answer, out);
  }
  if (const auto open = state.open.find(answer.id); open != state.open.end()) {
    open->second.waiting.push_back(call);
    return;
  }
  for (const Charge& known : state.recent) {
    if (known.id == answer.id) return Conclude(now, state, call, ConclusionOf(known), out);
  }
  // An answer for another driver than the one who asked: a broken Central must not make anybody wait for ever.
  Conclude(now, state, call, Conclusion("central answered with a session of somebody else"), out);
}

void Drivers::OnFetched(const Moment& now, const DriverId& driver, const SessionId& session,
                        absl::StatusOr<Charge> result, Effects& out) {
  State* state = Find(driver);
  if (state == nullptr) return;
  const auto open = state->open.find(session);
  if (open == state->open.end()) return;
  open->second.is_fetching = false;
  if (result.ok()) return Take(now, *state, *std::move(result), out);
  if (absl::IsNotFound(result.status())) return Lose(now, *state, session, out);
  open->second.fetch_at = now.monotonic + config_.backoff.max * (1 - config_.backoff.jitter * Chance());
}

// The charge is followed on; only nobody waits for it.
void Drivers::GiveUp(const Moment& now, State& state, Followed& followed, Effects& out) {
  const Charge& charge = followed.charge;
  const std::string text =
      absl::StrCat(charge.notice.empty() ? "the final figures are missing" : charge.notice, ", nothing moved for ",
                   absl::FormatDuration(config_.stuck), "; a ticket may come later  session ", charge.id.value());
  for (const CallId call : std::exchange(followed.waiting, {})) Conclude(now, state, call, Conclusion(text), out);
}

// Central was restored from a backup that did not have it, or is another one.
void Drivers::Lose(const Moment& now, State& state, const SessionId& session, Effects& out) {
  auto node = state.open.extract(state.open.find(session));
  const std::string text =
      absl::StrCat(node.mapped().charge.cp.value(), ": central does not know session ", session.value(), " any more");
  out.push_back(Told{.driver = state.id, .time = now.utc, .event = Notice{text}});
  state.used_at = now.monotonic;
  for (const CallId call : node.mapped().waiting) Conclude(now, state, call, Conclusion(text), out);
}

void Drivers::Conclude(const Moment& now, State& state, CallId call, const Conclusion& conclusion, Effects& out) {
  if (state.list && state.list->asked == call) return ConcludeList(now, state, conclusion, out);
  out.push_back(Concluded{.call = call, .conclusion = conclusion});
}

void Drivers::TickCharges(const Moment& now, State& state, Effects& out) {
  if (!central_.is_reachable) return;
  for (auto& [id, followed] : state.open) {
    if (StandsStill(followed.charge) && now.monotonic - followed.moved_at >= config_.stuck) {
      GiveUp(now, state, followed, out);
    }
    if (followed.is_fetching || now.monotonic < followed.fetch_at) continue;
    followed.is_fetching = true;
    out.push_back(SendGet{.driver = state.id, .session = id});
  }
}

}  // namespace ev::driver
