#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error_detail.h"
#include "services/driver/core/drivers.h"
#include "services/driver/core/drivers_state.h"

// Requests on their way to Central: attempts, answers, denials.

namespace ev::driver {
namespace {

// The same request again may get another answer, so this one is none. A reason says that somebody has decided:
// POINT_DISCONNECTED, for instance, answers a stop; Central's own "try again" comes with a wait.
bool IsTransient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
      return true;
    case absl::StatusCode::kUnavailable:
      return DetailOf(status).reason != "POINT_DISCONNECTED";
    case absl::StatusCode::kResourceExhausted:
      return DetailOf(status).retry_after.has_value();  // Central is overloaded. A point's denial names no wait.
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return DetailOf(status).reason.empty();  // From the wire below: whoever has decided says why.
    default:
      return false;
  }
}

// Nobody answered at all: not Central saying "not now".
bool IsSilence(const absl::Status& status) {
  return IsTransient(status) && DetailOf(status).reason.empty();
}

bool IsDenial(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

Denial DenialOf(const absl::Status& status) {
  std::string reason = DetailOf(status).reason;
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  return {.reason = std::move(reason), .text = std::string(status.message())};
}

absl::Status Unreachable(absl::string_view error) {
  return WithReason(absl::UnavailableError(error.empty() ? "central gave no answer in time" : error),
                    "CENTRAL_UNREACHABLE");
}

}  // namespace

absl::StatusOr<CallId> Drivers::Start(const Moment& now, const StartCall& call, Effects& out) {
  auto state = FindOrFollow(now, call.driver, out);
  if (!state.ok()) return state.status();
  return Place(now, **state, {.request = call}, out);
}

absl::StatusOr<CallId> Drivers::Stop(const Moment& now, const StopCall& call, Effects& out) {
  auto state = FindOrFollow(now, call.driver, out);
  if (!state.ok()) return state.status();
  StopCall resolved = call;
  if (call.session.empty()) {
    std::vector<std::string> candidates;
    for (const auto& [id, followed] : (*state)->open) {
      const Charge& charge = followed.charge;
      if (HoldsPoint(charge.state) && (call.cp.empty() || charge.cp == call.cp)) candidates.push_back(id.value());
    }
    const std::string where = call.cp.empty() ? "" : absl::StrCat(" at ", call.cp.value());
    const bool is_known = (*state)->is_settled || (!call.cp.empty() && !candidates.empty());
    if (!is_known) return Unreachable(central_.error);
    if (candidates.empty()) {
      return WithReason(
          absl::NotFoundError(absl::StrCat("driver ", call.driver.value(), " has no open session", where)),
          "NO_OPEN_SESSION");
    }
    if (candidates.size() > 1) {
      ErrorDetail detail{.reason = "SEVERAL_OPEN_SESSIONS"};
      detail.metadata["session_ids"] = absl::StrJoin(candidates, ",");
      return WithDetail(
          absl::FailedPreconditionError(absl::StrCat("driver ", call.driver.value(), " has ", candidates.size(),
                                                     " open sessions", where, ": say which")),
          detail);
    }
    resolved.session = SessionId(candidates.front());
  }
  return Place(now, **state, {.request = std::move(resolved)}, out);
}

absl::StatusOr<CallId> Drivers::Place(const Moment& now, State& state, Call call, Effects& out) {
  if (calls_.size() >= config_.max_calls) {
    return WithReason(absl::ResourceExhaustedError(absl::StrCat(calls_.size(), " requests wait for central already")),
                      "OVERLOADED");
  }
  // Made once: every attempt of this request has this id.
  std::visit(
      [this](auto& request) {
        if (request.request_id.empty()) request.request_id = ids_.NewRandomHex();
        if (request.trace.empty()) request.trace = NewTrace(ids_);
      },
      call.request);
  call.made = now.monotonic;
  call.backoff = Backoff(config_.backoff);
  last_call_ = last_call_.Next();
  ++state.calls;
  const auto placed = calls_.emplace(last_call_, std::make_unique<Call>(std::move(call))).first;
  Attempt(now, last_call_, *placed->second, out);
  return last_call_;
}

void Drivers::Attempt(const Moment& now, CallId id, Call& call, Effects& out) {
  call.in_flight = true;
  call.overload = absl::OkStatus();
  if (const auto* start = std::get_if<StartCall>(&call.request)) {
    out.push_back(SendStart{.call = id,
                            .request_id = start->request_id,
                            .driver = start->driver,
                            .cp = start->cp,
                            .target = start->target,
                            .waited = now.monotonic - call.made,
                            .trace = start->trace});
  } else {
    const auto& stop = std::get<StopCall>(call.request);
    out.push_back(SendStop{.call = id,
                           .request_id = stop.request_id,
                           .driver = stop.driver,
                           .session = stop.session,
                           .trace = stop.trace});
  }
}

