// Links: hellos, reports, answers, silence. Decides what a charging point is doing, never what is billed.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/central/core/shard.h"

namespace ev::central {
namespace {

// More than any charging point can have seen: one that says so must not use the numbers up.
constexpr GrantNumber kMaxReportedGrant{kMaxCounter / 2};
constexpr LinkEpoch kMaxReportedEpoch{kMaxCounter / 2};

}  // namespace

void Shard::OnHello(const Moment& now, const LinkHello& hello, Effects& out) {
  Point* point = FindPoint(hello.cp);
  if (point == nullptr && !config_.auto_register) {
    RaiseAlert(now, AlertKind::kLinkRefused, hello.cp, SessionId(), "not registered");
    out.push_back(LinkRefused{
        hello.stream, hello.cp,
        absl::NotFoundError(absl::StrCat("charging point ", hello.cp.value(), " is not registered: create it first")),
        "POINT_UNKNOWN"});
    return Announce(now, out);
  }
  if (point == nullptr) {
    point = &AddPoint({.id = hello.cp,
                       .location = hello.location,
                       .site = hello.site,
                       .price = config_.default_price,
                       .causes = {},
                       .link_epoch = {},
                       .highest_grant = {},
                       .booked_through = {},
                       .registered = now.utc,
                       .last_seen = now.utc,
                       .journal_id = hello.journal_id},
                      true);
  }
  // What waited for an answer on the link before will not get it there.
  if (point->link.open) OnLinkClosed(now, hello.cp, point->link.epoch, out);

  ChargingPoint& record = point->record;
  // Above every epoch that this charging point may have seen, even when its record is new or from an old backup.
  const LinkEpoch seen = hello.highest_epoch <= kMaxReportedEpoch ? hello.highest_epoch : LinkEpoch();
  record.link_epoch =
      std::max({record.link_epoch.Next(), highest_deleted_epoch_.Next(), seen.Next(), LinkEpoch(incarnation_)});
  RaiseNumbers(*point, hello.mark);
  record.last_seen = point->last_seen = now.utc;
  TakeJournal(now, *point, hello.journal_id);
  point->link = Link{.epoch = record.link_epoch,
                     .open = true,
                     .monitor_version = hello.monitor_version,
                     .configured_highest = record.highest_grant,
                     .opened = now.monotonic};
  Touch(*point);
  out.push_back(LinkAccepted{hello.stream, hello.cp, record.link_epoch});
  SendConfiguration(*point, out);
  Announce(now, out);
}

void Shard::SendConfiguration(const Point& point, Effects& out) const {
  if (!point.link.open) return;
  out.push_back(LinkMessage{point.record.id, point.link.epoch,
                            Configuration{.epoch = point.link.epoch,
                                          .price = point.record.price,
                                          .causes = CausesOf(point),
                                          .highest_grant = point.link.configured_highest}});
}

void Shard::OnReport(const Moment& now, const CpId& cp, LinkEpoch epoch, EngineReport report, Effects& out) {
  Point* point = FindPoint(cp);
  if (point == nullptr || !point->link.open || point->link.epoch != epoch) return;
  Hear(now, *point, std::move(report), out);
  Announce(now, out);
}

void Shard::OnBeat(const Moment& now, const CpId& cp, LinkEpoch epoch, EngineHealth health, Effects& out) {
  Point* point = FindPoint(cp);
  if (point == nullptr || !point->link.open || point->link.epoch != epoch) return;
  if (Judge(now, *point, health) == EngineHealth::kSilent) {
    Hear(now, *point, EngineReport{.health = EngineHealth::kSilent}, out);
  } else {
    point->last_seen = now.utc;
    if (point->link.was_configured) point->last_beat = now.monotonic;
    if (StateOf(*point, now) != point->shown) TouchView(*point);
  }
  Announce(now, out);
}

void Shard::OnSignOfLife(const Moment& now, const CpId& cp, LinkEpoch epoch) {
  Point* point = FindPoint(cp);
  if (point == nullptr || !point->link.open || point->link.epoch != epoch || !point->link.was_configured) return;
  point->last_seen = now.utc;
  point->last_beat = now.monotonic;
}

// A Monitor that has not heard its Engine yet knows nothing; if that lasts, there is no Engine.
EngineHealth Shard::Judge(const Moment& now, const Point& point, EngineHealth health) const {
  const bool is_silent = health == EngineHealth::kUnknown && now.monotonic - point.link.opened >= config_.link_silence;
  return is_silent ? EngineHealth::kSilent : health;
}

void Shard::Hear(const Moment& now, Point& point, EngineReport report, Effects& out) {
  Link& link = point.link;
  point.last_seen = now.utc;
  report.health = Judge(now, point, report.health);
  const bool is_silent = report.health == EngineHealth::kSilent;
  link.configured = !is_silent && report.configured_epoch == link.epoch;
  link.was_configured |= link.configured;
  // Until the Engine knows this link's configuration nothing that it says counts: what was shown stays, or grows old.
  if (!link.was_configured && !is_silent) return;
  point.last_beat = now.monotonic;
  point.is_report_valid = link.configured;
  // The live figures come from the facts; a report by itself is news only when it says something else than the last.
  const bool is_news = report.health != point.report.health || report.fault != point.report.fault;
  point.report = std::move(report);
  if (link.configured) {
    RaiseNumbers(point, point.report.mark);
    TakeJournal(now, point, point.report.journal_id);
    Reconcile(now, point, out);
  }
  if (is_news || StateOf(point, now) != point.shown) TouchView(point);
}

// A store from yesterday's backup has given fewer numbers than the charging point has seen: go on above them.
void Shard::RaiseNumbers(Point& point, GrantNumber mark) {
  if (mark <= point.record.highest_grant || mark > kMaxReportedGrant) return;
  point.record.highest_grant = mark;
  Touch(point);
}

// A new id means a new disk: what only the old one held is gone.
void Shard::TakeJournal(const Moment& now, Point& point, const std::string& id) {
  std::string& known = point.record.journal_id;
  if (id.empty() || id == known) return;
  if (!known.empty()) {
    RaiseAlert(now, AlertKind::kJournalReplaced, point.record.id, SessionId(),
               absl::StrCat("journal ", known, " has become ", id,
                            "; open sessions whose facts may be lost: ", point.open.size()));
  }
  known = id;
  Touch(point);
}

// Compares what the charging point says it is doing with what Central believes. Only occupancy follows: nothing is
// booked here.
void Shard::Reconcile(const Moment& now, Point& point, Effects& out) {
  const EngineReport& report = point.report;
  if (SessionRow* row = Holder(point); row != nullptr && report.mark >= row->session.number) {
    const SessionId id = row->session.id;
    const SessionState state = row->session.state;
    const bool occupies = report.occupation.has_value() && report.occupation->session == id;
    const bool is_listed = std::any_of(report.unsettled.begin(), report.unsettled.end(),
                                       [&](const Unsettled& u) { return u.session == id; });
    const bool is_whole_list = static_cast<std::int64_t>(report.unsettled.size()) == report.unsettled_total;
    if (occupies) {
      Move(now, *row, report.occupation->phase == Phase::kCharging ? SessionState::kCharging : SessionState::kGranted);
    } else if (is_listed || state == SessionState::kCharging) {
      Move(now, *row, SessionState::kAwaitingFinal);
    } else if (is_whole_list && (state == SessionState::kGranted || state == SessionState::kUnconfirmed)) {
      OnGrantGone(now, point, *row, PendingStopOf(id));
    }
    // A session that is REQUESTED waits for its answer, which says why.
  }
  // A lost answer costs a second: what is settled is said again.
  for (const Unsettled& unsettled : report.unsettled) {
    Settle(point.record.id, unsettled.session, unsettled.start, unsettled.final, out);
  }
}

EndReason Shard::PendingStopOf(const SessionId& id) const {
  for (const auto& [command, pending] : pending_) {
    if (pending.session == id && pending.reason != EndReason::kNone) return pending.reason;
  }
  return EndReason::kNone;
}

void Shard::OnGrantGone(const Moment& now, const Point& point, SessionRow& row, EndReason told) {
  const Session& session = row.session;
  const bool was_granted = session.state == SessionState::kGranted;
  const SessionState to = was_granted ? SessionState::kExpired : SessionState::kDenied;
  if (session.stop_asked != EndReason::kNone) {
    return Deny(now, row, to, DenialReason::kCancelled, "cancelled before energy flowed");
  }
  if (!was_granted) {
    return Deny(now, row, to, DenialReason::kNotDelivered, "the charging point did not take the grant");
  }
  if (point.is_report_valid && point.report.health == EngineHealth::kFaulted) {
    const std::string& fault = point.report.fault;
    return Deny(now, row, to, DenialReason::kPointFaulted,
                absl::StrCat("the charging point is faulted", fault.empty() ? "" : ": ", fault));
  }
  if (told != EndReason::kNone || !CausesOf(point).empty()) {
    return Deny(now, row, to, DenialReason::kPointStopped,
                "the charging point was put out of order before energy flowed");
  }
  Deny(now, row, to, DenialReason::kNone, "the grant was not used in time");
}

void Shard::OnAnswer(const Moment& now, const CpId& cp, LinkEpoch epoch, const CommandAnswer& answer, Effects& out) {
  Point* point = FindPoint(cp);
  const auto it = pending_.find(answer.id);
  if (point == nullptr || point->link.epoch != epoch || it == pending_.end() || it->second.cp != cp ||
      it->second.epoch != epoch) {
    return;
  }
  Pending pending = std::move(it->second);
  pending_.erase(it);
  if (point->link.configured) point->report.mark = std::max(point->report.mark, answer.mark);
  SessionRow* row = FindRow(pending.session);
  if (row == nullptr) {
    for (CallId call : pending.calls) {
      out.push_back(Reply{call, Failure{absl::UnavailableError("the session has ended meanwhile"), "SESSION_ENDED"}});
    }
  } else if (pending.prepare) {
    OnPrepareAnswer(now, *row, answer);
  } else {
    OnStopAnswer(now, *point, *row, answer, std::move(pending), out);
  }
  TouchView(*point);
  Announce(now, out);
}

void Shard::OnPrepareAnswer(const Moment& now, SessionRow& row, const CommandAnswer& answer) {
  const SessionState state = row.session.state;
  if (state != SessionState::kRequested && state != SessionState::kUnconfirmed) return;
  switch (answer.verdict) {
    case Verdict::kGranted:
      Move(now, row, SessionState::kGranted);
      break;
    case Verdict::kDenied:
      Deny(now, row, SessionState::kDenied, answer.denial, answer.text);
      break;
    case Verdict::kNotSent:
      Deny(now, row, SessionState::kDenied, DenialReason::kEngineUnreachable,
           answer.text.empty() ? "the Engine is not connected to its Monitor" : answer.text);
      break;
    // Nobody knows whether the Engine took it: not a denial.
    default:
      Move(now, row, SessionState::kUnconfirmed);
      break;
  }
}

void Shard::OnStopAnswer(const Moment& now, Point& point, SessionRow& row, const CommandAnswer& answer, Pending pending,
                         Effects& out) {
  const auto reply = [&](const CallResult& result) {
    for (CallId call : pending.calls) out.push_back(Reply{call, result});
  };
  switch (answer.verdict) {
    case Verdict::kCancelled:
      if (HoldsPoint(row.session.state) && row.session.state != SessionState::kCharging) {
        OnGrantGone(now, point, row, pending.reason);
      }
      return reply(row.session);
    case Verdict::kRunning:
      Move(now, row, SessionState::kCharging);
      // The vehicle was faster than the stop: what was asked for still is to end the charge.
      if (!pending.calls.empty()) {
        const EndReason reason = pending.reason;
        Send(now, point, ev::StopSession{row.session.id, reason, row.session.trace}, std::move(pending), out);
      }
      return;
    case Verdict::kStopped:
    case Verdict::kEnded:
      if (HoldsPoint(row.session.state)) Move(now, row, SessionState::kAwaitingFinal);
      return reply(row.session);
    case Verdict::kUnknown:
      return reply(Failure{absl::FailedPreconditionError("the charging point does not know this session: its data may "
                                                         "be lost, an operator can write the session off"),
                           "SESSION_UNKNOWN_AT_POINT"});
    case Verdict::kNotSent:
      return reply(Failure{absl::UnavailableError("the Engine is not connected to its Monitor: the stop is kept, and "
                                                  "sent again"),
                           "ENGINE_UNREACHABLE"});
    default:
      return reply(Failure{absl::UnavailableError("the Engine did not answer its Monitor: the stop is kept, and sent "
                                                  "again"),
                           "ENGINE_SILENT"});
  }
}

void Shard::OnLinkClosed(const Moment& now, const CpId& cp, LinkEpoch epoch, Effects& out) {
  Point* point = FindPoint(cp);
  if (point == nullptr || !point->link.open || point->link.epoch != epoch) return;
  point->link.open = false;
  point->record.last_seen = point->last_seen;
  Touch(*point);
  // What was asked may have been done: a stop has no answer, a session is unconfirmed.
  std::vector<CommandId> lost;
  for (const auto& [id, pending] : pending_) {
    if (pending.cp == cp && pending.epoch == epoch) lost.push_back(id);
  }
  std::sort(lost.begin(), lost.end());
  for (CommandId id : lost) {
    Pending pending = std::move(pending_.at(id));
    pending_.erase(id);
    for (CallId call : pending.calls) {
      out.push_back(Reply{call, Failure{absl::UnavailableError("the link to the charging point broke before it "
                                                               "answered: the stop is kept, and sent again"),
                                        "LINK_LOST"}});
    }
    SessionRow* row = FindRow(pending.session);
    if (pending.prepare && row != nullptr && row->session.state == SessionState::kRequested) {
      Move(now, *row, SessionState::kUnconfirmed);
    }
  }
  Announce(now, out);
}

void Shard::OnUndelivered(const Moment& now, const CpId& cp, LinkEpoch epoch, const Command& command, Effects& out) {
  const auto it = pending_.find(command.id);
  if (it == pending_.end() || it->second.cp != cp || it->second.epoch != epoch) return;
  const Pending pending = std::move(it->second);
  pending_.erase(it);
  SessionRow* row = FindRow(pending.session);
  if (pending.prepare && row != nullptr && row->session.state == SessionState::kRequested) {
    Deny(now, *row, SessionState::kDenied, DenialReason::kPointDisconnected, "the link to the charging point had gone");
  }
  for (CallId call : pending.calls) {
    out.push_back(Reply{call, Failure{absl::UnavailableError("the link to the charging point had gone: the stop is "
                                                             "kept, and sent when it is back"),
                                      "LINK_LOST"}});
  }
  Announce(now, out);
}

void Shard::Send(const Moment& now, Point& point, decltype(Command::body) body, Pending pending, Effects& out) {
  const CommandId id(++next_command_);
  pending.cp = point.record.id;
  pending.epoch = point.link.epoch;
  pending.deadline = now.monotonic + config_.command_deadline;
  pending.prepare = std::holds_alternative<PrepareSession>(body);
  pending_[id] = std::move(pending);
  out.push_back(LinkMessage{point.record.id, point.link.epoch,
                            Command{.id = id, .deadline = config_.command_deadline, .body = std::move(body)}});
}

void Shard::SendStop(const Moment& now, Point& point, SessionRow& row, EndReason reason, std::vector<CallId> calls,
                     Effects& out) {
  const Session& session = row.session;
  point.link.next_nudge = now.monotonic + absl::Seconds(1);
  Pending pending{.session = session.id, .calls = std::move(calls), .reason = reason};
  if (session.state == SessionState::kCharging) {
    Send(now, point, ev::StopSession{session.id, reason, session.trace}, std::move(pending), out);
  } else {
    Send(now, point, CancelGrant{session.number, session.id, session.trace}, std::move(pending), out);
  }
}

void Shard::Tick(const Moment& now, Effects& out) {
  for (auto& [cp, point] : points_) TickPoint(now, *point, out);

  std::vector<CommandId> overdue;
  for (const auto& [id, pending] : pending_) {
    if (now.monotonic >= pending.deadline) overdue.push_back(id);
  }
  std::sort(overdue.begin(), overdue.end());
  for (CommandId id : overdue) {
    Pending& pending = pending_.at(id);
    SessionRow* row = FindRow(pending.session);
    if (pending.prepare && row != nullptr && HoldsPoint(row->session.state)) {
      if (row->session.state == SessionState::kRequested) Move(now, *row, SessionState::kUnconfirmed);
      // The answer may still come, and is then better than a guess.
      pending.deadline = now.monotonic + config_.command_deadline;
      continue;
    }
    for (CallId call : pending.calls) {
      out.push_back(Reply{call, Failure{absl::DeadlineExceededError(
                                            "the charging point did not answer in time: the stop is kept, and sent "
                                            "again"),
                                        "NO_ANSWER"}});
    }
    pending_.erase(id);
  }
  Announce(now, out);
  EvictRecent();
}

void Shard::TickPoint(const Moment& now, Point& point, Effects& out) {
  Link& link = point.link;
  if (link.open && now.monotonic >= link.next_beat_out) {
    link.next_beat_out = now.monotonic + absl::Seconds(1);
    out.push_back(LinkMessage{point.record.id, link.epoch, CentralBeat{}});
  }
  if (StateOf(point, now) != point.shown) TouchView(point);
  if (!link.open || !link.configured || !IsFresh(point, now) || now.monotonic < link.next_nudge) return;

  const GrantNumber highest = point.record.highest_grant;
  SessionRow* row = Holder(point);
  if (row == nullptr) {
    // Denied before the Engine has seen it: nothing is offered until the mark has passed its number.
    if (point.report.mark >= highest) return;
    link.next_nudge = now.monotonic + absl::Seconds(1);
    return Send(now, point, CancelGrant{highest, point.last_asked, TraceOf(point.last_asked)},
                Pending{.session = point.last_asked}, out);
  }
  const Session& session = row->session;
  const bool is_lost_grant = session.state == SessionState::kUnconfirmed && point.report.mark < session.number;
  EndReason reason = session.stop_asked;
  if (reason == EndReason::kNone && (!point.record.causes.empty() || !state_.network_causes.empty())) {
    reason = EndReason::kOperatorStop;
  }
  const bool must_end = reason != EndReason::kNone &&
                        (session.state == SessionState::kCharging || session.state == SessionState::kGranted);
  if (is_lost_grant || must_end) SendStop(now, point, *row, must_end ? reason : EndReason::kNone, {}, out);
}

}  // namespace ev::central
