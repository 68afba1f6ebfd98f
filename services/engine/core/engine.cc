#include "services/engine/core/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"

namespace ev::engine {
namespace {

constexpr std::size_t kMaxAsked = 16;
constexpr std::size_t kMaxDoneByHand = 64;
// Longer between two ticks than this: the process did not run (SIGSTOP, a suspended machine), so what the Monitor said
// meanwhile is still in the socket. It gets one more second before silence counts.
constexpr absl::Duration kPause = absl::Seconds(2);
constexpr absl::Duration kGraceAfterPause = absl::Seconds(1);

}  // namespace

Engine::Engine(EngineOptions options, const journal::LogContents& contents, MeterReading meter, Moment now,
               IdSource& ids)
    : options_(options),
      ids_(ids),
      journal_id_(contents.id),
      capacity_(contents.capacity),
      cp_(contents.cp),
      mark_(contents.mark),
      link_(options.silence_limit),
      meter_(meter),
      last_tick_(now.monotonic),
      next_status_(now.monotonic),
      next_produce_again_(now.monotonic + options.produce_again_every) {
  for (const Fact& fact : contents.unsettled) unsettled_.Add(fact);
  if (contents.open) {
    const Fact final = FinalAfterRestart(*contents.open, meter.register_mwh, now, ids_);
    Keep(final);
    Warn("a session was cut off and is closed by the meter",
         {{"session_id", final.session.value()}, {"energy_mwh", final.energy_mwh}}, final.grant.trace);
  }
}

absl::Status Engine::Hear(const MonitorBeat& beat, Moment now) {
  if (beat.cp != cp_) {
    if (!cp_.empty() && (unsettled_.total() > 0 || !Idle() || link_.MonitorPresent(now.monotonic))) {
      return WithReason(absl::FailedPreconditionError(absl::StrCat("this Engine and its journal belong to ",
                                                                   cp_.value(), ", not to ", beat.cp.value())),
                        "WRONG_POINT");
    }
    // Link epochs count per charging point: those of the one before mean nothing for this one.
    link_ = MonitorLink(options_.silence_limit);
    cp_ = beat.cp;
    out_.log.cp = cp_;
    Say("the Monitor has named this charging point", {{"cp_id", cp_.value()}});
  }
  if (!link_.Hear(beat.epoch, beat.central_age, now.monotonic)) {
    return WithReason(
        absl::AbortedError(absl::StrCat("link ", beat.epoch.value(), " was superseded by ", link_.newest().value())),
        "SUPERSEDED");
  }
  NoticePartners(now);
  TryStart(now);
  return absl::OkStatus();
}

void Engine::Configure(const Configuration& configuration, Moment now) {
  const LinkEpoch before = link_.configured_epoch();
  if (!link_.Configure(configuration)) return;
  if (configuration.epoch != before) {
    // First of all on a new link: no grant from before it can be used any more, and reports from now on may say so.
    RaiseMark(configuration.highest_grant);
    // Central may have lost what it had not booked.
    out_.produce_again = true;
    next_produce_again_ = now.monotonic + options_.produce_again_every;
  }
  if (!configuration.causes.empty()) End(EndReason::kOperatorStop, now);
  TryStart(now);
}

void Engine::Settle(const std::vector<Settlement>& settlements, Moment /*now*/) {
  for (const Settlement& settlement : settlements) {
    const Trace trace = unsettled_.TraceOf(settlement.session);
    auto done = unsettled_.Settle(settlement);
    if (!done) continue;
    if (done->refused) {
      Warn("Central refused facts of a session", {{"session_id", done->session.value()}, {"reason", done->reason}},
           trace);
    } else if (done->final) {
      Say("Central has booked the charge", {{"session_id", done->session.value()}}, trace);
    }
    out_.log.settled.push_back(*std::move(done));
  }
}

absl::Status Engine::CheckLink(LinkEpoch epoch) const {
  if (epoch >= link_.newest()) return absl::OkStatus();
  return WithReason(absl::FailedPreconditionError(absl::StrCat("the command came by link ", epoch.value(),
                                                               ", the newest is ", link_.newest().value())),
                    "LINK_OUTDATED");
}

Trace Engine::CurrentTrace() const {
  const Grant* grant = CurrentGrant();
  return grant != nullptr ? grant->trace : Trace();
}

void Engine::RaiseMark(GrantNumber number) {
  if (number <= mark_) return;
  mark_ = number;
  out_.log.mark = mark_;
}

CommandAnswer Engine::Answer(Verdict verdict, DenialReason denial, std::string text) const {
  return {.id = {}, .verdict = verdict, .denial = denial, .text = std::move(text), .mark = mark_};
}

CommandAnswer Engine::Prepare(const PrepareSession& command, Moment now) {
  const Grant& grant = command.grant;
  if (const Grant* current = CurrentGrant();
      current != nullptr && current->session == grant.session && current->number == grant.number) {
    return Answer(Verdict::kGranted);  // A repeat.
  }
  if (cp_.empty()) return Answer(Verdict::kDenied, DenialReason::kMonitorMissing, "no Monitor has come yet");
  if (grant.cp != cp_) {
    return Answer(Verdict::kDenied, DenialReason::kWrongPoint,
                  absl::StrCat("this is ", cp_.value(), ", not ", grant.cp.value()));
  }
  if (grant.number <= mark_) {
    return Answer(Verdict::kDenied, DenialReason::kGrantOutdated,
                  absl::StrCat("grant ", grant.number.value(), " is not newer than ", mark_.value()));
  }
  RaiseMark(grant.number);
  if (Refusal refusal = Obstacle(now); refusal.reason != DenialReason::kNone) {
    Say("charge denied",
        {{"driver_id", grant.driver.value()},
         {"session_id", grant.session.value()},
         {"reason", std::string(Name(refusal.reason))},
         {"text", refusal.text}},
        grant.trace);
    return Answer(Verdict::kDenied, refusal.reason, std::move(refusal.text));
  }
  occupant_ =
      Reservation{.grant = grant, .granted = now.monotonic, .expires = now.monotonic + command.plug_in_time_to_live};
  Say("reserved", {{"driver_id", grant.driver.value()}, {"session_id", grant.session.value()}});
  TryStart(now);
  return Answer(Verdict::kGranted);
}

CommandAnswer Engine::Cancel(const CancelGrant& command, Moment /*now*/) {
  RaiseMark(command.number);
  const Grant* current = CurrentGrant();
  const bool by_number = command.session.empty();
  if (current != nullptr && (by_number ? current->number == command.number : current->session == command.session)) {
    if (std::holds_alternative<Charging>(occupant_)) return Answer(Verdict::kRunning);
    Release("cancelled");
    return Answer(Verdict::kCancelled);
  }
  const bool has_ended =
      by_number ? unsettled_.HasFinal(command.number) : unsettled_.EndOf(command.session) != EndReason::kNone;
  return Answer(has_ended ? Verdict::kEnded : Verdict::kCancelled);
}

CommandAnswer Engine::Stop(const StopSession& command, Moment now) {
  const Grant* current = CurrentGrant();
  if (current != nullptr && current->session == command.session) {
    if (std::holds_alternative<Reservation>(occupant_)) {
      Release("stopped before plug-in");
      return Answer(Verdict::kCancelled);
    }
    End(command.reason, now);
    CommandAnswer stopped = Answer(Verdict::kStopped);
    stopped.end_reason = std::get<Charging>(occupant_).ending;  // Another end may have been faster.
    return stopped;
  }
  const EndReason reason = unsettled_.EndOf(command.session);
  if (reason == EndReason::kNone) return Answer(Verdict::kUnknown);
  CommandAnswer ended = Answer(Verdict::kEnded);
  ended.end_reason = reason;
  return ended;
}

absl::StatusOr<bool> Engine::IsNew(const std::string& request_id, const std::string& request) {
  if (request_id.empty()) return true;
  for (const auto& [id, done] : done_by_hand_) {
    if (id != request_id) continue;
    if (done == request) return false;
    return WithReason(absl::InvalidArgumentError("request_id was used before with other parameters"),
                      Name(DenialReason::kRequestIdReused));
  }
  done_by_hand_.emplace_back(request_id, request);
  if (done_by_hand_.size() > kMaxDoneByHand) done_by_hand_.pop_front();
  return true;
}

void Engine::PlugIn(Moment now) {
  if (!plugged_in_ || vehicle_served_) Say("vehicle plugged in");
  plugged_in_ = true;
  vehicle_served_ = false;
  TryStart(now);
}

void Engine::Unplug(Moment now) {
  if (plugged_in_) Say("vehicle unplugged");
  plugged_in_ = false;
  vehicle_served_ = false;
  plugged_in_by_itself_ = false;
  End(EndReason::kUnplugged, now);
}

void Engine::InjectFault(absl::string_view text, Moment now) {
  fault_ = text.empty() ? "injected fault" : std::string(text);
  Warn("FAULT", {{"fault", fault_}});
  End(EndReason::kFault, now);
  if (std::holds_alternative<Reservation>(occupant_)) Release("faulted");
}

void Engine::ClearFault(Moment now) {
  if (fault_.empty()) return;
  fault_.clear();
  Say("fault cleared");
  TryStart(now);
}

void Engine::RequestSession(RequestToken token, PointRequest request, Moment now) {
  // Whoever names the request may be repeating it, and what became of the first Central knows: the point may be busy
  // with nothing else.
  Refusal refusal;
  if (request.request_id.empty() || !link_.MonitorPresent(now.monotonic)) refusal = Obstacle(now);
  if (refusal.reason == DenialReason::kNone && !link_.CentralHeard(now.monotonic)) {
    refusal = {DenialReason::kCentralUnreachable, "Central cannot be reached"};
  }
  if (refusal.reason == DenialReason::kNone && asked_.size() >= kMaxAsked) {
    refusal = {DenialReason::kOverloaded, "too many requests wait for Central"};
  }
  if (request.request_id.empty()) request.request_id = ids_.NewRandomHex();
  if (request.trace.empty()) request.trace = NewTrace(ids_);
  Say("a charge is asked for at the charging point",
      {{"driver_id", request.driver.value()}, {"request_id", request.request_id}}, request.trace);
  if (refusal.reason != DenialReason::kNone) {
    Reply(token,
          {.request_id = std::move(request.request_id),
           .session = std::nullopt,
           .denial = refusal.reason,
           .text = std::move(refusal.text)},
          request.trace);
    return;
  }
  asked_.push_back({.token = token,
                    .request_id = request.request_id,
                    .until = now.monotonic + options_.request_time_to_live - request.waited,
                    .trace = request.trace});
  out_.requests.push_back(std::move(request));
}

void Engine::AnswerRequest(const PointRequestAnswer& answer, Moment /*now*/) {
  std::erase_if(asked_, [&](const Asked& asked) {
    if (asked.request_id != answer.request_id) return false;
    Reply(asked.token, answer, asked.trace);
    return true;
  });
}

void Engine::Reply(RequestToken token, PointRequestAnswer answer, const Trace& trace) {
  if (answer.denial != DenialReason::kNone) {
    Say("request denied", {{"reason", std::string(Name(answer.denial))}, {"text", answer.text}}, trace);
  }
  out_.request_results.push_back({.token = token, .answer = std::move(answer)});
}

void Engine::TryStart(Moment now) {
  const auto* reservation = std::get_if<Reservation>(&occupant_);
  if (reservation == nullptr || !plugged_in_ || vehicle_served_ || now.monotonic >= reservation->expires) return;
  if (!WaitingFor(now).empty()) return;

  const Fact start = Charge::StartFact(reservation->grant, meter_, now, ids_);
  Say("charging started", {{"driver_id", start.grant.driver.value()}, {"session_id", start.session.value()}});
  last_start_ = now.utc;
  occupant_ = Charging{.charge = Charge(start, now),
                       .contactor_closed = false,
                       .next_sample = now.monotonic + options_.sample_every,
                       .ending = EndReason::kNone};
  Keep(start);
}

void Engine::StartWritten(const SessionId& session, Moment /*now*/) {
  auto* charging = std::get_if<Charging>(&occupant_);
  if (charging == nullptr || charging->charge.grant().session != session) return;
  if (charging->contactor_closed || charging->ending != EndReason::kNone) return;
  charging->contactor_closed = true;
  out_.close_contactor_at_mwh = charging->charge.limit_register_mwh();
}

// The final waits for the contactor: only when it is open does the register say what the vehicle has received.
void Engine::End(EndReason reason, Moment /*now*/) {
  auto* charging = std::get_if<Charging>(&occupant_);
  if (charging == nullptr || charging->ending != EndReason::kNone) return;
  charging->ending = reason;
  out_.open_contactor = true;
}

void Engine::ContactorOpened(MeterReading meter, Opening opening, Moment now) {
  meter_ = meter;
  auto* charging = std::get_if<Charging>(&occupant_);
  if (charging == nullptr) return;
  EndReason reason = charging->ending;
  if (reason == EndReason::kNone) {
    reason = opening == Opening::kVehicleFull ? EndReason::kVehicleFull : EndReason::kTargetReached;
  }
  charging->charge.Meter(meter);
  const Fact final = charging->charge.Final(reason, now, ids_);
  occupant_ = std::monostate();
  vehicle_served_ = plugged_in_;
  Keep(final);
  out_.open_contactor = false;
  Say("charging ended",
      {{"driver_id", final.grant.driver.value()},
       {"session_id", final.session.value()},
       {"end_reason", std::string(Name(reason))},
       {"energy_mwh", final.energy_mwh},
       {"amount_micros", final.amount_micros},
       {"currency", final.grant.price.currency}},
      final.grant.trace);
}

void Engine::Release(absl::string_view why) {
  const Grant& grant = std::get<Reservation>(occupant_).grant;
  Say("reservation released",
      {{"driver_id", grant.driver.value()}, {"session_id", grant.session.value()}, {"why", std::string(why)}});
  occupant_ = std::monostate();
}

void Engine::Keep(const Fact& fact) {
  out_.log.facts.push_back(fact);
  if (fact.kind != FactKind::kSample) unsettled_.Add(fact);
}

void Engine::ShutDown(Moment now) {
  shutting_down_ = true;
  End(EndReason::kEngineRestarted, now);
}

void Engine::LogFailed(absl::string_view why, Moment now) {
  if (!Idle()) Warn("facts cannot be kept any more", {{"why", std::string(why)}});
  End(EndReason::kJournalFull, now);
}

void Engine::Tick(MeterReading meter, Moment now) {
  if (monitor_was_present_ && now.monotonic - last_tick_ > kPause) link_.ExtendTo(now.monotonic + kGraceAfterPause);
  last_tick_ = now.monotonic;
  meter_ = meter;
  CheckTimers(now);
  if (auto* charging = std::get_if<Charging>(&occupant_)) {
    charging->charge.Meter(meter);
    if (charging->ending == EndReason::kNone && now.monotonic >= charging->next_sample) {
      Keep(charging->charge.Sample(now, ids_));
      // From the plan, not from now, so that samples stay a second apart; after a pause, from now.
      charging->next_sample =
          std::max(charging->next_sample, now.monotonic - options_.sample_every) + options_.sample_every;
    }
  }
  SimulateDriver(now);
  TryStart(now);
}

void Engine::NoticePartners(Moment now) {
  const bool present = link_.MonitorPresent(now.monotonic);
  if (std::exchange(monitor_was_present_, present) != present) {
    present ? Say("Monitor connected") : Warn("Monitor lost: no charge until one is back");
  }
  const bool heard = link_.CentralHeard(now.monotonic);
  if (std::exchange(central_was_heard_, heard) != heard) {
    heard ? Say("Central is heard") : Warn("Central cannot be reached: a running charge goes on, no new one starts");
  }
}

void Engine::CheckTimers(Moment now) {
  NoticePartners(now);
  if (!monitor_was_present_) End(EndReason::kMonitorLost, now);
  if (const auto* charging = std::get_if<Charging>(&occupant_); charging != nullptr && charging->charge.TimeIsUp(now)) {
    End(EndReason::kTargetReached, now);
  }
  if (const auto* reservation = std::get_if<Reservation>(&occupant_);
      reservation != nullptr && now.monotonic >= reservation->expires) {
    Release("not used in time");
  }
  while (!asked_.empty() && now.monotonic >= asked_.front().until) {
    const Asked asked = asked_.front();
    asked_.pop_front();
    Reply(asked.token,
          {.request_id = asked.request_id,
           .session = std::nullopt,
           .denial = DenialReason::kRequestExpired,
           .text = "Central has not answered in time"},
          asked.trace);
  }
  if (now.monotonic >= next_produce_again_) {
    next_produce_again_ = now.monotonic + options_.produce_again_every;
    out_.produce_again = out_.produce_again || unsettled_.total() > 0;
  }
}

void Engine::SimulateDriver(Moment now) {
  if (!options_.plugs_in_by_itself) return;
  if (const auto* reservation = std::get_if<Reservation>(&occupant_)) {
    if (now.monotonic < reservation->granted + options_.plug_in_delay) return;
    if (plugged_in_ && !vehicle_served_) return;
    PlugIn(now);
    plugged_in_by_itself_ = true;
  } else if (Idle() && plugged_in_by_itself_) {
    Unplug(now);
  }
}

Outcome Engine::TakeOutcome(Moment now) {
  Status status = GetStatus(now);
  StatusKey key = Key(status);
  out_.status_changed = key != last_key_;
  if (out_.status_changed || now.monotonic >= next_status_) {
    last_key_ = std::move(key);
    next_status_ = now.monotonic + absl::Seconds(1);
    out_.status = std::move(status);
  }
  return std::exchange(out_, {});
}

}  // namespace ev::engine