void Drivers::TickCalls(const Moment& now, Effects& out) {
  std::vector<std::pair<CallId, absl::Status>> over;
  for (auto& [id, call] : calls_) {
    if (now.monotonic >= call->give_up()) {
      over.emplace_back(id, call->overload.ok() ? Unreachable(central_.error) : call->overload);
    } else if (!call->in_flight && now.monotonic >= call->next_attempt) {
      Attempt(now, id, *call, out);
    }
  }
  for (const auto& [id, why] : over) Finish(now, id, why, out);
}

void Drivers::OnAnswer(const Moment& now, CallId id, absl::StatusOr<Charge> result, Effects& out) {
  const bool is_silence = IsSilence(result.status());
  is_silence ? OnMissed(now, result.status(), out) : OnReached(now, out);
  const auto it = calls_.find(id);
  if (it == calls_.end()) {
    State* state = result.ok() ? Find(result->driver) : nullptr;
    if (state != nullptr) Take(now, *state, *std::move(result), out);
    return;
  }
  if (IsTransient(result.status()) && AskAgain(now, *it->second, result.status(), out)) return;
  Finish(now, id, std::move(result), out);
}

bool Drivers::AskAgain(const Moment& now, Call& call, const absl::Status& why, Effects& out) {
  const auto asked_for = DetailOf(why).retry_after.value_or(absl::ZeroDuration());
  const absl::Duration wait = std::max(call.backoff.Next(Chance()), asked_for);
  const bool is_overload = absl::IsResourceExhausted(why);
  if (!is_overload) call.may_be_done = true;
  if (is_overload && !call.may_be_done) {
    if (now.monotonic + wait - call.made > config_.request_max_age) return false;
    call.overload = why;
  }
  if (is_overload && !std::exchange(call.is_overload_told, true)) {
    const auto seconds = absl::ToInt64Seconds(absl::Ceil(wait, absl::Seconds(1)));
    out.push_back(Told{.driver = call.driver(),
                       .time = now.utc,
                       .event = Notice{absl::StrCat("central is overloaded; asking again in ", seconds, " s")}});
  }
  call.in_flight = false;
  call.next_attempt = now.monotonic + wait;
  return true;
}

Drivers::Call Drivers::Remove(const Moment& now, CallId id) {
  const auto it = calls_.find(id);
  assert(it != calls_.end());
  Call call = std::move(*it->second);
  calls_.erase(it);
  State* state = Find(call.driver());
  assert(state != nullptr);  // A call keeps its driver.
  --state->calls;
  state->used_at = now.monotonic;
  return call;
}

void Drivers::Finish(const Moment& now, CallId id, absl::StatusOr<Charge> result, Effects& out) {
  const Call call = Remove(now, id);
  if (std::holds_alternative<StartCall>(call.request)) return FinishStart(now, id, call, std::move(result), out);
  if (result.ok()) Take(now, *Find(call.driver()), *result, out);
  out.push_back(Answered{.call = id, .result = std::move(result)});
}

void Drivers::FinishStart(const Moment& now, CallId id, const Call& call, absl::StatusOr<Charge> result, Effects& out) {
  const auto& start = std::get<StartCall>(call.request);
  State& state = *Find(start.driver);
  const bool is_for_list = call.list.value() != 0;
  const bool is_denied = IsDenial(result.status());
  if (result.ok()) Take(now, state, *result, out);
  if (is_denied) {
    const ErrorDetail detail = DetailOf(result.status());
    const auto session = detail.metadata.find("session_id");
    TellDenial(now, state, start, SessionId(session == detail.metadata.end() ? "" : session->second),
               DenialOf(result.status()), out);
  }
  if (!is_for_list) out.push_back(Answered{.call = id, .result = result});
  if (!is_for_list && !start.to_the_end) return;
  if (result.ok()) return WaitForEnd(now, state, id, *result, out);
  if (is_denied) return Conclude(now, state, id, DenialOf(result.status()), out);
  Conclude(now, state, id, Conclusion(std::string(result.status().message())), out);
}

void Drivers::TellDenial(const Moment& now, State& state, const StartCall& start, const SessionId& session,
                         Denial denial, Effects& out) {
  const auto is_it = [&](const Charge& charge) { return charge.id == session; };
  const bool is_told = std::any_of(state.recent.begin(), state.recent.end(), is_it) ||
                       std::count(state.denials_told.begin(), state.denials_told.end(), session) > 0;
  if (!session.empty() && !is_told) {
    state.denials_told.push_back(session);
    if (state.denials_told.size() > config_.recent_charges) state.denials_told.pop_front();
  }
  out.push_back(
      Told{.driver = state.id,
           .time = now.utc,
           .event = DenialTold{.cp = start.cp, .session = session, .denial = std::move(denial), .trace = start.trace},
           .is_news = session.empty() || !is_told});
}

}  // namespace ev::driver
