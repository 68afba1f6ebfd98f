#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "services/driver/core/drivers.h"
#include "services/driver/core/drivers_state.h"

// Lists of requests.

namespace ev::driver {
namespace {

absl::Status CheckSame(const ListCall& known, const ListCall& call) {
  if (known.plan.cps == call.plan.cps && known.target == call.target) return absl::OkStatus();
  return FieldError("request_id", "was used for another list");
}

}  // namespace

absl::StatusOr<ListId> Drivers::RunList(const Moment& now, const ListCall& call, Effects& out) {
  auto found = FindOrFollow(now, call.driver, out);
  if (!found.ok()) return found.status();
  State& state = **found;
  const bool is_named = !call.request_id.empty();
  if (state.list) {
    if (!is_named || state.list->call.request_id != call.request_id) {
      return WithReason(absl::FailedPreconditionError(absl::StrCat(
                            "a list of driver ", call.driver.value(), " runs already, at ",
                            state.list->list.progress().index + 1, " of ", state.list->list.progress().total)),
                        "RUN_IN_PROGRESS");
    }
    if (auto status = CheckSame(state.list->call, call); !status.ok()) return status;
    return state.list->id;
  }
  if (is_named && state.past_list && state.past_list->call.request_id == call.request_id) {
    if (auto status = CheckSame(state.past_list->call, call); !status.ok()) return status;
    return state.past_list->last.list;
  }
  last_list_ = last_list_.Next();
  state.list.emplace(
      List{.id = last_list_, .call = call, .list = RequestList(call.plan), .asked = CallId(), .session = SessionId()});
  TickList(now, state, out);
  return last_list_;
}

void Drivers::CancelList(const Moment& now, const DriverId& driver, ListId list, Effects& out) {
  State* state = Find(driver);
  if (state == nullptr || !state->list || state->list->id != list) return;
  state->list->list.Cancel();
  state->used_at = now.monotonic;
  EndListIfDone(*state, out);
}

void Drivers::TickList(const Moment& now, State& state, Effects& out) {
  if (!state.list) return;
  List& list = *state.list;
  if (list.list.IsOverdue(now.monotonic)) {
    // A request without its answer is not sent again; one that Central took all the same is seen on the stream.
    if (calls_.contains(list.asked)) Remove(now, list.asked);
    if (const auto open = state.open.find(list.session); open != state.open.end()) {
      std::erase(open->second.waiting, list.asked);
    }
    return ConcludeList(now, state,
                        Conclusion(absl::StrCat("no conclusion within ", absl::FormatDuration(list.list.plan().limit))),
                        out);
  }
  // A request that waits for Central grows old and is denied for it: better made when somebody listens.
  if (!central_.is_reachable) return;
  const auto cp = list.list.TakeNext(now.monotonic);
  if (!cp) return;
  TellList(state, ListBegun{}, out);
  StartCall start{.driver = state.id, .cp = *cp, .target = list.call.target, .trace = list.call.trace};
  // Derived, so that a list that is sent again after this program died does not charge again.
  if (!list.call.request_id.empty()) {
    start.request_id = absl::StrCat(list.call.request_id, ".", list.list.progress().index);
  }
  const auto call = Place(now, state, {.request = std::move(start), .list = list.id}, out);
  if (!call.ok()) return ConcludeList(now, state, Conclusion(std::string(call.status().message())), out);
  list.asked = *call;
}

void Drivers::TellList(State& state, std::variant<Charge, Conclusion, ListFinished, ListBegun> step, Effects& out) {
  out.push_back(ListStep{
      .driver = state.id, .list = state.list->id, .progress = state.list->list.progress(), .step = std::move(step)});
}

void Drivers::ConcludeList(const Moment& now, State& state, const Conclusion& conclusion, Effects& out) {
  state.list->list.Conclude(now.monotonic, conclusion);
  state.list->asked = CallId();
  state.list->session = SessionId();
  TellList(state, conclusion, out);
  EndListIfDone(state, out);
}

void Drivers::EndListIfDone(State& state, Effects& out) {
  if (!state.list->list.is_done()) return;
  TellList(state, ListFinished{.cancelled = state.list->list.was_cut()}, out);
  state.past_list = {.call = std::move(state.list->call), .last = std::get<ListStep>(out.back())};
  state.list.reset();
}

std::size_t Drivers::lists_running() const {
  std::size_t count = 0;
  for (const auto& [id, state] : drivers_) count += state->list ? 1 : 0;
  return count;
}

bool Drivers::IsRunning(const DriverId& driver, ListId list) const {
  const State* state = Find(driver);
  return state != nullptr && state->list && state->list->id == list;
}

std::optional<ListStep> Drivers::LastStepOf(const DriverId& driver, ListId list) const {
  const State* state = Find(driver);
  if (state == nullptr || !state->past_list || state->past_list->last.list != list) return std::nullopt;
  return state->past_list->last;
}

}  // namespace ev::driver
