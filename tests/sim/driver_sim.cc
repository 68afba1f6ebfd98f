#include "tests/sim/driver_sim.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "services/driver/core/lines.h"

namespace ev::sim {

using driver::Charge;
using driver::Conclusion;
using driver::Denial;
using driver::Drivers;
using driver::Effects;

namespace {

constexpr absl::Duration kTick = absl::Milliseconds(200);
constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr absl::Duration kReadTimeout = absl::Seconds(3);

// What the wire makes of Central's words.
Charge ToCharge(const Session& session, const std::optional<Ticket>& ticket) {
  Charge charge{.id = session.id,
                .cp = session.cp,
                .driver = session.driver,
                .number = session.number,
                .state = session.state,
                .price = session.price,
                .target = session.target,
                .energy_mwh = session.energy_mwh,
                .power_w = session.power_w,
                .amount_micros = session.amount_micros,
                .manual = session.manual,
                .requested = session.requested,
                .start = session.start,
                .end = session.end,
                .end_reason = session.end_reason,
                .ticket = ticket,
                .revision = session.revision};
  if (session.state == SessionState::kDenied || session.state == SessionState::kExpired) {
    charge.denial = Denial{.reason = std::string(Name(session.denial)), .text = session.denial_text};
  }
  return charge;
}

absl::Status ToStatus(const central::Failure& failure) {
  ErrorDetail detail{.reason = failure.reason};
  if (!failure.session.empty()) detail.metadata["session_id"] = failure.session.value();
  return WithDetail(failure.status, detail);
}

// Of a charging point that nobody knows nothing is kept, so the same request may be granted once somebody does.
bool IsOfUnknownPoint(const Conclusion& conclusion) {
  const auto* denial = std::get_if<Denial>(&conclusion);
  return denial != nullptr && denial->reason == Name(DenialReason::kPointUnknown);
}

}  // namespace

DriverSim::DriverSim(DriverId id, EventLoop& loop, Random& random, Network& network, CentralProcess& central)
    : id_(std::move(id)), loop_(loop), random_(random), network_(network), central_(central) {}

void DriverSim::Start() {
  if (run_ != nullptr) return;
  run_ = std::make_unique<Run>();
  run_->clock.emplace(loop_, random_);
  run_->ids.emplace(random_.Next());
  // Patient: an outage here may last longer than a list would wait, and each request is held to what became of it.
  run_->core.emplace(driver::DriversConfig{.stuck = absl::InfiniteDuration()}, *run_->ids);
  loop_.Every(
      run_->life, [] { return kTick; },
      [this] { Apply([](Drivers& core, const Moment& now, Effects& out) { core.Tick(now, out); }); });
  Apply([this](Drivers& core, const Moment& now, Effects& out) {
    if (auto status = core.Follow(now, id_, out); !status.ok()) Wrong(std::string(status.message()));
    core.Pin(id_);
  });
  const auto soon = [this] { return random_.Between(absl::ZeroDuration(), absl::Seconds(3)); };
  for (const auto& [request_id, request] : requests_) {
    if (request.conclusion || request.is_in_list) continue;
    loop_.After(run_->life, soon(), [this, again = request_id] { Place(again); });
  }
  if (list_ && !list_->is_over) loop_.After(run_->life, soon(), [this] { PlaceList(); });
}

void DriverSim::Crash() {
  if (run_ == nullptr) return;
  ++crashes;
  const std::unique_ptr<Run> dead = std::move(run_);
  if (dead->watch != nullptr && random_.Chance(80)) dead->watch->stream->ClientDied();
}

// By the network, or by a Central that wants its readers to look again.
void DriverSim::CutWatch() {
  if (run_ == nullptr || run_->watch == nullptr) return;
  ++cuts;
  Stream& stream = *run_->watch->stream;
  random_.Chance(50) ? stream.Cut() : stream.CloseByServer(absl::ResourceExhaustedError("the reader is too slow"));
}

void DriverSim::Apply(const Input& input) {
  Effects effects;
  input(*run_->core, run_->clock->Now(), effects);
  for (const driver::Effect& effect : effects) {
    std::visit([this](const auto& wanted) { Do(wanted); }, effect);
  }
}

void DriverSim::Wrong(const std::string& what) {
  wrong.push_back(absl::StrCat(id_.value(), ": ", what));
}

std::map<SessionId, Charge> DriverSim::shown() const {
  return run_ == nullptr ? std::map<SessionId, Charge>() : run_->shown;
}

bool DriverSim::IsQuiet() const {
  if (run_ == nullptr || (list_ && !list_->is_over)) return false;
  const Drivers& core = *run_->core;
  return core.IsSettled(id_) && core.calls_under_way() == 0 && core.open_charges() == 0 && core.lists_running() == 0 &&
         std::all_of(requests_.begin(), requests_.end(),
                     [](const auto& request) { return request.second.conclusion.has_value(); });
}

// --- the person ------------------------------------------------------------------------------------------------------

void DriverSim::Ask(const std::string& request_id, const CpId& cp, const Target& target) {
  if (run_ == nullptr) return;
  requests_[request_id] = {.cp = cp, .target = target, .session = {}, .conclusion = {}};
  Place(request_id);
}

void DriverSim::RunList(const std::string& request_id, const std::vector<CpId>& cps, const Target& target) {
  if (run_ == nullptr || (list_ && !list_->is_over)) return;
  list_ = List{.call = {.request_id = request_id, .driver = id_, .plan = {.cps = cps}, .target = target}};
  for (std::size_t i = 0; i < cps.size(); ++i) {
    requests_[absl::StrCat(request_id, ".", i)] = {
        .cp = cps[i], .target = target, .is_in_list = true, .session = {}, .conclusion = {}};
  }
  PlaceList();
}

void DriverSim::Stop(const std::string& request_id) {
  const auto request = requests_.find(request_id);
  if (run_ == nullptr || request == requests_.end() || request->second.session.empty()) return;
  const SessionId session = random_.Chance(50) ? request->second.session : SessionId();
  Apply([&](Drivers& core, const Moment& now, Effects& out) {
    // Refused where the session has ended, or is not known after a restart.
    (void)core.Stop(now, {.request_id = {}, .driver = id_, .session = session, .cp = request->second.cp}, out);
  });
}

void DriverSim::Place(const std::string& request_id) {
  const Request& request = requests_.at(request_id);
  Apply([&](Drivers& core, const Moment& now, Effects& out) {
    const auto call = core.Start(
        now, {.request_id = request_id, .driver = id_, .cp = request.cp, .target = request.target, .to_the_end = true},
        out);
    if (!call.ok()) return Wrong(absl::StrCat(request_id, ": ", call.status().ToString()));
    run_->asked[*call] = request_id;
  });
}

void DriverSim::PlaceList() {
  Apply([this](Drivers& core, const Moment& now, Effects& out) {
    const auto list = core.RunList(now, list_->call, out);
    if (!list.ok()) Wrong(absl::StrCat(list_->call.request_id, ": ", list.status().ToString()));
  });
}

// --- calls to Central ------------------------------------------------------------------------------------------------

// One attempt, which is answered once. It arrives, or not, or twice, and so does its answer; whoever waits hears of a
// broken connection late, and at the latest when the time is up.
void DriverSim::Call(absl::Duration limit, std::function<void(const OnCharge&)> serve,
                     std::function<void(Drivers&, const Moment&, const absl::StatusOr<Charge>&, Effects&)> answered) {
  const OnCharge done = [this, is_over = std::make_shared<bool>(false), alive = std::weak_ptr<int>(run_->life),
                         answered = std::move(answered)](const absl::StatusOr<Charge>& result) {
    if (alive.expired() || std::exchange(*is_over, true)) return;
    Apply([&](Drivers& core, const Moment& now, Effects& out) { answered(core, now, result, out); });
  };
  loop_.After(random_.Between(limit / 5, limit), [done] { done(absl::UnavailableError("connection lost")); });
  const int times = network_.Loses() ? 0 : network_.Repeats() ? 2 : 1;
  for (int i = 0; i < times; ++i) {
    loop_.After(network_.Delay(), [this, serve, done] {
      const OnCharge answer = [this, done](const absl::StatusOr<Charge>& result) {
        if (!network_.Loses()) loop_.After(network_.Delay(), [done, result] { done(result); });
      };
      if (!central_.is_up()) return answer(absl::UnavailableError("connection refused"));
      serve(answer);
    });
  }
}

absl::StatusOr<Charge> DriverSim::Read(const SessionId& id) const {
  auto session = central_.store().FindSession(id);
  if (!session.ok()) return session.status();
  return ToCharge(*session, central_.TicketOf(*session));
}

void DriverSim::Do(const driver::SendStart& start) {
  if (++sent_[start.request_id] > 1) ++repeats;
  Call(
      kCallTimeout,
      [this, start](const OnCharge& answer) {
        central_.Start({.request_key = start.request_id,
                        .fingerprint = driver::TargetText(start.target, "EUR"),
                        .driver = start.driver,
                        .cp = start.cp,
                        .target = start.target,
                        .waited = start.waited},
                       [this, answer](const central::CallResult& result) {
                         if (const auto* failure = std::get_if<central::Failure>(&result)) {
                           return answer(ToStatus(*failure));
                         }
                         const auto& session = std::get<Session>(result);
                         answer(ToCharge(session, central_.TicketOf(session)));
                       });
      },
      [call = start.call](Drivers& core, const Moment& now, const absl::StatusOr<Charge>& result, Effects& out) {
        core.OnAnswer(now, call, result, out);
      });
}

void DriverSim::Do(const driver::SendStop& stop) {
  Call(
      kCallTimeout,
      [this, stop](const OnCharge& answer) {
        const auto known = Read(stop.session);
        if (!known.ok()) return answer(known.status());
        central_.Stop(
            {.call = {}, .session = stop.session, .driver = stop.driver}, known->cp,
            [this, answer, id = stop.session](const central::CallResult& result) {
              // One that came to its end before is what was asked for.
              const auto* failure = std::get_if<central::Failure>(&result);
              answer(failure == nullptr || failure->reason == "SESSION_NOT_OPEN" ? Read(id) : ToStatus(*failure));
            });
      },
      [call = stop.call](Drivers& core, const Moment& now, const absl::StatusOr<Charge>& result, Effects& out) {
        core.OnAnswer(now, call, result, out);
      });
}

void DriverSim::Do(const driver::SendGet& get) {
  ++fetches;
  Call(
      kReadTimeout, [this, get](const OnCharge& answer) { answer(Read(get.session)); },
      [get](Drivers& core, const Moment& now, const absl::StatusOr<Charge>& result, Effects& out) {
        core.OnFetched(now, get.driver, get.session, result, out);
      });
}

// --- the stream ------------------------------------------------------------------------------------------------------

void DriverSim::Do(const driver::OpenWatch& open) {
  const driver::WatchId id = open.watch;
  const auto apply = [this](auto call) {
    return [this, call](const auto&... args) {
      Apply([&](Drivers& core, const Moment& now, Effects& out) { call(core, now, args..., out); });
    };
  };
  auto watch = std::make_shared<CentralProcess::Watch>();
  watch->driver = open.driver;
  watch->stream = std::make_shared<Stream>(
      network_, run_->life, apply([this, id](Drivers& core, const Moment& now, const absl::Status& why, Effects& out) {
        core.OnWatchClosed(now, id_, id, why, out);
      }));
  watch->session =
      apply([this, id](Drivers& core, const Moment& now, const Session& session, const std::optional<Ticket>& ticket,
                       Effects& out) { core.OnWatchCharge(now, id_, id, ToCharge(session, ticket), out); });
  watch->snapshot =
      apply([this, id](Drivers& core, const Moment& now, Effects& out) { core.OnWatchSnapshot(now, id_, id, out); });
  watch->heartbeat =
      apply([this, id](Drivers& core, const Moment& now, Effects& out) { core.OnWatchHeartbeat(now, id_, id, out); });
  run_->watch = watch;
  run_->watch_id = id;
  if (network_.Loses()) {
    watch->stream->Cut();
  } else if (!central_.Open(watch)) {
    watch->stream->ServerDied();
  }
}

void DriverSim::Do(const driver::CloseWatch& close) {
  if (run_->watch != nullptr && run_->watch_id == close.watch) run_->watch->stream->CloseByClient();
}

// --- what the person is shown ----------------------------------------------------------------------------------------

void DriverSim::Do(const driver::Answered& effect) {
  if (DetailOf(effect.result.status()).reason == "NOT_YOUR_SESSION") Wrong("may not stop the own session");
  const auto asked = run_->asked.find(effect.call);
  if (asked != run_->asked.end() && effect.result.ok()) OnGot(asked->second, *effect.result);
}

void DriverSim::Do(const driver::Concluded& effect) {
  const auto asked = run_->asked.extract(effect.call);
  if (asked.empty()) return Wrong("something was concluded that was not asked for, or twice");
  OnConclusion(asked.mapped(), effect.conclusion);
}

void DriverSim::Do(const driver::ListStep& step) {
  const std::string request_id = absl::StrCat(list_->call.request_id, ".", step.progress.index);
  if (std::holds_alternative<driver::ListBegun>(step.step)) {
    const auto& concluded = run_->list_concluded;
    if (std::exchange(run_->is_list_busy, true))
      Wrong(absl::StrCat(request_id, " was begun before the end of another"));
    if (concluded && loop_.now() - *concluded < list_->call.plan.pause) {
      Wrong(absl::StrCat(request_id, " was begun after ", absl::FormatDuration(loop_.now() - *concluded)));
    }
  } else if (const auto* charge = std::get_if<Charge>(&step.step)) {
    OnGot(request_id, *charge);
  } else if (const auto* conclusion = std::get_if<Conclusion>(&step.step)) {
    run_->is_list_busy = false;
    run_->list_concluded = loop_.now();
    OnConclusion(request_id, *conclusion);
  } else {
    const driver::ListProgress& counts = step.progress;
    if (counts.completed + counts.denied + counts.failed != counts.total) {
      Wrong(absl::StrCat(list_->call.request_id, " ended before each request had"));
    }
    ++lists;
    list_->is_over = true;
    run_->list_concluded.reset();  // The next list begins when it is asked for.
  }
}

void DriverSim::OnGot(const std::string& request_id, const Charge& charge) {
  Request& request = requests_.at(request_id);
  if (charge.driver != id_ || charge.cp != request.cp) Wrong(absl::StrCat(request_id, " got somebody else's session"));
  if (charge.state == SessionState::kUnconfirmed) ++unconfirmed;
  if (!request.session.empty() && request.session != charge.id) {
    Wrong(absl::StrCat(request_id, " made two sessions, ", request.session.value(), " and ", charge.id.value()));
  }
  request.session = charge.id;
}

void DriverSim::OnConclusion(const std::string& request_id, const Conclusion& conclusion) {
  Request& request = requests_.at(request_id);
  if (const auto* failure = std::get_if<std::string>(&conclusion)) {
    Wrong(absl::StrCat(request_id, " came to nothing: ", *failure));
  }
  if (const auto* denial = std::get_if<Denial>(&conclusion)) {
    const auto told = std::find(run_->denials.begin(), run_->denials.end(), std::pair(request.cp, *denial));
    if (told == run_->denials.end()) {
      Wrong(absl::StrCat(request_id, " was denied, ", denial->reason, ", and nobody was told"));
    } else {
      run_->denials.erase(told);
    }
  }
  // Asked again at a new process.
  if (request.conclusion && *request.conclusion != conclusion && !IsOfUnknownPoint(*request.conclusion)) {
    Wrong(absl::StrCat(request_id, " came to two ends"));
  }
  request.conclusion = conclusion;
}

void DriverSim::Do(const driver::Told& told) {
  if (told.driver != id_) return Wrong("was told of somebody else");
  if (const auto* change = std::get_if<driver::ChargeChange>(&told.event)) {
    const Charge& charge = change->charge;
    OnShown(charge);
    if (charge.denial && told.is_news) OnDenialNews(charge.cp, charge.id, *charge.denial);
  } else if (const auto* denied = std::get_if<driver::DenialTold>(&told.event)) {
    if (told.is_news) OnDenialNews(denied->cp, denied->session, denied->denial);
  }
}

void DriverSim::OnShown(const Charge& charge) {
  if (charge.driver != id_) Wrong(absl::StrCat("was shown session ", charge.id.value(), " of somebody else"));
  tickets_shown += charge.ticket ? 1 : 0;
  const auto [shown, is_new] = run_->shown.try_emplace(charge.id, charge);
  if (is_new) return;
  if (charge.revision <= shown->second.revision) {
    Wrong(absl::StrCat("session ", charge.id.value(), " was shown as it had been before"));
  }
  if (IsConcluded(shown->second) && !IsConcluded(charge)) {
    Wrong(absl::StrCat("session ", charge.id.value(), " was shown open again after its end"));
  }
  shown->second = charge;
}

void DriverSim::OnDenialNews(const CpId& cp, const SessionId& session, const Denial& denial) {
  run_->denials.emplace_back(cp, denial);
  if (!session.empty() && ++run_->denial_news[session] > 1) {
    Wrong(absl::StrCat("the denial of session ", session.value(), " was news twice"));
  }
}

}  // namespace ev::sim
