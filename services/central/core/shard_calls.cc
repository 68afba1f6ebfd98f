// What is asked for: charges.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/central/core/shard.h"

namespace ev::central {
namespace {

constexpr std::size_t kMaxWaiting = 16;  // Repeats of one request that wait for the same answer.

Failure Denied(DenialReason reason, absl::string_view text, const SessionId& session = SessionId()) {
  return Failure{absl::Status(CodeOf(reason), text), std::string(Name(reason)), reason, session};
}

std::string Because(absl::string_view reason) {
  return reason.empty() ? "" : absl::StrCat(": ", reason);
}

Failure UnknownSession(const SessionId& id) {
  return Failure{absl::NotFoundError(absl::StrCat("no session ", id.value())), "SESSION_UNKNOWN"};
}

CallResult StartResult(const Session& session) {
  if (session.state != SessionState::kDenied) return session;
  return Denied(session.denial, session.denial_text, session.id);
}

}  // namespace

// --- requests --------------------------------------------------------------------------------------------------------

RequestUse Shard::UseOf(const std::string& key, const std::string& fingerprint) const {
  const auto it = requests_.find(key);
  if (key.empty() || it == requests_.end()) return RequestUse::kNew;
  return it->second.first.fingerprint == fingerprint ? RequestUse::kRepeat : RequestUse::kReused;
}

void Shard::RememberRequest(const Moment& now, const std::string& key, const std::string& fingerprint) {
  if (key.empty() || requests_.contains(key)) return;
  Remember(store::RequestRecord{.key = key, .fingerprint = fingerprint, .received = now.utc}, true);
}

// --- sessions --------------------------------------------------------------------------------------------------------

std::optional<Failure> Shard::WhyNotOffered(const CpId& cp, const Moment& now) {
  const Point* point = FindPoint(cp);
  if (point == nullptr) return Denied(DenialReason::kPointUnknown, absl::StrCat("no charging point ", cp.value()));
  const auto denied = [&](DenialReason reason, absl::string_view what) {
    return Denied(reason, absl::StrCat("charging point ", cp.value(), " ", what));
  };
  switch (StateOf(*point, now)) {
    case PointState::kDisconnected:
      return denied(DenialReason::kPointDisconnected, "is disconnected");
    case PointState::kFaulted:
      return denied(DenialReason::kPointFaulted, absl::StrCat("is faulted", Because(point->report.fault)));
    case PointState::kStopped:
      return denied(DenialReason::kPointStopped,
                    absl::StrCat("is out of order", Because(CausesOf(*point).at(0).reason)));
    case PointState::kReserved:
      return denied(DenialReason::kPointBusy, "is reserved");
    case PointState::kCharging:
      return denied(DenialReason::kPointBusy, "is charging");
    case PointState::kAvailable:
      break;
  }
  // What is shown outlives its link for as long as silence is not yet certain; an offer does not.
  if (!point->link.open) return denied(DenialReason::kPointDisconnected, "has just lost its link");
  if (!point->link.configured) return denied(DenialReason::kPointNotReady, "has not yet taken its configuration");
  if (point->report.mark < point->record.highest_grant) {
    return denied(DenialReason::kPointNotReady, "has not yet confirmed the grant before");
  }
  if (point->report.journal_full) {
    return denied(DenialReason::kJournalFull, "has no room to keep another charge");
  }
  return std::nullopt;
}

bool Shard::AnswerKnownRequest(const StartCall& call, Effects& out) {
  if (call.request_key.empty()) return false;
  const auto it = requests_.find(call.request_key);
  if (it == requests_.end()) return false;
  const store::RequestRecord& record = it->second.first;
  if (record.fingerprint != call.fingerprint) {
    out.push_back(Reply{call.call, ReusedRequestId()});
    return true;
  }
  if (record.session.empty()) {
    out.push_back(Reply{call.call, Denied(record.denial, record.denial_text)});
    return true;
  }
  SessionRow* row = FindRow(record.session);
  if (row == nullptr) {
    out.push_back(Reply{call.call, UnknownSession(record.session)});
  } else if (row->session.state == SessionState::kRequested && row->waiting.size() < kMaxWaiting) {
    row->waiting.push_back(call.call);
  } else {
    out.push_back(Reply{call.call, StartResult(row->session)});
  }
  return true;
}

void Shard::StartSession(const Moment& now, const StartCall& call, Effects& out) {
  if (AnswerKnownRequest(call, out)) return;
  const Trace trace = call.trace.empty() ? NewTrace(ids_) : call.trace;
  std::optional<Failure> failure;
  if (call.waited > config_.request_max_age) {
    failure = Denied(DenialReason::kRequestExpired,
                     absl::StrCat("the request waited ", absl::ToInt64Seconds(call.waited), " s on its way"));
  } else {
    failure = WhyNotOffered(call.cp, now);
  }
  if (failure.has_value()) {
    TellDenial(now, call, trace, *failure);
    out.push_back(
        RequestDenied{call.driver, call.cp, failure->denial, std::string(failure->status.message()), now.utc, trace});
    out.push_back(Reply{call.call, *std::move(failure)});
    return;
  }

  Point& point = *FindPoint(call.cp);
  point.record.highest_grant = point.record.highest_grant.Next();
  Touch(point);
  SessionRow& row = AddSession({.id = SessionId(ids_.NewRandomHex()),
                                .cp = call.cp,
                                .driver = call.driver,
                                .number = point.record.highest_grant,
                                .price = point.record.price,
                                .target = call.target,
                                .state = SessionState::kRequested,
                                .requested = now.utc,
                                .updated = now.utc,
                                .manual = call.manual,
                                .trace = trace});
  Touch(row);
  row.has_refusals = true;
  row.waiting.push_back(call.call);
  const Session& session = row.session;
  point.last_asked = session.id;
  if (!call.request_key.empty()) {
    Remember(
        store::RequestRecord{
            .key = call.request_key, .fingerprint = call.fingerprint, .session = session.id, .received = now.utc},
        true);
  }
  Send(now, point,
       PrepareSession{.grant = {.session = session.id,
                                .cp = session.cp,
                                .number = session.number,
                                .driver = session.driver,
                                .price = session.price,
                                .target = session.target,
                                .authorised = now.utc,
                                .key_id = {},
                                .signature = {},
                                .trace = session.trace},
                      .plug_in_time_to_live = config_.grant_time_to_live},
       Pending{.session = session.id}, out);
  Announce(now, out);
}

// A denial before there was a session: kept for the repeat, and told.
void Shard::TellDenial(const Moment& now, const StartCall& call, const Trace& trace, const Failure& failure) {
  // A request for a charging point that nobody knows leaves nothing behind: such ids are without number.
  if (failure.denial == DenialReason::kPointUnknown && FindPoint(call.cp) == nullptr) return;
  if (!call.request_key.empty()) {
    Remember(store::RequestRecord{.key = call.request_key,
                                  .fingerprint = call.fingerprint,
                                  .denial = failure.denial,
                                  .denial_text = std::string(failure.status.message()),
                                  .received = now.utc},
             true);
  }
  if (!config_.kafka_enabled) return;
  if (outbox_full_) {
    ++counters_.denials_dropped;
    return;
  }
  ++version_;
  outbox_.push_back(DenialUpdate{ToHex(ids_.NewMessageId(now.utc)), call.driver, call.cp, failure.denial,
                                 std::string(failure.status.message()), now.utc, trace});
}

void Shard::Deny(const Moment& now, SessionRow& row, SessionState to, DenialReason reason, absl::string_view text) {
  if (!CanMove(row.session.state, to)) return;
  row.session.denial = reason;
  row.session.denial_text = std::string(text);
  Move(now, row, to);
}

void Shard::AnswerWaiting(SessionRow& row, Effects& out) {
  if (row.session.state == SessionState::kRequested) return;
  for (CallId call : std::exchange(row.waiting, {})) out.push_back(Reply{call, StartResult(row.session)});
}

void Shard::StopSession(const Moment& now, const StopCall& call, Effects& out) {
  SessionRow* row = FindRow(call.session);
  const auto fail = [&](Failure failure) { out.push_back(Reply{call.call, std::move(failure)}); };
  if (row == nullptr) return fail(UnknownSession(call.session));
  const Session& session = row->session;
  if (!call.driver.empty() && call.driver != session.driver) {
    return fail({absl::PermissionDeniedError("the session belongs to another driver"), "NOT_YOUR_SESSION"});
  }
  if (session.state == SessionState::kDenied || session.state == SessionState::kExpired) {
    return fail(
        {absl::FailedPreconditionError(absl::StrCat("the session is ", Name(session.state))), "SESSION_NOT_OPEN"});
  }
  // It is over already, which is what was asked for.
  if (!HoldsPoint(session.state)) {
    out.push_back(Reply{call.call, session});
    return;
  }
  const EndReason reason = call.driver.empty() ? EndReason::kOperatorStop : EndReason::kDriverStop;
  if (std::exchange(row->session.stop_asked, reason) != reason) Touch(*row);
  Point* point = FindPoint(session.cp);
  if (point == nullptr || !point->link.open || !IsFresh(*point, now)) {
    fail({absl::UnavailableError(absl::StrCat("charging point ", session.cp.value(),
                                              " is disconnected: the stop is kept, and sent when its link is back")),
          "POINT_DISCONNECTED"});
  } else {
    SendStop(now, *point, *row, reason, {call.call}, out);
  }
  Announce(now, out);
}

void Shard::GetSession(const CallId& call, const SessionId& id, Effects& out) {
  if (const SessionRow* row = FindRow(id)) {
    out.push_back(Reply{call, row->session});
  } else {
    out.push_back(Reply{call, UnknownSession(id)});
  }
}

bool Shard::StillReports(const Point& point, const SessionId& id, const Moment& now) const {
  if (!point.link.open || !point.is_report_valid || !IsFresh(point, now)) return false;
  const EngineReport& report = point.report;
  // What is not on a list that was cut may still be in the charging point.
  if (static_cast<std::int64_t>(report.unsettled.size()) < report.unsettled_total) return true;
  return (report.occupation.has_value() && report.occupation->session == id) ||
         std::any_of(report.unsettled.begin(), report.unsettled.end(),
                     [&](const Unsettled& unsettled) { return unsettled.session == id; });
}

std::optional<Failure> Shard::WhyNotWrittenOff(const Session& session, const Moment& now) {
  const auto no = [](const std::string& text, const char* reason) {
    return Failure{absl::FailedPreconditionError(text), reason};
  };
  if (!IsOpen(session.state)) return no(absl::StrCat("the session is ", Name(session.state)), "SESSION_CLOSED");
  const Point* point = FindPoint(session.cp);
  if (point == nullptr) return std::nullopt;
  const bool has_started = session.state == SessionState::kCharging || session.state == SessionState::kAwaitingFinal;
  if (!has_started && IsFresh(*point, now)) {
    return no(absl::StrCat("the session is ", Name(session.state), " and charging point ", session.cp.value(),
                           " is connected: it will say what becomes of it"),
              "SESSION_NOT_STARTED");
  }
  if (has_started && StillReports(*point, session.id, now)) {
    return no(absl::StrCat("charging point ", session.cp.value(),
                           " is connected and reports the session, or more of them than it can list: its final "
                           "figures will come"),
              "SESSION_LIVE");
  }
  return std::nullopt;
}

void Shard::WriteOffSession(const Moment& now, const WriteOffCall& call, Effects& out) {
  SessionRow* row = FindRow(call.session);
  if (row == nullptr) {
    out.push_back(Reply{call.call, UnknownSession(call.session)});
    return;
  }
  Session& session = row->session;
  if (session.written_off) {
    out.push_back(Reply{call.call, session});
    return;
  }
  if (auto failure = WhyNotWrittenOff(session, now)) {
    out.push_back(Reply{call.call, *std::move(failure)});
    return;
  }
  session.written_off = true;
  session.written_off_by = call.who;
  session.written_off_reason = call.reason;
  if (session.state == SessionState::kCharging || session.state == SessionState::kAwaitingFinal) {
    if (session.start == absl::InfinitePast()) session.start = session.requested;  // Its start never came.
    session.end = std::max(session.start, session.measured);
    session.end_reason = EndReason::kWrittenOff;
    Move(now, *row, SessionState::kCompleted);
    IssueTicket(now, *row, /*estimated=*/true, /*recovered=*/false);
  } else {
    // Nothing is known to have been received, so nothing is billed. Should energy have flowed all the same, the final
    // says so and is booked.
    Deny(now, *row, session.state == SessionState::kGranted ? SessionState::kExpired : SessionState::kDenied,
         DenialReason::kCancelled, "written off by an operator: the charging point does not come back");
  }
  out.push_back(Reply{call.call, session});
  Announce(now, out);
}

}  // namespace ev::central
